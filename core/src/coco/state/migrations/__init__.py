"""Forward migrations of the SQLite state file, one numbered module per schema version.

A migration runs in the transaction that also writes the new version number. After a crash, a full disk or an error the old
file is unchanged, so no copy is needed. Statements of a migration never change, and never use ``coco.state.schema``, which
does. ``tests/upgrade/files`` has a state file of every release.
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
"""Migrations by the version that they lead to."""


def migrate(db: sqlite3.Connection, current: int, wanted: int) -> None:
    """Migrate the tables from version ``current`` to ``wanted``. The caller has started a write transaction."""
    for number in range(current + 1, wanted + 1):
        MIGRATIONS[number](db)
    db.execute("UPDATE header SET value=? WHERE key='schema_version'", (str(wanted),))
