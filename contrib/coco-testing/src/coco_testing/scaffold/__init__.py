"""Packages of plugins, as ``coco new`` writes them. This module imports nothing."""
