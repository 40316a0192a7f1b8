"""Schemas, tables and flows that tests make, and a look into the database that takes another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import psycopg

import coco
from coco import op
from coco.index import IndexOptions
from coco.op import MutationColumns
from coco.typing import EnrichedValueType, FieldSchema, encode_enriched_type
from coco_target_postgres.spec import Postgres, PostgresColumnOptions, PostgresConnector
from coco_target_postgres.table import PreparedTable

Rows = dict[tuple[Any, ...], tuple[Any, ...] | None]


def field(name: str, annotation: Any) -> FieldSchema:
    """A field of a type given as users give it."""
    return FieldSchema(name, EnrichedValueType.decode(encode_enriched_type(annotation)))


def fields(**annotations: Any) -> list[FieldSchema]:
    return [field(name, annotation) for name, annotation in annotations.items()]


def query(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database says, by text protocol."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), values or None)
        return list(cursor.fetchall()) if cursor.description is not None else []


def column_types(url: str, table: str, schema: str = "public") -> dict[str, str]:
    """Column -> type."""
    return dict(
        query(
            url,
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = %s AND nspname = %s AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum",
            table,
            schema,
        )
    )


def index_definitions(url: str, table: str) -> dict[str, str]:
    """Index -> definition, without that of the primary key."""
    return dict(
        query(
            url,
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT LIKE '%%_pkey'",
            table,
        )
    )


@dataclass
class Export:
    """An export as the engine would handle it."""

    key_fields: list[FieldSchema]
    value_fields: list[FieldSchema]
    spec: Postgres
    vector_indexes: Sequence[coco.VectorIndexDef] = ()
    fts_indexes: Sequence[coco.FtsIndexDef] = ()

    @property
    def options(self) -> IndexOptions:
        return IndexOptions([item.name for item in self.key_fields], self.vector_indexes, self.fts_indexes)

    @property
    def key(self) -> Any:
        return PostgresConnector.get_persistent_key(self.spec, "rows")

    @property
    def state(self) -> Any:
        return PostgresConnector.get_setup_state(self.spec, self.key_fields, self.value_fields, self.options)

    def validate(self) -> None:
        PostgresConnector.validate(self.spec, self.key_fields, self.value_fields, self.options, [])

    def set_up(self, previous: Any = None) -> Any:
        """Apply and return the state."""
        self.validate()
        PostgresConnector.apply_setup_change(self.key, previous, self.state)
        return self.state

    def drop(self) -> None:
        PostgresConnector.apply_setup_change(self.key, self.state, None)

    @contextmanager
    def opened(self) -> Iterator[PreparedTable]:
        table = PostgresConnector.prepare(self.spec, self.key_fields, self.value_fields)
        try:
            yield table
        finally:
            table.close()

    def batch(self, rows: Rows, changed: list[tuple[int, ...] | None] | None = None) -> MutationColumns:
        written = {key: row for key, row in rows.items() if row is not None}
        return MutationColumns(
            self.key_fields,
            self.value_fields,
            list(written),
            list(written.values()),
            [key for key, row in rows.items() if row is None],
            changed,
        )

    def write(self, rows: Rows, changed: list[tuple[int, ...] | None] | None = None) -> None:
        with self.opened() as table:
            PostgresConnector.mutate_columns((table, self.batch(rows, changed)))

    def read(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """All rows, by the connector's own reading."""
        with self.opened() as table:
            keys = [key for page in PostgresConnector.list_keys(table) for key in page]
            assert PostgresConnector.count_rows(table) == len(keys)
            return dict(PostgresConnector.read_rows(table, keys))


def export(
    key_fields: list[FieldSchema],
    value_fields: list[FieldSchema],
    *,
    table: str | None = "rows",
    schema: str | None = None,
    halfvec: Sequence[str] = (),
    vector_indexes: Sequence[coco.VectorIndexDef] = (),
    fts_indexes: Sequence[coco.FtsIndexDef] = (),
) -> Export:
    spec = Postgres(
        table_name=table,
        schema=schema,
        column_options={name: PostgresColumnOptions(type="halfvec") for name in halfvec} or None,
    )
    return Export(key_fields, value_fields, spec, vector_indexes, fts_indexes)


# -- a source in memory ---------------------------------------------------------------------------


class Shelf(op.SourceSpec):
    """Texts by name."""

    name: str


SHELVES: dict[str, dict[str, str]] = {}


class TextName(NamedTuple):
    name: str


@dataclass
class Text:
    text: str


@op.source_connector(spec_cls=Shelf, key_type=TextName, value_type=Text)
class ShelfConnector:
    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    @staticmethod
    def create(spec: Shelf) -> ShelfConnector:
        return ShelfConnector(SHELVES[spec.name])

    def list(self, options: op.SourceReadOptions) -> Iterator[op.PartialSourceRow[TextName, Text]]:
        for name in tuple(self._texts):
            yield op.PartialSourceRow(TextName(name), op.PartialSourceRowData(ordinal=op.NO_ORDINAL))

    def get_value(self, key: TextName, options: op.SourceReadOptions) -> op.PartialSourceRowData[Text]:
        if key.name not in self._texts:
            return op.PartialSourceRowData(op.NON_EXISTENCE)
        return op.PartialSourceRowData(Text(self._texts[key.name]), op.NO_ORDINAL)


CALLS: list[str] = []


@op.function(cache=True, behavior_version=1)
def postgres_test_vector(text: str) -> coco.Vector[coco.Float32, Literal[3]]:
    """Three numbers of a text."""
    CALLS.append(text)
    return [float(len(text)), float(text.count("a")), 1.0]


def shelf_flow(
    name: str,
    shelf: str,
    target: Any = None,
    *,
    collect: Callable[[Any], dict[str, Any]] | None = None,
    keys: Sequence[str] = ("name",),
    **options: Any,
) -> coco.Flow:
    """A flow from a shelf into a table: name, text and, by default, a vector."""

    def default(row: Any) -> dict[str, Any]:
        row["vector"] = row["text"].transform(postgres_test_vector)
        return {"name": row["name"], "text": row["text"], "vector": row["vector"]}

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["texts"] = builder.add_source(Shelf(name=shelf))
        rows = scope.add_collector()
        with scope["texts"].row() as row:
            rows.collect(**(collect or default)(row))
        rows.export("rows", target or Postgres(), primary_key_fields=list(keys), **options)

    return coco.open_flow(name, define)
