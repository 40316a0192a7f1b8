"""The default state store: one SQLite file."""

from coco.state.sqlite.store import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
