"""Writes files/state-v1.db: the state file of schema version 1, with something in every table.

Frozen: it holds version 1's statements itself and imports nothing of coco, so it writes the same file whatever
becomes of the code. Run it only to look into how the file came about: ``python tests/upgrade/make_state_v1.py [PATH]``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).parent / "files" / "state-v1.db"

TABLES = """
CREATE TABLE header(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tracking(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, ordinal INTEGER, content_fp BLOB, logic_fp BLOB,
    process_ordinal INTEGER NOT NULL, max_process_ordinal INTEGER NOT NULL, read_at INTEGER NOT NULL,
    size INTEGER, failed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE tracked_rows(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, targets BLOB, staged BLOB, memo BLOB,
    PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE failures(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, phase TEXT, op TEXT, error_type TEXT, message TEXT,
    attempts INTEGER, first_at INTEGER, last_at INTEGER, version BLOB, logic_fp BLOB, parked INTEGER,
    PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE owners(
    target_id INTEGER NOT NULL, target_key BLOB NOT NULL, source_id INTEGER NOT NULL, source_key BLOB NOT NULL,
    row_fp BLOB NOT NULL, process_ordinal INTEGER NOT NULL,
    PRIMARY KEY(target_id, target_key, source_id, source_key)) WITHOUT ROWID;
CREATE TABLE row_counts(target_id INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
CREATE TABLE memo(fp BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE setup(
    flow TEXT NOT NULL, resource_type TEXT NOT NULL, key TEXT NOT NULL, state TEXT, staging TEXT NOT NULL,
    PRIMARY KEY(flow, resource_type, key)) WITHOUT ROWID;
CREATE TABLE setup_versions(flow TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors(
    source_id INTEGER NOT NULL, name TEXT NOT NULL, value BLOB, PRIMARY KEY(source_id, name)) WITHOUT ROWID;
CREATE TABLE leases(flow TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""

ROWS = 40
SOURCE = 1
TARGET = 2


def fp(*parts: object) -> bytes:
    """16 bytes that only look like a fingerprint."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()


def key(number: int) -> bytes:
    """A packed source key."""
    return msgspec.msgpack.encode((f"docs/{number:02d}.md",))


def target_rows(number: int, version: str) -> list[tuple[bytes, bytes]]:
    """Pairs of packed target key and row fingerprint."""
    return [
        (msgspec.msgpack.encode((f"docs/{number:02d}.md", chunk)), fp(version, number, chunk))
        for chunk in range(number % 4)
    ]


def targets(number: int, version: str) -> bytes | None:
    rows = target_rows(number, version)
    return msgspec.msgpack.encode({TARGET: (fp("logic"), rows)}) if rows else None


def make(path: Path) -> None:
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size=1024")  # small, as it is in the repository
    db.execute("BEGIN")
    for statement in TABLES.split(";"):
        db.execute(statement)

    def put(table: str, rows: list[tuple[Any, ...]]) -> None:
        db.executemany(f"INSERT INTO {table} VALUES({', '.join('?' * len(rows[0]))})", rows)

    put("header", [("schema_version", "1"), ("digest", "blake3-16"), ("encoding", "1"), ("next_id", "7")])
    committed = range(30)  # 20 to 29 were staged again since; 30 and up were never committed
    staged = range(20, ROWS)
    put(
        "tracking",
        [
            (
                SOURCE,
                key(n),
                1_000 + n if n in committed else None,
                fp("content", n) if n in committed else None,
                fp("logic") if n in committed else None,
                100 if n in committed else 0,
                200 if n in staged else 100,
                1_700_000_000_000_000 if n in committed else 0,
                10 * n if n in committed else None,
                0,
            )
            for n in range(ROWS)
        ],
    )
    put(
        "tracked_rows",
        [
            (
                SOURCE,
                key(n),
                targets(n, "old") if n in committed else None,
                targets(n, "new") if n in staged else None,
                fp("call", n) + fp("call", n, 2) if n in committed else None,
            )
            for n in range(ROWS)
        ],
    )
    failure = ("evaluate", "split", "ValueError", "too long", 3, 5, 9, b"\x01", fp("logic"), 1)
    put("failures", [(SOURCE, key(n), *failure) for n in (25, 35, 99)])
    put(
        "owners",
        [
            (TARGET, msgspec.msgpack.encode(("shared",)), SOURCE, key(n), fp("shared"), 100 + n)
            for n in (1, 2)
        ],
    )
    put("row_counts", [(TARGET, 44)])
    put("memo", [(fp("call", n), b"result %d" % n) for n in range(50)])
    state = json.dumps({"target_id": TARGET, "schema_version": 1})
    put(
        "setup", [("app.docs", "Target:Sqlite", '"rows"', state, "[]"), ("app.docs", "flow", "", None, "[1]")]
    )
    put("setup_versions", [("app.docs", 3), ("app.gone", 8)])
    put("cursors", [(SOURCE, "changes", b"cursor")])
    put("leases", [("app.docs", "host/1/token", 1_700_000_000.0)])
    db.execute("COMMIT")
    db.execute("VACUUM")
    db.execute("PRAGMA journal_mode=WAL")
    db.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
