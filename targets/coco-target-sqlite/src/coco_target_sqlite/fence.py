"""Which run of a flow may write to a table: a process that slept while another one did its work writes nothing old.

A killed process leaves nothing behind: its transaction ends with it. The number of the latest run stands in the table
``coco_fences`` of the file, and each transaction that writes begins by looking at it.
"""

from __future__ import annotations

import sqlite3

from coco.errors import FencedError
from coco.op import FencingToken
from coco_target_sqlite.catalog import table_exists
from coco_target_sqlite.connection import transaction

FENCES = "coco_fences"


def raise_fence(db: sqlite3.Connection, where: str, table: str, token: FencingToken) -> None:
    """Let only ``token`` write from now on. Raises ``FencedError`` if it is not the highest."""
    with transaction(db):
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {FENCES} (target TEXT COLLATE NOCASE, flow TEXT, number INTEGER NOT NULL, "
            "PRIMARY KEY (target, flow))"
        )
        known = _number(db, table, token.flow)
        if known is not None and known >= token.number:
            raise _fenced(where, token, known)
        db.execute(f"INSERT OR REPLACE INTO {FENCES} VALUES (?, ?, ?)", (table, token.flow, token.number))


def check_fence(db: sqlite3.Connection, where: str, table: str, token: FencingToken | None) -> None:
    """Within a transaction that writes. Raises ``FencedError`` where a later run has begun."""
    if token is None:
        return
    known = _number(db, table, token.flow) if table_exists(db, FENCES) else None
    if known != token.number:
        raise _fenced(where, token, token.number if known is None else known)


def forget(db: sqlite3.Connection, table: str) -> None:
    """Remove the numbers of a table that is dropped."""
    if table_exists(db, FENCES):
        db.execute(f"DELETE FROM {FENCES} WHERE target = ?", (table,))


def _number(db: sqlite3.Connection, table: str, flow: str) -> int | None:
    row = db.execute(f"SELECT number FROM {FENCES} WHERE target = ? AND flow = ?", (table, flow)).fetchone()
    return None if row is None else int(row[0])


def _fenced(where: str, token: FencingToken, number: int) -> FencedError:
    return FencedError(
        f"{where}: a later update of flow '{token.flow}' writes to it now, so this update writes no more",
        number,
    )
