"""A state store in memory, for tests, evaluation and ``memory://``."""

from __future__ import annotations

from coco.state.sqlite import SqliteStore


class MemoryStore(SqliteStore):
    """The SQLite store without a file. It shares the code of the SQLite store, so the two behave alike.

    Each instance has its own contents. ``close`` deletes them.
    """

    def __init__(self) -> None:
        super().__init__(":memory:")


def open_store(url: str) -> MemoryStore:
    """The store of ``memory://``; each has contents of its own."""
    return MemoryStore()
