"""Splitting texts, parsing JSON and telling programming languages, as functions of coco flows. Nothing is
imported here: names live in the modules.
"""
