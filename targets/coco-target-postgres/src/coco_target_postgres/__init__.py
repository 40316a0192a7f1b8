"""Rows of a coco flow in tables of a Postgres database, with pgvector and full-text indexes. Nothing is
imported here: names live in the modules.
"""
