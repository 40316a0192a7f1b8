"""What users hold: flows, live updaters and transform flows, each a definition with the operations on it."""
