"""The default state store: one SQLite file."""

from coco.state.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
