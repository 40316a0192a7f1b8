"""Many rows per statement: the interpreter is let go once for a group of rows and not for each.

``executemany`` hands the interpreter's lock back and asks for it again around every row, which with other threads at
work is a switch of threads. A first index of 10 000 files has half as many this way, at the same processor time.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

ROWS = 64
"""Rows in one statement. What is left of a batch goes in halves of it, so that few statements are ever prepared."""


if sys.version_info >= (3, 12):
    parameters = tuple
else:

    def parameters(values: Iterable[Any]) -> Sequence[Any]:
        """Values as they are best bound to a statement.

        For each ``bytes``, Python 3.11 looks for an adapter and on its way raises an error and drops it, in all 3 000
        instructions; a ``bytearray`` is bound as it is.
        """
        return [bytearray(value) if type(value) is bytes else value for value in values]


def write_rows(
    db: sqlite3.Connection,
    into: str,
    rows: Sequence[tuple[Any, ...]],
    then: str = "",
    *,
    replace: bool = False,
) -> int:
    """``INSERT INTO {into} VALUES (...), (...) {then}``; returns how many rows were changed.

    Rows take effect in their order. ``into``: table, and columns in brackets if not all are given. ``replace``: rows
    that are in the way are deleted.
    """
    if not rows:
        return 0
    changed = 0
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    width = len(rows[0])
    for group in _groups(rows):
        sql = f"{verb} INTO {into} VALUES {_values(len(group), width)} {then}"
        changed += db.execute(sql, parameters(chain.from_iterable(group))).rowcount
    return changed


def delete_ids(db: sqlite3.Connection, table: str, column: str, ids: Sequence[int]) -> None:
    """``DELETE FROM {table} WHERE {column} IN (...)``."""
    for group in _groups(ids):
        db.execute(f"DELETE FROM {table} WHERE {column} IN ({','.join('?' * len(group))})", tuple(group))


def _groups(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    start, size = 0, ROWS
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=256)
def _values(count: int, width: int) -> str:
    row = f"({','.join('?' * width)})"
    return ",".join([row] * count)
