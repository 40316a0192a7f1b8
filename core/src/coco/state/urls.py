"""State stores by URL."""

from __future__ import annotations

from collections.abc import Callable

from coco.state.protocol import StateStore


def open_store(url: str, fallback: Callable[[str], StateStore]) -> StateStore:
    """``sqlite:///PATH`` (relative, or absolute with a fourth slash), ``memory://``; others ask ``fallback``."""
    if url.startswith("sqlite:///"):
        from coco.state.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"))
    if url.startswith("memory://"):
        from coco.state.memory import MemoryStore

        return MemoryStore()
    return fallback(url)
