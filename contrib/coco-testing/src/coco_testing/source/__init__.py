"""The source suite by topic. Authors import ``coco_testing.source_suite``; the modules here are its parts."""
