"""Types of values: annotations, schemas, and the codecs between Python values and engine values.

``coco.typing`` and ``coco.engine_value`` export what is public. This package imports none of its modules, so that a
program that needs schemas only does not load the codecs.
"""
