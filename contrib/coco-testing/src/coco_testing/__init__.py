"""The conformance kit of coco."""
