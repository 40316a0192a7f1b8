"""Forward migrations of the SQLite state file, one numbered module per schema version.

A migration runs inside the one transaction that also writes the new version number: a crash, a full disk or an
error in the middle leaves the old file as it was, and no copy is made. Its statements are frozen: they never
use ``coco.state.schema``, which moves on. A state file of every release is kept in ``tests/upgrade/files``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from coco.state.migrations import m0002_row_ids, m0003_failure_tracebacks, m0004_memo_retention

if TYPE_CHECKING:
    import sqlite3

OLDEST = 1
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    2: m0002_row_ids.migrate,
    3: m0003_failure_tracebacks.migrate,
    4: m0004_memo_retention.migrate,
}
"""By the version that a migration leads to."""


def migrate(db: sqlite3.Connection, current: int, wanted: int) -> None:
    """Take the tables from version ``current`` to ``wanted``. The caller holds the write transaction."""
    for number in range(current + 1, wanted + 1):
        MIGRATIONS[number](db)
    db.execute("UPDATE header SET value=? WHERE key='schema_version'", (str(wanted),))
