"""Rows of a coco flow as files in a folder. Nothing is imported here: names live in the modules."""
