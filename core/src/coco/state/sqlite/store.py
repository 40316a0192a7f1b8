"""The SQLite state store."""

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
    """Return the store of ``sqlite:///PATH``: a relative path, or an absolute one with a fourth slash. Creates nothing.

    Raises ``StateStoreError`` for a URL of another form.
    """
    if not url.startswith(_PREFIX):
        raise StateStoreError(f"the state URL {url} cannot be read; its form is {_PREFIX}PATH")
    return SqliteStore(url.removeprefix(_PREFIX))


class SqliteStore(Tracking, Failures, Retention, Setup, Damage):
    """A state store in one file, which the first ``open`` creates. ``:memory:`` keeps the state in the process.

    Commits survive a killed process. Staged rows and setup also survive a power cut. Several threads, and several
    processes on one machine, may use one file; a process must not use it across a fork.
    """

    def exists(self) -> bool:
        """Return whether the file exists; True for ``:memory:``."""
        return self._path == MEMORY or os.path.exists(self._path)

    def local_paths(self) -> list[str]:
        """Return the file, the files that SQLite keeps beside it, and the folder of these if it is ``.coco``."""
        if self._path == MEMORY:
            return []
        folder = os.path.dirname(self._path)
        beside = [f"{self._path}{suffix}" for suffix in ("", "-wal", "-shm", "-journal", "-new")]
        return [*beside, folder] if os.path.basename(folder) == STATE_FOLDER else beside

    def facts(self) -> dict[str, Any]:
        """Return header, location, memo totals, and the bytes of the file and of its log."""
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
