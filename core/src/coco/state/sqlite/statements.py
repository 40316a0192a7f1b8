"""Writes many rows per statement, so that the interpreter's lock is released once per group of rows.

``executemany`` releases the lock and acquires it again for every row. With other threads running, each time is a switch of
threads. With groups, a first index of 10 000 files has half as many switches, at the same processor time.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

ROWS = 64
"""Rows in one statement. The rest of a batch is written in halves of this, so that few different statements occur."""


if sys.version_info >= (3, 12):
    parameters = tuple
else:

    def parameters(values: Iterable[Any]) -> Sequence[Any]:
        """Return values in the form that is bound fastest.

        For each ``bytes``, Python 3.11 searches for an adapter, and raises and drops an error meanwhile: 3 000 instructions. A
        ``bytearray`` is bound directly.
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
    """Run ``INSERT INTO {into} VALUES (...), (...) {then}``, and return the number of changed rows.

    Rows take effect in their order. into: the table, with columns in brackets if not all are given. replace: whether
    existing rows with the same key are replaced.
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
    """Run ``DELETE FROM {table} WHERE {column} IN (...)``."""
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
