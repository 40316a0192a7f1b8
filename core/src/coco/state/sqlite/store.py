"""The store as a whole."""

from __future__ import annotations

import os
from typing import Any

from coco.errors import StateStoreError
from coco.state.sqlite.damage import Damage
from coco.state.sqlite.database import MEMORY
from coco.state.sqlite.failures import Failures
from coco.state.sqlite.retention import Retention
from coco.state.sqlite.setup import Setup
from coco.state.sqlite.tracking import Tracking

STATE_FOLDER = ".coco"
_PREFIX = "sqlite:///"


def open_store(url: str) -> SqliteStore:
    """The store of ``sqlite:///PATH``: a relative path, or an absolute one with a fourth slash. Creates nothing yet.

    Raises ``StateStoreError`` for another form.
    """
    if not url.startswith(_PREFIX):
        raise StateStoreError(f"the state URL {url} cannot be read; its form is {_PREFIX}PATH")
    return SqliteStore(url.removeprefix(_PREFIX))


class SqliteStore(Tracking, Failures, Retention, Setup, Damage):
    """State in one file, made at the first ``open``; ``:memory:`` keeps it in the process.

    Commits survive a killed process, stages and setup a power cut. Safe to call from several threads and from
    several processes on one machine; not across a fork.
    """

    def exists(self) -> bool:
        """Whether there is a file already; what is in memory is there as soon as it is asked for."""
        return self._path == MEMORY or os.path.exists(self._path)

    def local_paths(self) -> list[str]:
        """The file, what SQLite keeps beside it, and the folder around it where that is ours by its name."""
        if self._path == MEMORY:
            return []
        folder = os.path.dirname(self._path)
        beside = [f"{self._path}{suffix}" for suffix in ("", "-wal", "-shm", "-journal", "-new")]
        return [*beside, folder] if os.path.basename(folder) == STATE_FOLDER else beside

    def facts(self) -> dict[str, Any]:
        """Header, location, memo totals, and the bytes of the file and of its log."""
        with self._reading() as db:
            header = dict(db.execute("SELECT key, value FROM header").fetchall())
            entries, size = self.memo_stats()
            pages, free, page = (
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        log = f"{self._path}-wal"
        return {
            **header,
            "location": self._path,
            "memo_entries": entries,
            "memo_bytes": size,
            "file_bytes": pages * page,
            "free_bytes": free * page,
            "log_bytes": os.path.getsize(log) if self._path != MEMORY and os.path.exists(log) else 0,
        }
