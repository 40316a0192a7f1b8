"""coco's own table in each file: which tables are coco's, and what they are made of."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from coco.kit.plain import from_plain, to_plain
from coco_target_sqlite.connection import quoted
from coco_target_sqlite.states import TableState

CATALOG = "coco_tables"
"""Name of the table that lists coco's tables."""


EPOCHS = "coco_epochs"
"""Name of the table that holds which run of which flow wrote last."""


class Entry(NamedTuple):
    """A table of coco's. ``row_id``: its INTEGER PRIMARY KEY, or ``rowid``."""

    table: str
    row_id: str
    state: TableState


def table_exists(db: sqlite3.Connection, table: str) -> bool:
    """Whether there is a table, view or virtual table of this name; SQLite ignores the case of ASCII letters."""
    found = db.execute(
        "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE", (table,)
    )
    return found.fetchone() is not None


def column_names(db: sqlite3.Connection, table: str) -> list[str]:
    """Columns of a table; none if there is no such table."""
    return [row[1] for row in db.execute(f"PRAGMA table_info({quoted(table)})")]


def ensure_catalog(db: sqlite3.Connection) -> None:
    """Make the catalog unless it is there."""
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {CATALOG} ("
        "name TEXT PRIMARY KEY COLLATE NOCASE, row_id TEXT NOT NULL, state TEXT NOT NULL)"
    )


def find_entry(db: sqlite3.Connection, table: str) -> Entry | None:
    """The entry of a table, whether or not the table still exists."""
    if not table_exists(db, CATALOG):
        return None
    row = db.execute(f"SELECT name, row_id, state FROM {CATALOG} WHERE name = ?", (table,)).fetchone()
    return None if row is None else _entry(*row)


def all_names(db: sqlite3.Connection) -> list[str]:
    """Names of coco's tables, in order."""
    if not table_exists(db, CATALOG):
        return []
    return [name for (name,) in db.execute(f"SELECT name FROM {CATALOG} ORDER BY name")]


def put_entry(db: sqlite3.Connection, entry: Entry) -> None:
    """Note what a table is made of now."""
    state = json.dumps(to_plain(entry.state), ensure_ascii=False)
    db.execute(f"INSERT OR REPLACE INTO {CATALOG} VALUES (?, ?, ?)", (entry.table, entry.row_id, state))


def remove_entry(db: sqlite3.Connection, table: str) -> None:
    """Forget a table."""
    db.execute(f"DELETE FROM {CATALOG} WHERE name = ?", (table,))
    if table_exists(db, EPOCHS):
        db.execute(f"DELETE FROM {EPOCHS} WHERE name = ?", (table,))
        if db.execute(f"SELECT 1 FROM {EPOCHS} LIMIT 1").fetchone() is None:
            db.execute(f"DROP TABLE {EPOCHS}")


def read_epoch(db: sqlite3.Connection, table: str, flow: str) -> str | None:
    """The mark of the last run of a flow that wrote into a table."""
    if not table_exists(db, EPOCHS):
        return None
    row = db.execute(f"SELECT epoch FROM {EPOCHS} WHERE name = ? AND flow = ?", (table, flow)).fetchone()
    return None if row is None else str(row[0])


def put_epoch(db: sqlite3.Connection, table: str, flow: str, epoch: str) -> None:
    """Note the mark of a run. In a transaction."""
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {EPOCHS} (name TEXT COLLATE NOCASE, flow TEXT, epoch TEXT NOT NULL, "
        "PRIMARY KEY (name, flow)) WITHOUT ROWID"
    )
    db.execute(f"INSERT OR REPLACE INTO {EPOCHS} VALUES (?, ?, ?)", (table, flow, epoch))


def _entry(table: str, row_id: str, state: str) -> Entry:
    return Entry(table, row_id, from_plain(TableState, json.loads(state)))
