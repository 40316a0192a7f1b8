"""Packages of plugins, as ``coco new`` writes them. Nothing is imported here."""
