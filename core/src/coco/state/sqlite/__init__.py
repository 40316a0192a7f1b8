"""The default state store: one SQLite file (DESIGN section 5)."""

from coco.state.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
