"""One process's wiring: settings, state store, threads, event loop, running flows."""
