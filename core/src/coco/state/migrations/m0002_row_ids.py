"""Version 2: rows in the order of arrival, staged keys by attempt, totals.

Version 1 kept everything in trees ordered by key or fingerprint, where each new entry of a batch touched another page, and
it stored the staged keys of the last attempt only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

_BEFORE = (
    "ALTER TABLE tracking RENAME TO tracking_v1",
    "ALTER TABLE tracked_rows RENAME TO tracked_rows_v1",
    "ALTER TABLE memo RENAME TO memo_v1",
    "CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tracking("
    "source_id INTEGER NOT NULL, key BLOB NOT NULL, ordinal INTEGER, content_fp BLOB, logic_fp BLOB, "
    "process_ordinal INTEGER NOT NULL, max_process_ordinal INTEGER NOT NULL, read_at INTEGER NOT NULL, "
    "size INTEGER, failed INTEGER NOT NULL, row_id INTEGER NOT NULL, PRIMARY KEY(source_id, key)) WITHOUT ROWID",
    "CREATE TABLE tracked_rows(id INTEGER PRIMARY KEY, memo BLOB, targets BLOB)",
    "CREATE TABLE attempts(row_id INTEGER PRIMARY KEY, staged BLOB NOT NULL)",
    "CREATE TABLE memo("
    "id INTEGER PRIMARY KEY, fp BLOB NOT NULL UNIQUE, value BLOB NOT NULL, stored_at INTEGER NOT NULL)",
    # A row that was staged after its failure had been recorded did not count as failed.
    "INSERT INTO tracking SELECT source_id, key, ordinal, content_fp, logic_fp, process_ordinal, max_process_ordinal, "
    "read_at, size, EXISTS(SELECT 1 FROM failures f WHERE f.source_id = t.source_id AND f.key = t.key), "
    "row_number() OVER (ORDER BY source_id, key) FROM tracking_v1 t",
    "INSERT INTO tracked_rows SELECT t.row_id, r.memo, r.targets FROM tracking t "
    "JOIN tracked_rows_v1 r ON r.source_id = t.source_id AND r.key = t.key "
    "WHERE r.memo IS NOT NULL OR r.targets IS NOT NULL ORDER BY t.row_id",
)
_STAGED = (
    "SELECT t.row_id, t.max_process_ordinal, r.staged FROM tracking t "
    "JOIN tracked_rows_v1 r ON r.source_id = t.source_id AND r.key = t.key WHERE r.staged IS NOT NULL"
)
_TOTALS = (
    "INSERT INTO totals SELECT 'memo_entries', count(*) FROM memo",
    "INSERT INTO totals SELECT 'memo_bytes', coalesce(sum(length(value)), 0) FROM memo",
    "INSERT INTO totals SELECT 'next_row_id', coalesce(max(row_id), 0) + 1 FROM tracking",
)
_AFTER = (
    "DROP TABLE tracked_rows_v1",
    "DROP TABLE tracking_v1",
    "DROP TABLE memo_v1",
)


def migrate(db: sqlite3.Connection) -> None:
    """Copy the three large tables into their new shapes, then drop the old ones."""
    for statement in _BEFORE:
        db.execute(statement)
    encode = msgspec.msgpack.encode
    db.executemany(
        "INSERT INTO attempts VALUES(?, ?)",
        [
            (row_id, encode([[ordinal, msgspec.Raw(staged)]]))
            for row_id, ordinal, staged in db.execute(_STAGED).fetchall()
        ],
    )
    db.execute(
        "INSERT INTO memo(fp, value, stored_at) SELECT fp, value, ? FROM memo_v1 ORDER BY fp",
        (int(time.time()),),
    )
    for statement in (*_TOTALS, *_AFTER):
        db.execute(statement)
