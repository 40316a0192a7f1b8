"""Version 4: times since when results of calls are unused; leases with their length and the clock of the boot.

Earlier versions kept results for ever up to a size limit. Results that no row uses count as released at the migration.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_FP = 16
_PART = 5_000
_TABLES = (
    "CREATE TABLE released("
    "id INTEGER PRIMARY KEY, fp BLOB NOT NULL UNIQUE, source_id INTEGER NOT NULL, since INTEGER NOT NULL)",
    "CREATE TABLE held_calls(source_id INTEGER PRIMARY KEY, memo BLOB NOT NULL)",
    "CREATE TABLE memo_runs(flow TEXT PRIMARY KEY, first_id INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO totals VALUES('memo_blank_bytes', 0)",
    "INSERT INTO totals VALUES('memo_gaps', 0)",
    "ALTER TABLE leases RENAME TO leases_v3",
    "CREATE TABLE leases("
    "flow TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL, seconds REAL NOT NULL, boot TEXT NOT NULL, "
    "boot_until REAL NOT NULL) WITHOUT ROWID",
    "INSERT INTO leases SELECT flow, holder, until, 60, '', 0 FROM leases_v3",
    "DROP TABLE leases_v3",
    "CREATE TEMP TABLE used(fp BLOB PRIMARY KEY) WITHOUT ROWID",
)


def migrate(db: sqlite3.Connection) -> None:
    """Add the new tables, and release the results that no row uses."""
    for statement in _TABLES:
        db.execute(statement)
    last = 0
    while True:
        rows = db.execute(
            "SELECT id, memo FROM tracked_rows WHERE id > ? AND memo IS NOT NULL ORDER BY id LIMIT ?",
            (last, _PART),
        ).fetchall()
        if not rows:
            break
        last = rows[-1][0]
        used = {memo[i : i + _FP] for _, memo in rows for i in range(0, len(memo), _FP)}
        db.executemany("INSERT OR IGNORE INTO used VALUES(?)", [(fp,) for fp in sorted(used)])
    db.execute(
        "INSERT INTO released(fp, source_id, since) SELECT fp, 0, ? FROM memo "
        "WHERE NOT EXISTS(SELECT 1 FROM used WHERE used.fp = memo.fp) ORDER BY id",
        (time.time_ns() // 1_000,),
    )
    db.execute("DROP TABLE used")
