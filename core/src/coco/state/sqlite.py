"""The default state store: one SQLite file in WAL mode (DESIGN section 5)."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coco.errors import SetupConflictError, StateStoreError
from coco.state.protocol import (
    CollapseRow,
    CommitRow,
    Failure,
    Head,
    Lease,
    Owner,
    OwnerChange,
    SetupRecord,
    SetupWrite,
    StageRow,
    Tracked,
)
from coco.state.records import decode_targets, encode_targets, split_fingerprints
from coco.state.schema import HEADER, SCHEMA_VERSION, TABLES

CHUNK = 500
HEAD = "ordinal, content_fp, logic_fp, process_ordinal, max_process_ordinal, read_at, size, failed"


class SqliteStore:
    """State in one file, made at the first ``open``; ``:memory:`` keeps it in the process.

    Commits survive a killed process (synchronous=NORMAL). Used from one thread at a time.
    """

    def __init__(self, path: str, *, busy_timeout_seconds: float = 10.0) -> None:
        self._path = path if path == ":memory:" else os.path.abspath(path)
        self._timeout = busy_timeout_seconds
        self._db: sqlite3.Connection | None = None

    @property
    def location(self) -> str:
        """Path of the file."""
        return self._path

    # -- life -------------------------------------------------------------------------------------
    def open(self) -> None:
        """Create or open; raises ``StateStoreError`` for a newer, corrupt or unreachable file."""
        if self._db is not None:
            return
        with self._errors():
            if self._path != ":memory:":
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
            db = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
            self._db = db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        with _transaction(db):
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name='header'").fetchone()
            if known is None:
                for statement in TABLES.split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.executemany("INSERT INTO header VALUES(?, ?)", list(HEADER.items()))
                return
        header = dict(db.execute("SELECT key, value FROM header"))
        version = int(header["schema_version"])
        if version > SCHEMA_VERSION:
            raise StateStoreError(
                f"state file {self._path} has schema version {version}, but this release knows up to {SCHEMA_VERSION}: "
                "use the release of coco that wrote it, or a newer one"
            )
        if header.get("digest") != HEADER["digest"] or header.get("encoding") != HEADER["encoding"]:
            raise StateStoreError(f"state file {self._path} uses another digest or encoding: {header}")

    def close(self) -> None:
        """Close the file; ``open`` may follow."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateStoreError(self._explain(error)) from error
        except OSError as error:
            raise StateStoreError(
                f"state file {self._path} cannot be made or opened: {error.strerror or error}; "
                "name another place with COCO_STATE_URL=sqlite:///PATH"
            ) from error

    def _explain(self, error: sqlite3.Error) -> str:
        text = str(error)
        where = f"state file {self._path}"
        if "locked" in text or "busy" in text:
            return f"{where} is locked by another process; waited {self._timeout:g} s. Stop the other one, or try again"
        if "full" in text:
            return f"{where} cannot grow: the disk is full. Free some room and run again; nothing committed is lost"
        if "malformed" in text or "not a database" in text:
            return (
                f"{where} is corrupt ({text}). It was left as it is: restore a backup, or move it away and run "
                "`coco setup` and `coco update` to build the state anew"
            )
        if "readonly" in text or "unable to open" in text:
            return f"{where} cannot be written ({text}): check the permissions of the file and its folder"
        return f"{where}: {text}"

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            if self._db is None:
                self.open()
            assert self._db is not None
            yield self._db

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as db, _transaction(db):
            yield db

    # -- tracking ---------------------------------------------------------------------------------
    def scan(self, source_id: int, batch_rows: int = 10_000) -> Iterator[list[tuple[bytes, Head]]]:
        """All tracked rows of a source in key order."""
        last: bytes | None = None
        while True:
            with self._read() as db:
                rows = db.execute(
                    f"SELECT key, {HEAD} FROM tracking WHERE source_id=? AND key > ? ORDER BY key LIMIT ?",
                    (source_id, last if last is not None else b"", batch_rows),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [(row[0], _head(row[1:])) for row in rows]
            if len(rows) < batch_rows:
                return

    def get_heads(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Head]:
        """Heads of the keys that are tracked."""
        found: dict[bytes, Head] = {}
        with self._read() as db:
            for part in _chunks(keys):
                rows = db.execute(
                    f"SELECT key, {HEAD} FROM tracking WHERE source_id=? AND key IN ({_marks(part)})",
                    (source_id, *part),
                )
                found.update((row[0], _head(row[1:])) for row in rows)
        return found

    def get_many(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Tracked]:
        """Whole records of the keys that are tracked."""
        found: dict[bytes, Tracked] = {}
        with self._read() as db:
            for part in _chunks(keys):
                rows = db.execute(
                    "SELECT t.key, t.ordinal, t.content_fp, t.logic_fp, t.process_ordinal, t.max_process_ordinal, "
                    "t.read_at, t.size, t.failed, r.targets, r.staged, r.memo FROM tracking t "
                    "LEFT JOIN tracked_rows r ON r.source_id = t.source_id AND r.key = t.key "
                    f"WHERE t.source_id=? AND t.key IN ({_marks(part)})",
                    (source_id, *part),
                )
                for row in rows:
                    found[row[0]] = Tracked(
                        _head(row[1:9]),
                        decode_targets(row[9]),
                        decode_targets(row[10]),
                        split_fingerprints(row[11]),
                    )
        return found

    def stage(self, source_id: int, rows: Sequence[StageRow]) -> list[bool]:
        """Phase 2; False where the row moved meanwhile."""
        with self._write() as db:
            current: dict[bytes, int] = {}
            for part in _chunks([row.key for row in rows]):
                current.update(
                    db.execute(
                        "SELECT key, max_process_ordinal FROM tracking "
                        f"WHERE source_id=? AND key IN ({_marks(part)})",
                        (source_id, *part),
                    ).fetchall()
                )
            accepted = [current.get(row.key, -1) == row.expected for row in rows]
            chosen = [row for row, fine in zip(rows, accepted, strict=True) if fine]
            db.executemany(
                "INSERT INTO tracking(source_id, key, process_ordinal, max_process_ordinal, read_at) "
                "VALUES(?, ?, 0, ?, 0) ON CONFLICT DO UPDATE SET max_process_ordinal=excluded.max_process_ordinal",
                [(source_id, row.key, row.process_ordinal) for row in chosen],
            )
            db.executemany(
                "INSERT INTO tracked_rows(source_id, key, staged) VALUES(?, ?, ?) "
                "ON CONFLICT DO UPDATE SET staged=excluded.staged",
                [(source_id, row.key, encode_targets(row.staged)) for row in chosen],
            )
        return accepted

    def commit(
        self,
        source_id: int,
        rows: Sequence[CommitRow],
        *,
        removed: Sequence[tuple[bytes, int]] = (),
        owners: Sequence[OwnerChange] = (),
        row_counts: Mapping[int, int] | None = None,
    ) -> None:
        """Phase 4, one transaction."""
        with self._write() as db:
            newer: set[bytes] = set()
            for part in _chunks([row.key for row in rows]):
                known = db.execute(
                    f"SELECT key, process_ordinal FROM tracking WHERE source_id=? AND key IN ({_marks(part)})",
                    (source_id, *part),
                ).fetchall()
                stored = dict(known)
                newer.update(row.key for row in rows if stored.get(row.key, -1) >= row.process_ordinal)
            chosen = [row for row in rows if row.key not in newer]
            db.executemany(
                f"INSERT INTO tracking(source_id, key, {HEAD}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0) "
                "ON CONFLICT DO UPDATE SET ordinal=excluded.ordinal, content_fp=excluded.content_fp, "
                "logic_fp=excluded.logic_fp, process_ordinal=excluded.process_ordinal, "
                "max_process_ordinal=max(max_process_ordinal, excluded.max_process_ordinal), "
                "read_at=excluded.read_at, size=excluded.size, failed=0",
                [
                    (
                        source_id,
                        row.key,
                        row.ordinal,
                        row.content_fp,
                        row.logic_fp,
                        row.process_ordinal,
                        row.process_ordinal,
                        row.read_at,
                        row.size,
                    )
                    for row in chosen
                ],
            )
            db.executemany(
                "INSERT INTO tracked_rows(source_id, key, targets, staged, memo) VALUES(?, ?, ?, NULL, ?) "
                "ON CONFLICT DO UPDATE SET targets=excluded.targets, staged=NULL, memo=excluded.memo",
                [
                    (source_id, row.key, encode_targets(row.targets), b"".join(row.memo) or None)
                    for row in chosen
                ],
            )
            gone = [(source_id, key) for key, _ in removed]
            for table in ("tracking", "tracked_rows"):
                db.executemany(f"DELETE FROM {table} WHERE source_id=? AND key=?", gone)
            db.executemany(
                "DELETE FROM failures WHERE source_id=? AND key=?",
                [*gone, *((source_id, row.key) for row in chosen)],
            )
            self._change_owners(db, owners)
            db.executemany(
                "INSERT INTO row_counts VALUES(?, ?) ON CONFLICT DO UPDATE SET rows=rows+excluded.rows",
                list((row_counts or {}).items()),
            )

    @staticmethod
    def _change_owners(db: sqlite3.Connection, owners: Sequence[OwnerChange]) -> None:
        db.executemany(
            "DELETE FROM owners WHERE target_id=? AND target_key=? AND source_id=? AND source_key=?",
            [
                (item.target_id, item.target_key, item.source_id, item.source_key)
                for item in owners
                if item.row_fp is None
            ],
        )
        db.executemany(
            "INSERT OR REPLACE INTO owners VALUES(?, ?, ?, ?, ?, ?)",
            [
                (
                    item.target_id,
                    item.target_key,
                    item.source_id,
                    item.source_key,
                    item.row_fp,
                    item.process_ordinal,
                )
                for item in owners
                if item.row_fp is not None
            ],
        )

    def collapse(self, source_id: int, rows: Sequence[CollapseRow]) -> int:
        """Only the ordinal moved; returns how many still matched."""
        with self._write() as db:
            cursor = db.executemany(
                "UPDATE tracking SET ordinal=?, content_fp=?, read_at=?, size=? "
                "WHERE source_id=? AND key=? AND process_ordinal=? AND max_process_ordinal=?",
                [
                    (
                        row.ordinal,
                        row.content_fp,
                        row.read_at,
                        row.size,
                        source_id,
                        row.key,
                        row.expected,
                        row.expected,
                    )
                    for row in rows
                ],
            )
            return cursor.rowcount

    def drop_sources(self, source_ids: Sequence[int]) -> None:
        """Forget all that is known of these sources."""
        with self._write() as db:
            for table in ("tracking", "tracked_rows", "failures", "cursors", "owners"):
                db.executemany(f"DELETE FROM {table} WHERE source_id=?", [(item,) for item in source_ids])

    def drop_target_keys(self, target_ids: Sequence[int]) -> None:
        """Forget owners and counts of these targets."""
        with self._write() as db:
            for table in ("owners", "row_counts"):
                db.executemany(f"DELETE FROM {table} WHERE target_id=?", [(item,) for item in target_ids])

    def row_counts(self, target_ids: Sequence[int]) -> dict[int, int]:
        """Rows each target should hold."""
        with self._read() as db:
            known = dict(db.execute("SELECT target_id, rows FROM row_counts").fetchall())
        return {item: known.get(item, 0) for item in target_ids}

    def set_row_counts(self, counts: Mapping[int, int]) -> None:
        """Replace counts."""
        with self._write() as db:
            db.executemany("INSERT OR REPLACE INTO row_counts VALUES(?, ?)", list(counts.items()))

    def get_owners(self, target_id: int, target_keys: Sequence[bytes]) -> dict[bytes, list[Owner]]:
        """Owners by packed target key."""
        found: dict[bytes, list[Owner]] = {}
        with self._read() as db:
            for part in _chunks(target_keys):
                for key, *owner in db.execute(
                    "SELECT target_key, source_id, source_key, row_fp, process_ordinal FROM owners "
                    f"WHERE target_id=? AND target_key IN ({_marks(part)})",
                    (target_id, *part),
                ):
                    found.setdefault(key, []).append(Owner(*owner))
        return found

    # -- failures ---------------------------------------------------------------------------------
    def put_failures(self, failures: Sequence[Failure]) -> None:
        """Record or replace."""
        with self._write() as db:
            db.executemany(
                "INSERT OR REPLACE INTO failures VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        item.source_id,
                        item.key,
                        item.phase,
                        item.op,
                        item.error_type,
                        item.message,
                        item.attempts,
                        item.first_at,
                        item.last_at,
                        item.version,
                        item.logic_fp,
                        int(item.parked),
                    )
                    for item in failures
                ],
            )
            db.executemany(
                "UPDATE tracking SET failed=1 WHERE source_id=? AND key=?",
                [(item.source_id, item.key) for item in failures],
            )

    def get_failures(self, source_id: int, keys: Sequence[bytes] | None = None) -> dict[bytes, Failure]:
        """Recorded failures, of all keys or of some."""
        wanted = None if keys is None else set(keys)
        with self._read() as db:
            rows = db.execute(
                "SELECT * FROM failures WHERE source_id=? ORDER BY key", (source_id,)
            ).fetchall()
        return {row[1]: _failure(row) for row in rows if wanted is None or row[1] in wanted}

    def clear_failures(self, source_id: int, keys: Sequence[bytes]) -> None:
        """Forget failures; tracked rows no longer count as failed."""
        with self._write() as db:
            pairs = [(source_id, key) for key in keys]
            db.executemany("DELETE FROM failures WHERE source_id=? AND key=?", pairs)
            db.executemany("UPDATE tracking SET failed=0 WHERE source_id=? AND key=?", pairs)

    # -- memo -------------------------------------------------------------------------------------
    def memo_get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Known results."""
        found: dict[bytes, bytes] = {}
        with self._read() as db:
            for part in _chunks(fingerprints):
                found.update(
                    db.execute(
                        f"SELECT fp, value FROM memo WHERE fp IN ({_marks(part)})", tuple(part)
                    ).fetchall()
                )
        return found

    def memo_put_many(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Write results, one transaction."""
        with self._write() as db:
            db.executemany("INSERT OR REPLACE INTO memo VALUES(?, ?)", entries)

    def memo_stats(self) -> tuple[int, int]:
        """(entries, bytes of values)."""
        with self._read() as db:
            entries, size = db.execute(
                "SELECT count(*), coalesce(sum(length(value)), 0) FROM memo"
            ).fetchone()
            return int(entries), int(size)

    def memo_collect(self, keep_bytes: int | None = None) -> int:
        """Delete what no tracked row refers to, all or until the values fit."""
        with self._write() as db:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS live(fp BLOB PRIMARY KEY) WITHOUT ROWID")
            db.execute("DELETE FROM live")
            for (refs,) in db.execute("SELECT memo FROM tracked_rows WHERE memo IS NOT NULL"):
                db.executemany(
                    "INSERT OR IGNORE INTO live VALUES(?)", [(item,) for item in split_fingerprints(refs)]
                )
            if keep_bytes is None:
                return db.execute("DELETE FROM memo WHERE fp NOT IN (SELECT fp FROM live)").rowcount
            size = db.execute("SELECT coalesce(sum(length(value)), 0) FROM memo").fetchone()[0]
            doomed = []
            for fp, length in db.execute(
                "SELECT fp, length(value) FROM memo WHERE fp NOT IN (SELECT fp FROM live)"
            ):
                if size <= keep_bytes:
                    break
                size -= length
                doomed.append((fp,))
            db.executemany("DELETE FROM memo WHERE fp=?", doomed)
            return len(doomed)

    # -- setup ------------------------------------------------------------------------------------
    def setup_version(self, flow: str) -> int:
        """0 for a flow never set up."""
        with self._read() as db:
            row = db.execute("SELECT version FROM setup_versions WHERE flow=?", (flow,)).fetchone()
            return int(row[0]) if row else 0

    def setup_records(self, flow: str | None = None) -> list[SetupRecord]:
        """Records of one flow or of all."""
        where, args = ("WHERE flow=?", (flow,)) if flow is not None else ("", ())
        with self._read() as db:
            rows = db.execute(
                f"SELECT flow, resource_type, key, state, staging FROM setup {where} ORDER BY 1, 2, 3", args
            ).fetchall()
        return [
            SetupRecord(
                row[0], row[1], row[2], json.loads(row[3]) if row[3] else None, tuple(json.loads(row[4]))
            )
            for row in rows
        ]

    def setup_write(self, flow: str, expected_version: int, writes: Sequence[SetupWrite]) -> int:
        """Check and raise the flow's version, write; one transaction."""
        with self._write() as db:
            row = db.execute("SELECT version FROM setup_versions WHERE flow=?", (flow,)).fetchone()
            version = int(row[0]) if row else 0
            if version != expected_version:
                raise SetupConflictError(
                    f"the setup of flow '{flow}' was changed by another process (version {version}, "
                    f"expected {expected_version}); describe the change again"
                )
            for item in writes:
                if item.state is None and not item.staging:
                    db.execute(
                        "DELETE FROM setup WHERE flow=? AND resource_type=? AND key=?",
                        (flow, item.resource_type, item.key),
                    )
                    continue
                state = None if item.state is None else json.dumps(item.state, sort_keys=True)
                db.execute(
                    "INSERT OR REPLACE INTO setup VALUES(?, ?, ?, ?, ?)",
                    (
                        flow,
                        item.resource_type,
                        item.key,
                        state,
                        json.dumps(list(item.staging), sort_keys=True),
                    ),
                )
            db.execute("INSERT OR REPLACE INTO setup_versions VALUES(?, ?)", (flow, version + 1))
            return version + 1

    def flows(self) -> list[str]:
        """Full names with any setup record."""
        with self._read() as db:
            return [row[0] for row in db.execute("SELECT DISTINCT flow FROM setup ORDER BY flow")]

    def allocate_ids(self, count: int) -> list[int]:
        """Fresh ids, never given twice."""
        with self._write() as db:
            first = int(db.execute("SELECT value FROM header WHERE key='next_id'").fetchone()[0])
            db.execute("UPDATE header SET value=? WHERE key='next_id'", (str(first + count),))
            return list(range(first, first + count))

    # -- cursors, leases --------------------------------------------------------------------------
    def get_cursor(self, source_id: int, name: str) -> bytes | None:
        """A stored cursor."""
        with self._read() as db:
            row = db.execute(
                "SELECT value FROM cursors WHERE source_id=? AND name=?", (source_id, name)
            ).fetchone()
            return row[0] if row else None

    def put_cursor(self, source_id: int, name: str, value: bytes | None) -> None:
        """Store or (None) delete a cursor."""
        with self._write() as db:
            if value is None:
                db.execute("DELETE FROM cursors WHERE source_id=? AND name=?", (source_id, name))
            else:
                db.execute("INSERT OR REPLACE INTO cursors VALUES(?, ?, ?)", (source_id, name, value))

    def acquire_lease(self, flow: str, holder: str, seconds: float) -> Lease | None:
        """None on success, else the lease in the way."""
        now = time.time()
        with self._write() as db:
            row = db.execute("SELECT holder, until FROM leases WHERE flow=?", (flow,)).fetchone()
            if row is not None and row[0] != holder and row[1] > now:
                return Lease(flow, row[0], row[1])
            db.execute("INSERT OR REPLACE INTO leases VALUES(?, ?, ?)", (flow, holder, now + seconds))
            return None

    def release_lease(self, flow: str, holder: str) -> None:
        """Give a lease back; another holder's stays."""
        with self._write() as db:
            db.execute("DELETE FROM leases WHERE flow=? AND holder=?", (flow, holder))

    def facts(self) -> dict[str, Any]:
        """Versions and sizes."""
        with self._read() as db:
            header = dict(db.execute("SELECT key, value FROM header"))
        entries, size = self.memo_stats()
        return {**header, "location": self._path, "memo_entries": entries, "memo_bytes": size}


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _failure(row: Sequence[Any]) -> Failure:
    values: list[Any] = [*row[:11], bool(row[11])]
    return Failure(*values)


def _head(row: Sequence[Any]) -> Head:
    return Head(row[0], row[1], row[2], row[3], row[4], row[5], row[6], bool(row[7]))


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def _marks(part: Sequence[bytes]) -> str:
    return ",".join("?" * len(part))
