"""Memory, and the size of state: what must follow limits, and what may follow the corpus."""
