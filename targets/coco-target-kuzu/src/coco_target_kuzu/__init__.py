"""Rows of a coco flow as nodes and relationships of Kuzu or Ladybug. Nothing is imported here."""
