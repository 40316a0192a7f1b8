"""One SQLite file: opens, creates and migrates it, and runs transactions in it.

Settings, with their measured effect (55 000 memo entries of 300 bytes in batches of 1 000; 2 cores):

- ``journal_mode=WAL``: readers never block on the writer, and a killed process leaves a consistent file.
- ``synchronous=NORMAL``: no fsync per transaction. A power cut may lose the last transactions, but never consistency.
  Transactions that must survive before a target is written (``stage``, ``setup_write``) use ``FULL``, 0.1 to 1 ms more.
- ``wal_autocheckpoint`` of 16 MB instead of 4: with 300 000 entries in the file 2.2 times as fast, as pages that many
  batches touch are copied back once.
- ``cache_size`` of 16 MB instead of 2: reads are 1.4 times as fast. SQLite fills it only with pages that are read.
- Bigger pages and ``mmap`` made no difference beyond noise. Sorting a batch before writing it gained 5 %.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from coco.errors import StateStoreError
from coco.state.damage import corrupt
from coco.state.machine import describe_holder
from coco.state.migrations import OLDEST, migrate
from coco.state.records import DamagedRecordError
from coco.state.schema import APPLICATION_ID, DIGEST, ENCODING, HEADER, SCHEMA_VERSION, TABLES, TOTALS
from coco.state.sqlite import faults

MEMORY = ":memory:"
HEADER_BYTES = 100
"""No SQLite file has fewer."""
CHUNK = 512
"""Values in one ``IN (...)``."""

T = TypeVar("T")

_PRAGMAS: Mapping[str, int | str] = {
    "synchronous": "NORMAL",
    "wal_autocheckpoint": 4_000,
    "journal_size_limit": 64 << 20,
    "cache_size": -16_000,
    "secure_delete": "ON",
}
_OPEN: dict[tuple[str, int], int] = {}
"""(path, process) -> number of open connections. A forked child must not open a file that its parent has open."""
_ABANDONED: list[sqlite3.Connection] = []
"""Connections of the parent process. They are never closed, because that would release or take locks of the parent."""


class Database:
    """Connection, transactions and errors of one file. Methods may be called from any thread; they run one at a time."""

    def __init__(
        self,
        path: str,
        *,
        busy_timeout_seconds: float = 10.0,
        pragmas: Mapping[str, int | str] | None = None,
    ) -> None:
        """busy_timeout_seconds: how long to wait for other processes. pragmas: further settings of SQLite."""
        self._path = path if path == MEMORY else os.path.abspath(path)
        self._timeout = busy_timeout_seconds
        self._pragmas = dict(pragmas or {})
        self._db: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._pid = 0
        self._closed = False
        self._wal = False
        self._usual = ""
        self._identity: tuple[int, int] | None = None

    @property
    def location(self) -> str:
        """The path of the file."""
        return self._path

    # -- life -------------------------------------------------------------------------------------
    def open(self) -> None:
        """Create the file, with mode 0600, or open it, and migrate an older one forward.

        Raises ``StateStoreError`` for a file that is newer, corrupt, not coco's, locked, or cannot be reached.
        """
        self._refuse_fork()
        with self._lock:
            if self._db is not None:
                return
            if self._path != MEMORY:
                for path, pid in _OPEN:
                    if path == self._path and pid != os.getpid():
                        raise faults.forked(self._path, pid)
            with self._errors():
                self._create_file()
                db = sqlite3.connect(
                    self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
                )
                try:
                    self._prepare(db)
                except BaseException:
                    db.close()
                    raise
                if self._path != MEMORY:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(f"{self._path}-new")
            self._db = db
            self._identity = self._found()
            self._pid = os.getpid()
            self._closed = False
            _OPEN[self._path, self._pid] = _OPEN.get((self._path, self._pid), 0) + 1

    def close(self) -> None:
        """Close the file; ``open`` may follow. The contents of ``:memory:`` are deleted."""
        if self._db is not None and self._pid != os.getpid():
            _ABANDONED.append(self._db)
            self._db, self._closed = None, True
            return
        with self._lock:
            self._closed = True
            if self._db is None:
                return
            left = _OPEN.pop((self._path, self._pid), 1) - 1
            if left:
                _OPEN[self._path, self._pid] = left
            db, self._db = self._db, None
            with self._errors():
                db.close()

    def _create_file(self) -> None:
        if self._path == MEMORY:
            return
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        mark = f"{self._path}-new"
        if not os.path.exists(self._path):
            # The mark comes before the file and goes after its first page: a process may be killed in between.
            os.close(os.open(mark, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if os.path.getsize(self._path) < HEADER_BYTES and not os.path.exists(mark):
            size = os.path.getsize(self._path)  # another process may have written it meanwhile
            if size < HEADER_BYTES and not os.path.isdir(self._path):
                raise corrupt(self._path, f"it has {size} bytes" if size else "it is empty")

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = self._version(db)  # first, because a file that is refused must not be changed
        self._wal = self._path != MEMORY and self._start_wal(db)
        settings = {**_PRAGMAS, **({} if self._wal else {"synchronous": "FULL"}), **self._pragmas}
        self._usual = str(settings["synchronous"])
        for name, value in settings.items():
            db.execute(f"PRAGMA {name}={value}")
        if version == SCHEMA_VERSION:
            return
        with transaction(db):
            version = self._version(db)  # another process may have migrated it meanwhile
            if version == 0:
                for statement in TABLES:
                    db.execute(statement)
                db.executemany("INSERT INTO header VALUES(?, ?)", list(HEADER.items()))
                db.executemany("INSERT INTO totals VALUES(?, ?)", list(TOTALS.items()))
            elif version < SCHEMA_VERSION:
                migrate(db, version, SCHEMA_VERSION)
            db.execute("INSERT OR REPLACE INTO header VALUES('release', ?)", (_release(),))
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _version(self, db: sqlite3.Connection) -> int:
        """Return the schema version of the tables in the file; 0 if there are none yet."""
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if "header" not in tables:
            if tables:
                raise faults.foreign(self._path)
            return 0
        try:
            header = dict(db.execute("SELECT key, value FROM header").fetchall())
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise faults.foreign(self._path) from error  # a table "header" with other columns
        text = header.get("schema_version", "")
        if not str(text).isdigit() or int(text) < OLDEST:
            raise corrupt(self._path, f"its schema version is {text!r}")
        version = int(text)
        if version > SCHEMA_VERSION:
            writer = str(header.get("release", ""))
            raise faults.too_new(self._path, version, SCHEMA_VERSION, writer, _release())
        if header.get("digest") != DIGEST or header.get("encoding") != ENCODING:
            raise StateStoreError(
                f"state file {self._path} uses digest {header.get('digest')!r} and encoding "
                f"{header.get('encoding')!r}, this release {DIGEST!r} and {ENCODING!r}: {faults.ELSEWHERE}"
            )
        return version

    def _start_wal(self, db: sqlite3.Connection) -> bool:
        """Change the mode. SQLite does not wait for other processes in that, so this method does."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return str(db.execute("PRAGMA journal_mode=WAL").fetchone()[0]) == "wal"
            except sqlite3.OperationalError as error:
                if not faults.is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    # -- transactions -----------------------------------------------------------------------------
    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._refuse_fork()
        with self._lock, self._errors():
            if self._db is None:
                if self._closed:
                    raise StateStoreError(f"state file {self._path} is closed: open it again first")
                self.open()
            assert self._db is not None
            found = self._found()
            if found != self._identity:  # SQLite would write to a deleted file
                raise faults.moved(self._path, replaced=found is not None)
            yield self._db

    @contextlib.contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one transaction. ``durable``: it and all earlier ones survive a power cut after it ends."""
        with self._reading() as db:
            durable = durable and self._wal
            if durable:
                db.execute("PRAGMA synchronous=FULL")
            try:
                with transaction(db):
                    yield db
            finally:
                if durable:
                    db.execute(f"PRAGMA synchronous={self._usual}")

    def _found(self) -> tuple[int, int] | None:
        """Return the identity of the file at the path; None if there is none."""
        if self._path == MEMORY:
            return None
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _refuse_fork(self) -> None:
        if self._db is not None and self._pid != os.getpid():
            raise faults.forked(self._path, self._pid)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            workers = self._workers() if faults.is_busy(error) else ""
            raise faults.explain(self._path, error, self._timeout, workers) from error
        except DamagedRecordError as error:
            raise corrupt(self._path, str(error)) from error
        except OSError as error:
            raise faults.unreachable(self._path, error) from error

    def _workers(self) -> str:
        """Return the processes that work on flows in this file, for the message that it is locked."""
        if self._db is None:
            return ""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA busy_timeout=0")
            try:
                rows = self._db.execute(
                    "SELECT flow, holder FROM leases WHERE until > ? LIMIT 3", (time.time(),)
                ).fetchall()
            finally:
                self._db.execute(f"PRAGMA busy_timeout={int(self._timeout * 1000)}")
            return ", ".join(f"{describe_holder(holder)} works on flow '{flow}'" for flow, holder in rows)
        return ""


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction. A commit that fails is rolled back too."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield parts that fit into one ``IN (...)``.

    The last one repeats its last item up to a power of two, because SQLite prepares and caches a statement per length.
    """
    for start in range(0, len(items), CHUNK):
        part = items[start : start + CHUNK]
        missing = (1 << (len(part) - 1).bit_length()) - len(part)
        yield [*part, *[part[-1]] * missing] if missing else part


def marks(part: Sequence[object]) -> str:
    """Return placeholders for these items."""
    return ",".join("?" * len(part))


def next_total(db: sqlite3.Connection, name: str, count: int) -> int:
    """Add ``count`` to a total, and return its value before that."""
    (value,) = db.execute("SELECT value FROM totals WHERE name=?", (name,)).fetchone()
    db.execute("UPDATE totals SET value=? WHERE name=?", (value + count, name))
    return int(value)


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("coco-core")
    except PackageNotFoundError:
        return "unknown"
