"""Searches for damaged values, after an error that a sound file does not explain.

A flipped bit inside a record may change a value or its type without breaking a page. Checking each value on every read
would slow down all sound files; a search over the file runs only after an error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from coco.errors import StateStoreError
from coco.state.records import FP, decode_attempts, decode_targets
from coco.state.schema import TOTALS
from coco.state.sqlite.database import Database


def _read_keys(value: bytes) -> object:
    return msgspec.msgpack.decode(value, type=list[Any])


def _read_calls(value: bytes) -> None:
    if len(value) % FP:
        raise ValueError(value)


_TYPES = {"TEXT": "'text'", "BLOB": "'blob'", "INTEGER": "'integer'", "REAL": "'real', 'integer'"}
_VALUES: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("tracking", "key", _read_keys),
    ("tracked_rows", "targets", decode_targets),
    ("tracked_rows", "memo", _read_calls),
    ("attempts", "staged", decode_attempts),
    ("failures", "key", _read_keys),
    ("owners", "source_key", _read_keys),
    ("held_calls", "memo", _read_calls),
    ("setup", "state", lambda value: msgspec.json.decode(value, type=dict[str, Any])),
    ("setup", "staging", lambda value: msgspec.json.decode(value, type=list[Any])),
)
"""Table, column, and a function that raises for a value, not NULL, that coco cannot have written."""


class Damage(Database):
    """Searches one file."""

    def find_damage(self) -> str | None:
        """Return the place of the first value that coco cannot have written, by table and column; None if it finds none."""
        with self._reading() as db:
            try:
                return _find(db)
            except sqlite3.DatabaseError as error:
                return str(error)


def _find(db: sqlite3.Connection) -> str | None:
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()]
    for table in tables:
        wrong = []
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        for _, name, kind, needed, _, _ in columns:
            allowed = _TYPES[kind] if needed else f"{_TYPES[kind]}, 'null'"
            wrong.append(f"typeof({name}) NOT IN ({allowed})")
        if db.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong)} LIMIT 1").fetchone():
            for (_, name, *_), condition in zip(columns, wrong, strict=True):
                if db.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1").fetchone():
                    return f"a value of another type in column {name} of table {table}"
    for name in TOTALS:
        if not db.execute("SELECT 1 FROM totals WHERE name=?", (name,)).fetchone():
            return f"table totals has no {name}"
    for table, column, read in _VALUES:
        for (value,) in db.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
            try:
                read(value)
            except (ValueError, StateStoreError):
                return f"a value in column {column} of table {table} cannot be read"
    return None
