"""Whether a table that stands there already can serve as it is, and what speaks against it."""

from __future__ import annotations

import dataclasses
import sqlite3
from typing import NamedTuple

from coco_target_sqlite.catalog import column_names
from coco_target_sqlite.connection import quoted
from coco_target_sqlite.states import TableKey, TableState, change_lines


class _Found(NamedTuple):
    name: str
    type: str
    not_null: bool
    default: str | None
    key_place: int


def coco_misfits(found: TableState, desired: TableState) -> list[str]:
    """What setup would have to do to a table that coco made with another state; indexes may follow."""
    if found.key != desired.key:
        names = [", ".join(item.name for item in state.key) for state in (found, desired)]
        return [f"its key is ({names[0]}), the flow needs ({names[1]}), of the types that it collects"]
    alike = dataclasses.replace(
        found, vector_indexes=desired.vector_indexes, text_indexes=desired.text_indexes
    )
    return [f"it would have to {line}" for line in change_lines(alike, desired)]


def foreign_misfits(db: sqlite3.Connection, key: TableKey, desired: TableState) -> list[str]:
    """Why rows cannot go into a table of the user's as it is; empty if they can."""
    misfits = key_misfits(db, key.table, desired)
    found = {item.name.lower(): item for item in _columns(db, key.table)}
    keys = {item.name.lower() for item in desired.key}
    for column in desired.columns:
        there = found.pop(column.name.lower(), None)
        wanted = column.codec.declared
        if there is None:
            if column.name.lower() not in keys:
                misfits.append(f"it has no column {column.name} ({wanted})")
        elif _affinity(there.type) != _affinity(wanted):
            misfits.append(
                f"column {there.name} is {there.type or 'without a type'}, the flow needs {wanted}"
            )
        elif there.not_null and column.name.lower() not in keys:
            misfits.append(f"column {there.name} is NOT NULL")
    misfits += [
        f"column {item.name} is NOT NULL, has no default, and the flow has no such field"
        for item in found.values()
        if item.not_null and item.default is None and not item.key_place
    ]
    return misfits


def key_misfits(db: sqlite3.Connection, table: str, desired: TableState) -> list[str]:
    """What the key and the indexes need, and the table lacks."""
    names = {name.lower() for name in column_names(db, table)}
    lacking = [item.name for item in desired.key if item.name.lower() not in names]
    if lacking:
        return [f"it has no columns {', '.join(lacking)} for the key"]
    if not has_unique_key(db, table, [item.name for item in desired.key]):
        return [f"it needs a UNIQUE index on ({', '.join(item.name for item in desired.key)})"]
    if desired.text_indexes and row_number(db, table) is None:
        return ["full-text indexes need a column INTEGER PRIMARY KEY"]
    return []


def row_number(db: sqlite3.Connection, table: str) -> str | None:
    """The column that is the rows' number, if there is one."""
    keys = [item for item in _columns(db, table) if item.key_place]
    return keys[0].name if len(keys) == 1 and keys[0].type.upper() == "INTEGER" else None


def has_unique_key(db: sqlite3.Connection, table: str, key: list[str]) -> bool:
    """Whether exactly these columns identify a row, as ON CONFLICT demands."""
    wanted = {name.lower() for name in key}
    if {item.name.lower() for item in _columns(db, table) if item.key_place} == wanted:
        return True
    for row in db.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        if row[2] and not row[4]:  # unique, and not partial
            columns = db.execute(f"PRAGMA index_info({quoted(row[1])})").fetchall()
            if {str(item[2]).lower() for item in columns} == wanted:
                return True
    return False


def _columns(db: sqlite3.Connection, table: str) -> list[_Found]:
    rows = db.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    return [
        _Found(name, type_, bool(not_null), default, key) for _, name, type_, not_null, default, key in rows
    ]


def _affinity(declared: str) -> str:
    """How SQLite itself reads a declared type."""
    text = declared.upper()
    for words, affinity in (
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB",), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ):
        if any(word in text for word in words):
            return affinity
    return "NUMERIC" if text else "BLOB"
