"""From a graph to what the engine runs: steps in order, and fingerprints of their logic."""
