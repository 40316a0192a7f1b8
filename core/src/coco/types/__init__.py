"""Types of values: annotations, schemas, and the codecs between Python values and engine values.

``coco.typing`` and ``coco.engine_value`` are the public names for what is here. Nothing is imported on behalf
of the package, so that a module which only needs schemas pays for nothing else.
"""
