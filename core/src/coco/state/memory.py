"""State that ends with the process: for tests, evaluation and ``memory://``."""

from __future__ import annotations

from coco.state.sqlite import SqliteStore


class MemoryStore(SqliteStore):
    """The same store without a file."""

    def __init__(self) -> None:
        super().__init__(":memory:")
