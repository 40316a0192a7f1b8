"""The store suite by topic. Authors import ``coco_testing.store_suite``; the modules here are its parts."""
