"""The runner suite by topic. Authors import ``coco_testing.runner_suite``; the modules here are its parts."""
