"""Opening SQLite files, transactions, and what SQLite's errors mean to a user."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from coco.errors import DriftError, TargetError
from coco.kit.interruption import interruptible

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a call waits for another process's transaction."""

SYNCHRONOUS = "FULL"
"""Rows outlive a power failure once a call has returned; a batch costs one sync."""

CACHE_KIB = 16_384
CHECKPOINT_PAGES = 4_000
"""How long the log may grow, in pages: hot pages are copied to the file less often than by default."""

OLDEST_SQLITE = (3, 35, 0)
"""The first release with ``ALTER TABLE DROP COLUMN``."""


def absolute(path: str) -> str:
    """The path that identifies a file, whatever the working directory is later."""
    return os.path.abspath(os.path.expanduser(path))


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def connect(path: str, *, create: bool) -> sqlite3.Connection:
    """A connection that writes, in autocommit mode, usable from one thread at a time.

    create: make the file, and its folder, if they are missing. Raises ``TargetError``.
    """
    _check_place(path, create=create)
    db = _open(path, "rwc" if create else "rw")
    try:
        db.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        # The first statement that reads the file: tells a database from other files.
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error as error:
        db.close()
        raise explained(error, path) from error
    return db


def connect_to_read(path: str) -> sqlite3.Connection:
    """A connection that cannot write. Raises ``TargetError``."""
    _check_place(path, create=False)
    db = _open(path, "ro")
    try:
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        return db
    except sqlite3.Error as error:
        db.close()
        problem = error
    name = getattr(problem, "sqlite_errorname", None) or ""
    log = path + "-wal"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not (
        os.path.exists(log) and os.path.getsize(log)
    ):
        # WAL needs to write beside the file even to read it; a folder that forbids it also has no writers.
        return _open(path, "ro&immutable=1")
    raise explained(problem, path) from problem


def identity(path: str) -> tuple[int, int] | None:
    """Which file a path leads to now; None if it leads to none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _open(path: str, mode: str) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise TargetError(
            f"this Python brings SQLite {sqlite3.sqlite_version}; the Sqlite target needs "
            f"{'.'.join(map(str, OLDEST_SQLITE))} or later"
        )
    try:
        return sqlite3.connect(
            f"{Path(path).as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error


def _check_place(path: str, *, create: bool) -> None:
    if os.path.isdir(path):
        raise TargetError(f"SQLite file {path} is a folder: let `path` name a file in it")
    if create:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise TargetError(
                f"the folder of SQLite file {path} cannot be made: {error.strerror or error}"
            ) from error
    elif not os.path.exists(path):
        raise DriftError(f"SQLite file {path} does not exist: it was never set up, or was moved or deleted")


def explained(error: sqlite3.Error, path: str, table: str = "") -> TargetError:
    """The same error in terms of what failed and what to do."""
    where = f"table {table!r} of SQLite file {path}" if table else f"SQLite file {path}"
    text = str(error)
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TargetError(
            f"{where} is locked by another process; waited {BUSY_TIMEOUT_SECONDS:g} s. "
            "End the other one's transaction, or try again"
        )
    if name.startswith("SQLITE_FULL"):
        return TargetError(f"{where} cannot grow: the disk is full. Make room and update again")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return TargetError(
            f"{where} is corrupt, or no SQLite database ({text}). It was left as it is: restore a backup, or move "
            "it away and run `coco verify --repair APP`, which recreates and fills it"
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return TargetError(
            f"{where} cannot be opened for writing ({text}): check the permissions of the file and of its folder"
        )
    if "no such table" in text or "no column named" in text or "no such column" in text:
        return DriftError(
            f"{where} is not as setup left it ({text}); `coco verify --repair APP` recreates what is missing"
        )
    if "no such module: fts5" in text:
        return TargetError(
            f"{where}: this Python's SQLite has no FTS5, which full-text indexes need. Use another Python, or "
            "leave fts_indexes out"
        )
    return TargetError(f"{where}: {text}")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; waits for other writers at the start and not in the middle."""
    with interruptible(db.interrupt):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
