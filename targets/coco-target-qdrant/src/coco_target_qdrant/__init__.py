"""Rows of a coco flow as points of a Qdrant collection. Nothing is imported here: names live in the modules."""
