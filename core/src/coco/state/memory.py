"""State that ends with the process: for tests, evaluation and ``memory://``."""

from __future__ import annotations

from coco.state.sqlite import SqliteStore


class MemoryStore(SqliteStore):
    """The SQLite store without a file: one implementation, so the two cannot differ in what they mean.

    Each instance has its own contents, which end with ``close``.
    """

    def __init__(self) -> None:
        super().__init__(":memory:")


def open_store(url: str) -> MemoryStore:
    """The store of ``memory://``; each has contents of its own."""
    return MemoryStore()
