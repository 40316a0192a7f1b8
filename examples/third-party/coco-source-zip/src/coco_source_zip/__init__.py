"""Nothing is imported here: names live in the modules."""
