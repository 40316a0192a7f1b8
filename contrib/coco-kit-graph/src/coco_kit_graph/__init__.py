"""What targets for property graphs share. Nothing is imported here: names live in the modules."""
