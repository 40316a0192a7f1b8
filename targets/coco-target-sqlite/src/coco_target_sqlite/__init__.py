"""Rows of a coco flow in tables of an SQLite file. Nothing is imported here: names live in the modules."""
