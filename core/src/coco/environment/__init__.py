"""The services of one process: settings, state store, threads, event loop, running flows."""
