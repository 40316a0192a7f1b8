"""Rows into a table: one transaction per batch, few round trips, bad rows named.

An empty table is filled by COPY. Otherwise rows travel as one array per column through ``unnest``, which was
measured to be the faster way to an upsert; see the README.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import psycopg

from coco.errors import MutationError
from coco.kit.quoting import quote_identifier
from coco.op import MutationColumns
from coco_target_postgres.codec import COPY_HEADER, COPY_TRAILER, array_of, copy_rows, frame
from coco_target_postgres.columns import Column
from coco_target_postgres.connections import BinaryValue, Connection
from coco_target_postgres.table import PreparedTable

MAX_ROW_BYTES = 1_000_000_000
"""What one message to the server can hold; beyond that it would cut the connection."""

STATEMENT_BYTES = 16 << 20
"""About how much one statement carries."""

COPY_ROWS = 256
"""Rows that are sent together while the next are made ready."""

_NULL = b"\xff\xff\xff\xff"

Frames = list[list[bytes]]
"""One list of framed cells per column."""

Statement = Callable[[Connection], None]

UNFIT = (OverflowError, ValueError, TypeError, struct.error)
"""What a codec raises for a value that has no binary form."""


def mutate(table: PreparedTable, batch: MutationColumns, checked: bool = False) -> None:
    """Write and delete. Raises ``MutationError`` for rows that have no binary form, after writing the others;
    ``RowError`` if the server refused something, with nothing written.

    ``checked``: find the binary form of all rows before the first is sent.
    """
    failed: dict[tuple[Any, ...], str] = {}
    statements = list(_deletes(table, batch.delete_keys, failed))
    statements += _upserts(table, batch, failed, checked)

    def work(connection: Connection) -> None:
        if table.fence is None and len(statements) == 1:
            statements[0](connection)  # a transaction by itself
        elif statements:
            with table.transaction(connection):
                for statement in statements:
                    statement(connection)

    try:
        table.run("cannot write rows", work)
    except _NotNewError:
        table.direct = False
        mutate(table, batch)
        return
    except _UnfitError:
        mutate(table, batch, checked=True)
        return
    if failed:
        raise MutationError(failed)


class _NotNewError(Exception):
    """A row that was copied into an empty table is there already."""


class _UnfitError(Exception):
    """A row that was about to be sent has no binary form."""


# -- encoding -------------------------------------------------------------------------------------


def encode(
    columns: Sequence[Column],
    keys: Sequence[tuple[Any, ...]],
    rows: Sequence[tuple[Any, ...]],
    failed: dict[tuple[Any, ...], str],
) -> tuple[Frames, list[int]]:
    """Framed cells by column, and the positions of the rows they are of.

    rows: values in the order of ``columns``. failed: gets the keys of rows that cannot be sent.
    """
    positions = list(range(len(rows)))
    if not rows:
        return [[] for _ in columns], positions
    try:
        frames = _frames(columns, zip(*rows, strict=True))
    except UNFIT:
        positions = []
        for position, row in enumerate(rows):
            problem = _problem(columns, row)
            if problem:
                failed[keys[position]] = problem
            else:
                positions.append(position)
        frames = _frames(columns, [[rows[i][number] for i in positions] for number in range(len(columns))])
    if _size(frames) <= MAX_ROW_BYTES:
        return frames, positions
    large = [i for i, size in enumerate(_sizes(frames)) if size > MAX_ROW_BYTES]
    for i in reversed(large):
        cells = {column.name: len(frames[number][i]) for number, column in enumerate(columns)}
        widest = max(cells, key=lambda name: cells[name])
        failed[keys[positions[i]]] = (
            f"the row has {sum(cells.values())} bytes, of which {cells[widest]} in column {widest}; Postgres takes at "
            f"most {MAX_ROW_BYTES}"
        )
        del positions[i]
        for cell in frames:
            del cell[i]
    return frames, positions


def _frames(columns: Sequence[Column], cells: Iterable[Sequence[Any]]) -> Frames:
    """Framed cells of ``cells``, one sequence of values per column."""
    frames = []
    for column, values in zip(columns, cells, strict=True):
        to_bytes = column.to_bytes
        if None in values:
            frames.append(frame([None if value is None else to_bytes(value) for value in values]))
        else:
            frames.append(frame(list(map(to_bytes, values))))
    return frames


def _problem(columns: Sequence[Column], row: tuple[Any, ...]) -> str:
    for column, value in zip(columns, row, strict=True):
        try:
            if value is not None:
                column.to_bytes(value)
        except UNFIT as error:
            return f"column {column.name} ({column.type}): {error}"
    return ""


def _size(frames: Frames) -> int:
    return sum(sum(map(len, cells)) for cells in frames)


def _sizes(frames: Frames) -> list[int]:
    return [sum(map(len, cells)) for cells in zip(*frames, strict=True)]


def _chunks(frames: Frames) -> Iterator[Frames]:
    """Parts of bounded size."""
    if _size(frames) <= STATEMENT_BYTES:
        if frames[0]:
            yield frames
        return
    sizes = _sizes(frames)
    start, used = 0, 0
    for position, size in enumerate(sizes):
        if position > start and used + size > STATEMENT_BYTES:
            yield [cells[start:position] for cells in frames]
            start, used = position, 0
        used += size
    yield [cells[start:] for cells in frames]


def parameters(table: PreparedTable, columns: Sequence[Column], frames: Frames) -> list[BinaryValue]:
    """An array per column."""
    return [
        BinaryValue(array_of(cells, table.oid(column), _NULL in cells))
        for column, cells in zip(columns, frames, strict=True)
    ]


def unnest(table: PreparedTable, columns: Sequence[Column]) -> str:
    """``unnest`` of one array per column; parameters count from 1."""
    arrays = [f"${i}::{table.element_type(column)}[]" for i, column in enumerate(columns, 1)]
    return f"unnest({', '.join(arrays)})"


# -- statements -----------------------------------------------------------------------------------


def _deletes(
    table: PreparedTable, keys: Sequence[tuple[Any, ...]], failed: dict[tuple[Any, ...], str]
) -> Iterator[Statement]:
    columns = table.key_columns
    frames, _ = encode(columns, keys, keys, failed)

    def make() -> str:
        aliases = ", ".join(f"k{i}" for i in range(len(columns)))
        return f"DELETE FROM {table.name} AS t USING {unnest(table, columns)} AS s({aliases}) WHERE {match(columns)}"

    for part in _chunks(frames):
        yield _execute(table.statement("delete", make), parameters(table, columns, part))


def match(columns: Sequence[Column]) -> str:
    """The condition that row ``t`` has the key in ``s(k0, k1, ...)``."""
    return " AND ".join(f"t.{quote_identifier(column.name)} = s.k{i}" for i, column in enumerate(columns))


def _upserts(
    table: PreparedTable, batch: MutationColumns, failed: dict[tuple[Any, ...], str], checked: bool
) -> Iterator[Statement]:
    keys, rows, changed = batch.upsert_keys, batch.upsert_rows, batch.changed
    last = _last_of_each(table, keys)
    if last is not None:
        keys, rows, changed = [keys[i] for i in last], [rows[i] for i in last], None
    if changed is None:
        yield from _whole_rows(table, keys, rows, failed, checked)
        return
    groups: dict[tuple[int, ...] | None, list[int]] = {}
    for position, fields in enumerate(changed):
        groups.setdefault(fields or None, []).append(position)
    for fields, positions in groups.items():
        some_keys, some_rows = [keys[i] for i in positions], [rows[i] for i in positions]
        if fields is None or len(fields) == len(table.value_columns):
            yield from _whole_rows(table, some_keys, some_rows, failed, checked)
        else:
            yield from _some_fields(table, some_keys, some_rows, fields, failed)


def _last_of_each(table: PreparedTable, keys: Sequence[tuple[Any, ...]]) -> list[int] | None:
    """Where keys of different source rows are one in the table (without U+0000), the later wins; None if none are."""
    marks: Sequence[tuple[Any, ...]] = keys
    if keys:
        columns = list(zip(*keys, strict=True))
        forms = [column.stored_form for column in table.key_columns]
        stored = [
            parts if form is None else tuple(map(form, parts))
            for form, parts in zip(forms, columns, strict=True)
        ]
        if stored != columns:
            marks = list(zip(*stored, strict=True))
    if len(set(marks)) == len(marks):
        return None
    return list({mark: position for position, mark in enumerate(marks)}.values())


def _whole_rows(
    table: PreparedTable,
    keys: Sequence[tuple[Any, ...]],
    rows: Sequence[tuple[Any, ...]],
    failed: dict[tuple[Any, ...], str],
    checked: bool,
) -> Iterator[Statement]:
    if table.direct and not checked:
        if keys:
            starts = range(0, len(keys), COPY_ROWS)
            yield _copy(table, lambda: (_fit_columns(table, keys, rows, start) for start in starts))
        return
    frames = _whole_columns(table, keys, rows)
    if frames is None:  # some row cannot be sent: find out which
        joined = [(*key, *row) for key, row in zip(keys, rows, strict=True)]
        frames, _ = encode(table.columns, keys, joined, failed)
    for part in _chunks(frames):
        yield _copy(table, functools.partial(iter, [part])) if table.direct else _upsert(table, part)


def _fit_columns(
    table: PreparedTable, keys: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]], start: int
) -> Frames:
    frames = _whole_columns(table, keys[start : start + COPY_ROWS], rows[start : start + COPY_ROWS])
    if frames is None:
        raise _UnfitError
    return frames


def _whole_columns(
    table: PreparedTable, keys: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]]
) -> Frames | None:
    """Framed cells by column, or None if a value has no binary form or there may be a row that is too large."""
    if not keys:
        return [[] for _ in table.columns]
    cells = [*zip(*keys, strict=True), *zip(*rows, strict=True)]
    try:
        frames = _frames(table.columns, cells)
    except UNFIT:
        return None
    return frames if _size(frames) <= MAX_ROW_BYTES else None


def _upsert(table: PreparedTable, frames: Frames) -> Statement:
    def make() -> str:
        names = ", ".join(quote_identifier(column.name) for column in table.columns)
        keys = ", ".join(quote_identifier(column.name) for column in table.key_columns)
        values = [quote_identifier(column.name) for column in table.value_columns]
        action = (
            "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in values) if values else "NOTHING"
        )
        return (
            f"INSERT INTO {table.name} ({names}) SELECT * FROM {unnest(table, table.columns)} "
            f"ON CONFLICT ({keys}) DO {action}"
        )

    return _execute(table.statement("upsert", make), parameters(table, table.columns, frames))


def _copy(table: PreparedTable, parts: Callable[[], Iterable[Frames]]) -> Statement:
    """COPY into a table that was empty; where a row is there after all, ``_NotNewError``.

    The server works on one part while the next is made. ``parts`` is called once per attempt.
    """

    def make() -> str:
        names = ", ".join(quote_identifier(column.name) for column in table.columns)
        return f"COPY {table.name} ({names}) FROM STDIN (FORMAT binary)"

    sql = table.statement("copy", make)

    def run(connection: Connection) -> None:
        try:
            with connection.cursor().copy(sql) as copy:
                copy.write(COPY_HEADER)
                for part in parts():
                    copy.write(copy_rows(part))
                copy.write(COPY_TRAILER)
        except psycopg.errors.UniqueViolation as error:
            raise _NotNewError from error

    return run


def _some_fields(
    table: PreparedTable,
    keys: Sequence[tuple[Any, ...]],
    rows: Sequence[tuple[Any, ...]],
    fields: tuple[int, ...],
    failed: dict[tuple[Any, ...], str],
) -> Iterator[Statement]:
    """Only the columns that differ; a row that is missing is written whole."""
    values = [table.value_columns[i] for i in fields]
    columns = [*table.key_columns, *values]
    sent = [(*key, *(row[i] for i in fields)) for key, row in zip(keys, rows, strict=True)]
    frames, positions = encode(columns, keys, sent, failed)

    def make() -> str:
        aliases = [f"k{i}" for i in range(len(table.key_columns))] + [f"v{i}" for i in range(len(values))]
        updates = ", ".join(f"{quote_identifier(column.name)} = s.v{i}" for i, column in enumerate(values))
        source = f"{unnest(table, columns)} AS s({', '.join(aliases)})"
        return f"UPDATE {table.name} AS t SET {updates} FROM {source} WHERE {match(table.key_columns)}"

    sql = table.statement(("update", fields), make)
    start = 0
    for part in _chunks(frames):
        count = len(part[0])
        chosen = positions[start : start + count]
        start += count
        yield _update(
            table, sql, parameters(table, columns, part), [keys[i] for i in chosen], [rows[i] for i in chosen]
        )


def _update(
    table: PreparedTable,
    sql: bytes,
    values: list[BinaryValue],
    keys: list[tuple[Any, ...]],
    rows: list[tuple[Any, ...]],
) -> Statement:
    def run(connection: Connection) -> None:
        if connection.execute(sql, values, prepare=True).rowcount == len(keys):
            return
        # Encoding cannot fail for some rows only: a value that fits now was sent before, or comes from state.
        failed: dict[tuple[Any, ...], str] = {}
        frames, _ = encode(
            table.columns, keys, [(*key, *row) for key, row in zip(keys, rows, strict=True)], failed
        )
        if failed:
            raise MutationError(failed)
        for part in _chunks(frames):
            _upsert(table, part)(connection)

    return run


def _execute(sql: bytes, values: list[BinaryValue]) -> Statement:
    def run(connection: Connection) -> None:
        connection.execute(sql, values, prepare=True)

    return run
