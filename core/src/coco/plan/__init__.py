"""Plans a graph for the engine: steps in order, and fingerprints of their logic."""
