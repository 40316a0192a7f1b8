"""What a database says about itself: tables, columns, indexes, extensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coco.kit.quoting import quote_identifier, quote_qualified
from coco_target_postgres.connections import Connection

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), n.nspname, t.typname, a.attnotnull,
       col_description(a.attrelid, a.attnum), a.atttypid, a.attgenerated,
       a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_UNIQUE = """
SELECT i.indisprimary, array_agg(a.attname ORDER BY k.place)
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = $1 AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary
"""

_INDEXES = """
SELECT c.relname, obj_description(c.oid, 'pg_class'), i.indisvalid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1
"""


@dataclass(frozen=True)
class ColumnInfo:
    """A column as it is. ``mark``: its comment. ``type``: spelled without the schema of the type. ``filled``: a new row
    that says nothing of it gets a value.
    """

    name: str
    type: str
    not_null: bool
    mark: str | None
    oid: int
    generated: bool
    filled: bool


@dataclass(frozen=True)
class TableInfo:
    """A table as it is. ``unique``: column lists of unique indexes; ``primary_key``: empty if there is none."""

    oid: int
    kind: str
    columns: dict[str, ColumnInfo]
    primary_key: tuple[str, ...]
    unique: list[tuple[str, ...]]


def find_table(connection: Connection, schema: str, table: str) -> TableInfo | None:
    """The table (or view, or whatever has the name), or None."""
    row = connection.execute(
        "SELECT c.oid, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2",
        (schema, table),
    ).fetchone()
    if row is None:
        return None
    oid, kind = row
    columns = {}
    for name, type_, type_schema, _, not_null, mark, type_oid, generated, filled in connection.execute(
        _COLUMNS, (oid,)
    ):
        qualifier = quote_identifier(type_schema) + "."
        plain = type_.removeprefix(qualifier).removeprefix(f"{type_schema}.")
        columns[name] = ColumnInfo(name, plain, not_null, mark, type_oid, bool(generated), filled)
    unique, primary = [], ()
    for is_primary, names in connection.execute(_UNIQUE, (oid,)):
        unique.append(tuple(names))
        if is_primary:
            primary = tuple(names)
    return TableInfo(oid, kind, columns, primary, unique)


def find_indexes(connection: Connection, table_oid: int) -> dict[str, tuple[str | None, bool]]:
    """Index -> (its comment, whether it is valid)."""
    return {name: (mark, valid) for name, mark, valid in connection.execute(_INDEXES, (table_oid,))}


def vector_schema(connection: Connection) -> str | None:
    """The schema that holds pgvector's types; None if the extension is not there."""
    row = connection.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    ).fetchone()
    return None if row is None else str(row[0])


def type_oids(connection: Connection, types: Sequence[str]) -> dict[str, int]:
    """Numbers of extension types. Raises the server's error where one does not exist."""
    schema = vector_schema(connection)
    found = {}
    for type_ in types:
        name = quote_qualified(schema, type_) if schema is not None else type_
        row = connection.execute("SELECT $1::text::regtype::oid", (name,)).fetchone()
        assert row is not None
        found[type_] = int(row[0])
    return found
