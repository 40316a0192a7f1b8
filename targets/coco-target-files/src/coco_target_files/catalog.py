"""Which files and folders coco made: a small SQLite file beside them.

A file is entered before it is written and leaves after it is deleted, so that a crash leaves no file of ours
unknown. coco did not make what is not in the catalog.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from coco.errors import TargetError

CATALOG = ".coco-files.db"
BUSY_SECONDS = 30.0
PAGE = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def catalog_exists(root: str) -> bool:
    """Whether the folder is there and coco has written into it."""
    return os.path.isfile(os.path.join(root, CATALOG))


class Catalog:
    """The catalog of a folder. Calls may come from any thread. Raises ``TargetError`` if it cannot be used."""

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, CATALOG)
        self._lock = threading.RLock()
        with self._explained():
            self._db = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes of the block, or none of them."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def fact(self, name: str) -> str | None:
        """What is noted under a name."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def note(self, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(name, value)])

    def keys_of(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Path -> packed key, of those that are ours."""
        found: dict[str, bytes] = {}
        for start in range(0, len(paths), PAGE):
            part = paths[start : start + PAGE]
            marks = ", ".join("?" * len(part))
            found.update(self._rows(f"SELECT path, key FROM files WHERE path IN ({marks})", part))
        return found

    def add_files(self, entries: Iterable[tuple[str, bytes]]) -> None:
        self._run("INSERT OR REPLACE INTO files VALUES (?, ?)", entries)

    def remove_files(self, paths: Iterable[str]) -> None:
        self._run("DELETE FROM files WHERE path = ?", ((path,) for path in paths))

    def files(self) -> Iterator[list[tuple[str, bytes]]]:
        """All (path, packed key), in bounded lists."""
        last = ""
        while True:
            rows = self._rows(
                f"SELECT path, key FROM files WHERE path > ? ORDER BY path LIMIT {PAGE}", (last,)
            )
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    def folders(self) -> set[str]:
        """Folders that we made."""
        return {path for (path,) in self._rows("SELECT path FROM folders", ())}

    def add_folders(self, paths: Iterable[str]) -> None:
        self._run("INSERT OR IGNORE INTO folders VALUES (?)", ((path,) for path in paths))

    def remove_folders(self, paths: Iterable[str]) -> None:
        self._run("DELETE FROM folders WHERE path = ?", ((path,) for path in paths))

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        with self._lock, self._explained():
            return self._db.execute(sql, parameters).fetchall()

    def _run(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._lock, self._explained():
            self._db.executemany(sql, rows)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise TargetError(
                f"the catalog {self._path}, in which coco records its files, cannot be used: {error}. If it "
                "is damaged: `coco drop`, delete the catalog and coco's files by hand, `coco setup`, `coco update`"
            ) from error
