"""Rows out of a table again, as engine values: for counting, comparing and repairing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from coco.kit.quoting import quote_identifier
from coco_target_postgres.columns import Column
from coco_target_postgres.connections import Connection
from coco_target_postgres.mutate import encode, match, parameters, unnest
from coco_target_postgres.table import PreparedTable

KEYS_PER_LIST = 10_000


def count_rows(table: PreparedTable) -> int:
    """How many rows the table holds now."""

    def work(connection: Connection) -> int:
        row = connection.execute(
            table.statement("count", lambda: f"SELECT count(*) FROM {table.name}")
        ).fetchone()
        assert row is not None
        return int(row[0])

    return table.run("cannot count rows", work)


def list_keys(table: PreparedTable) -> Iterator[list[tuple[Any, ...]]]:
    """All keys, in lists of bounded length, in the order of the key."""
    columns = table.key_columns
    names = ", ".join(quote_identifier(column.name) for column in columns)
    casts = ", ".join(f"{quote_identifier(column.name)}::{table.element_type(column)}" for column in columns)
    after: tuple[Any, ...] | None = None
    while True:
        where = ""
        if after is not None:
            arrays = ", ".join(f"${i}::{table.element_type(column)}[]" for i, column in enumerate(columns, 1))
            aliases = ", ".join(f"k{i}" for i in range(len(columns)))
            where = f" WHERE ({names}) > (SELECT * FROM unnest({arrays}) AS s({aliases}))"
        sql = f"SELECT {casts} FROM {table.name}{where} ORDER BY {names} LIMIT {KEYS_PER_LIST}".encode()
        found = table.run("cannot list keys", _KeyPage(table, sql, after))
        if found:
            yield found
        if len(found) < KEYS_PER_LIST:
            return
        after = found[-1]


class _KeyPage:
    """One page of keys after a key."""

    def __init__(self, table: PreparedTable, sql: bytes, after: tuple[Any, ...] | None) -> None:
        self._table = table
        self._sql = sql
        self._after = after

    def __call__(self, connection: Connection) -> list[tuple[Any, ...]]:
        columns = self._table.key_columns
        values = None
        if self._after is not None:
            frames, _ = encode(columns, [self._after], [self._after], {})
            values = parameters(self._table, columns, frames)
        return _fetch(connection, self._sql, values, columns)


def read_rows(
    table: PreparedTable, keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Values by key, of those keys that are there. ``...`` stands for a value that cannot be told from jsonb."""
    if not keys:
        return {}
    columns = table.columns
    frames, _ = encode(table.key_columns, keys, keys, {})

    def make() -> str:
        wanted = ", ".join(f"t.{quote_identifier(item.name)}::{table.element_type(item)}" for item in columns)
        aliases = ", ".join(f"k{i}" for i in range(len(table.key_columns)))
        source = f"{unnest(table, table.key_columns)} AS s({aliases})"
        return f"SELECT {wanted} FROM {table.name} AS t JOIN {source} ON {match(table.key_columns)}"

    sql = table.statement("read", make)
    values = parameters(table, table.key_columns, frames)
    rows = table.run("cannot read rows", lambda connection: _fetch(connection, sql, values, columns))
    width = len(table.key_columns)
    return {row[:width]: row[width:] for row in rows}


def _fetch(
    connection: Connection, sql: bytes, values: Any, columns: Sequence[Column]
) -> list[tuple[Any, ...]]:
    """Rows as engine values, from the binary form that the server sends."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(sql, values)
        result = cursor.pgresult
        assert result is not None
        count = result.ntuples
        decoded = [
            [_decoded(column, result.get_value(row, number)) for row in range(count)]
            for number, column in enumerate(columns)
        ]
    return list(zip(*decoded, strict=True))


def _decoded(column: Column, data: bytes | None) -> Any:
    if data is None:
        return None
    if column.from_bytes is None:
        return ...
    try:
        return column.from_bytes(data)
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError):
        return ("unreadable", data)  # someone else's value: differs from whatever we expect
