"""Files of a local folder as a source of coco flows. Nothing is imported here: names live in the modules."""
