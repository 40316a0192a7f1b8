"""Rows of a coco flow as nodes and relationships of Neo4j. Nothing is imported here: names live in the modules."""
