"""What setup remembers of a table: in coco's state, and in the file itself, beside the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coco.index import IndexOptions
from coco.kit.state_diff import type_data
from coco.op import TargetStateCompatibility
from coco.typing import FieldSchema, ValueType, decode_engine_value_type
from coco_target_sqlite.types import ColumnCodec, column_codec


@dataclass(frozen=True)
class TableKey:
    """Which table: absolute path of the file, name in it."""

    path: str
    table: str


@dataclass(frozen=True)
class Column:
    """A field. ``type``: its engine type as plain data, without what never alters values."""

    name: str
    type: dict[str, Any]

    @property
    def value_type(self) -> ValueType:
        return decode_engine_value_type(self.type)

    @property
    def codec(self) -> ColumnCodec:
        return column_codec(self.value_type)


@dataclass(frozen=True)
class VectorIndex:
    """A metric for a vector column; ``metric`` is a value of ``VectorSimilarityMetric``."""

    field: str
    metric: str


@dataclass(frozen=True)
class TextIndex:
    """A full-text index; ``parameters``: options of FTS5."""

    field: str
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class TableState:
    """What a table is made of."""

    key: list[Column]
    values: list[Column]
    vector_indexes: list[VectorIndex] = dataclasses.field(default_factory=list)
    text_indexes: list[TextIndex] = dataclasses.field(default_factory=list)

    @property
    def columns(self) -> list[Column]:
        return [*self.key, *self.values]


def table_state(
    key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema], options: IndexOptions
) -> TableState:
    """The state of an export."""
    return TableState(
        [_column(item) for item in key_fields],
        [_column(item) for item in value_fields],
        [VectorIndex(item.field_name, item.metric.value) for item in options.vector_indexes],
        [
            TextIndex(item.field_name, {name: str(value) for name, value in (item.parameters or {}).items()})
            for item in options.fts_indexes
        ],
    )


def _column(item: FieldSchema) -> Column:
    return Column(item.name, type_data(item.value_type.type))


def compatibility(desired: TableState, existing: TableState) -> TargetStateCompatibility:
    """Keys make a new table; new and retyped columns make rows be written again; the rest costs nothing."""
    if desired.key != existing.key:
        return TargetStateCompatibility.NOT_COMPATIBLE
    before = {item.name: item.type for item in existing.values}
    if any(before.get(item.name) != item.type for item in desired.values):
        return TargetStateCompatibility.PARTIALLY_COMPATIBLE
    return TargetStateCompatibility.COMPATIBLE


def change_lines(previous: TableState | None, current: TableState) -> list[str]:
    """One line per step, for the plan."""
    if previous is None:
        return []
    before = {item.name: item for item in previous.values}
    after = {item.name: item for item in current.values}
    lines = [f"drop column {name}" for name in before if name not in after]
    for name, column in after.items():
        if name not in before:
            lines.append(f"add column {name} ({column.codec.declared}, for {column.value_type})")
        elif before[name].type != column.type:
            lines.append(
                f"drop column {name} of {before[name].value_type} and add it for {column.value_type}"
            )
    for word, old, new in (
        ("vector index", previous.vector_indexes, current.vector_indexes),
        ("full-text index", previous.text_indexes, current.text_indexes),
    ):
        lines += [f"drop {word} on {_shown(item)}" for item in old if item not in new]
        lines += [f"create {word} on {_shown(item)}" for item in new if item not in old]
    return lines


def _shown(index: VectorIndex | TextIndex) -> str:
    if isinstance(index, VectorIndex):
        return f"{index.field} ({index.metric})"
    options = ", ".join(f"{name}={value}" for name, value in index.parameters.items())
    return f"{index.field} ({options})" if options else index.field
