"""Columns across nested scopes: explode tables into rows, gather ancestors' values, group rows back.

Flat lists in, flat lists out; the same code runs compiled and as plain Python.
"""

from __future__ import annotations

from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython


def _is_compiled() -> bool:
    return bool(cython.compiled)


def gather(column: list[Any], index: list[int]) -> list[Any]:
    """``[column[i] for i in index]``."""
    return [column[i] for i in index]


def compose(inner: list[int], outer: list[int]) -> list[int]:
    """Row -> parent row, seen through one more level: ``outer[inner[i]]``."""
    return [outer[i] for i in inner]


def explode(tables: list[Any], width: int) -> tuple[list[int], list[list[Any]]]:
    """Rows of all tables, in order: (row -> index of its table, one column per field).

    A null table has no rows. ``width``: fields per row.
    """
    parents: list[int] = []
    rows: list[Any] = []
    position: cython.Py_ssize_t
    for position in range(len(tables)):
        table = tables[position]
        if table:
            rows.extend(table)
            parents.extend([position] * len(table))
    if not rows:
        return parents, [[] for _ in range(width)]
    return parents, [list(column) for column in zip(*rows, strict=True)]


def implode(tables: list[Any], added: list[list[Any]]) -> list[Any]:
    """Tables whose rows carry further fields: each row of each table is extended by its ``added`` values.

    ``added`` columns run over the rows of all tables in order, as ``explode`` numbered them.
    """
    result: list[Any] = []
    position: cython.Py_ssize_t = 0
    extra = list(zip(*added, strict=True))
    for table in tables:
        if table is None:
            result.append(None)
            continue
        rows = []
        for row in table:
            rows.append(row + extra[position])
            position += 1
        result.append(tuple(rows))
    return result


def regroup(tables: list[Any], columns: list[list[Any]]) -> list[Any]:
    """Tables with the same numbers of rows as ``tables``, whose rows are made of ``columns``.

    ``columns`` run over the rows of all tables in order, as ``explode`` numbered them. A null table stays null.
    """
    result: list[Any] = []
    start: cython.Py_ssize_t = 0
    rows = list(zip(*columns, strict=True))
    for table in tables:
        if table is None:
            result.append(None)
            continue
        end = start + len(table)
        result.append(tuple(rows[start:end]))
        start = end
    return result


def field_of(column: list[Any], position: int) -> list[Any]:
    """One struct field of each value; null structs give null."""
    return [None if value is None else value[position] for value in column]
