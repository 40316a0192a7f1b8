"""Settings of hypothesis for this package: a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("coco-function-text", deadline=None)
settings.load_profile("coco-function-text")
