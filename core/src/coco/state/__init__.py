"""State: the store protocol, the SQLite store, the in-memory store."""
