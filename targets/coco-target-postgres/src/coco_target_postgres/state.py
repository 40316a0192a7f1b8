"""What setup knows of a table: its key, its state, and what a difference between two states costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coco.index import (
    FtsIndexDef,
    HnswVectorIndexMethod,
    IndexOptions,
    IvfFlatVectorIndexMethod,
    VectorIndexDef,
    VectorSimilarityMetric,
)
from coco.op import TargetStateCompatibility
from coco.typing import FieldSchema
from coco_target_postgres.columns import column_type

OPERATORS = {
    VectorSimilarityMetric.COSINE_SIMILARITY: "cosine",
    VectorSimilarityMetric.L2_DISTANCE: "l2",
    VectorSimilarityMetric.INNER_PRODUCT: "ip",
}
"""Metric -> the middle of an operator class's name."""

DEFAULT_TEXT_CONFIG = "simple"
"""Text search configuration of full-text indexes: words as they stand, in any language."""


@dataclass(frozen=True)
class PostgresKey:
    """Identifies a table. ``database``: key of the auth entry; None: the database of the settings."""

    database: str | None = None
    schema: str = "public"
    table: str = ""

    @property
    def title(self) -> str:
        """For plans and messages."""
        name = self.table if self.schema == "public" else f"{self.schema}.{self.table}"
        where = "the default database" if self.database is None else f"database '{self.database}'"
        return f"table {name} in {where}"


@dataclass(frozen=True)
class KeyColumn:
    """A column of the primary key; its place is that in the list."""

    name: str
    type: str


@dataclass(frozen=True)
class IndexState:
    """An index that coco makes.

    method: hnsw, ivfflat, or gin for full text. operators: the operator class, or the text search
    configuration. options: storage parameters, as far as they were given.
    """

    column: str
    method: str
    operators: str
    options: dict[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For plans."""
        what = "full-text" if self.method == "gin" else self.method
        options = "".join(f", {name} = {value}" for name, value in sorted(self.options.items()))
        return f"{what} index on {self.column} ({self.operators}{options})"


@dataclass(frozen=True)
class PostgresState:
    """A table as coco wants it. ``value_columns``: name -> type; the order says nothing about equality."""

    key_columns: list[KeyColumn] = field(default_factory=list)
    value_columns: dict[str, str] = field(default_factory=dict)
    indexes: list[IndexState] = field(default_factory=list)


def desired_state(
    vectors: Mapping[str, str],
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
    index_options: IndexOptions,
) -> PostgresState:
    """The state of an export's table. ``vectors``: field -> vector type, where one was chosen."""
    indexes = [_vector_index(item, vectors) for item in index_options.vector_indexes]
    indexes += [_text_index(item) for item in index_options.fts_indexes]
    return PostgresState(
        [KeyColumn(item.name, column_type(item.value_type.type)) for item in key_fields],
        {
            item.name: column_type(item.value_type.type, vectors.get(item.name, "vector"))
            for item in value_fields
        },
        sorted(indexes, key=lambda item: (item.column, item.method, item.operators)),
    )


def _vector_index(index: VectorIndexDef, vectors: Mapping[str, str]) -> IndexState:
    given: dict[str, int | None]
    if isinstance(index.method, IvfFlatVectorIndexMethod):
        method, given = "ivfflat", {"lists": index.method.lists}
    else:
        chosen = index.method or HnswVectorIndexMethod()
        method, given = "hnsw", {"m": chosen.m, "ef_construction": chosen.ef_construction}
    vector = vectors.get(index.field_name, "vector")
    return IndexState(
        index.field_name,
        method,
        f"{vector}_{OPERATORS[index.metric]}_ops",
        {name: value for name, value in given.items() if value is not None},
    )


def _text_index(index: FtsIndexDef) -> IndexState:
    return IndexState(index.field_name, "gin", (index.parameters or {}).get("config", DEFAULT_TEXT_CONFIG))


def compatibility(desired: PostgresState, existing: PostgresState) -> TargetStateCompatibility:
    """What it costs to come from ``existing`` to ``desired``."""
    if desired.key_columns != existing.key_columns:
        return TargetStateCompatibility.NOT_COMPATIBLE
    for name, type_ in desired.value_columns.items():
        if existing.value_columns.get(name) != type_:
            return TargetStateCompatibility.PARTIALLY_COMPATIBLE
    return TargetStateCompatibility.COMPATIBLE


def change_lines(previous: PostgresState, current: PostgresState) -> list[str]:
    """What will be done to the table, line by line."""
    lines = []
    for name, type_ in previous.value_columns.items():
        now = current.value_columns.get(name)
        if now is None:
            lines.append(f"drop column {name} ({type_}) and what it holds")
        elif now != type_:
            lines.append(f"replace column {name}: {type_} becomes {now}")
    for name, type_ in current.value_columns.items():
        if name not in previous.value_columns:
            lines.append(f"add column {name} ({type_})")
    lines += [f"drop {item.title}" for item in previous.indexes if item not in current.indexes]
    lines += [f"create {item.title}" for item in current.indexes if item not in previous.indexes]
    return lines
