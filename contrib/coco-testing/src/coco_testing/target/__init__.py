"""The target suite by topic. Authors import ``coco_testing.target_suite``; the modules here are its parts."""
