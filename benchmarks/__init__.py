"""Measurements of coco, of hand-written floors and of its peers, side by side on one machine."""
