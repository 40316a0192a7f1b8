"""What can be said against an export while its flow is being defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coco.errors import DefinitionError
from coco.index import HnswVectorIndexMethod, IndexOptions, VectorIndexDef
from coco.typing import BasicValueType, FieldSchema, ValueType
from coco_target_qdrant.vectors import MAX_SIZE, vector_field

_FORBIDDEN = frozenset('<>:"/\\|?*\0')
MAX_NAME_BYTES = 200

INDEX_KINDS: dict[str, tuple[str, ...]] = {
    "Str": ("keyword", "text", "datetime", "uuid"),
    "Json": ("keyword", "integer", "float", "bool", "geo", "datetime", "text", "uuid"),
    "Bool": ("bool",),
    "Int64": ("integer",),
    "Float32": ("float",),
    "Float64": ("float",),
    "Uuid": ("uuid", "keyword"),
    "Date": ("datetime", "keyword"),
    "LocalDateTime": ("datetime", "keyword"),
    "OffsetDateTime": ("datetime", "keyword"),
    "Time": ("keyword",),
    "TimeDelta": ("keyword",),
    "Bytes": ("keyword",),
    "Range": ("integer",),
}
"""Scalar kind -> kinds of payload index that find anything. The same for lists of it."""


def check_connection(connection: Any) -> None:
    """A name, if it is one."""
    if connection == "":
        raise DefinitionError("Qdrant: connection= is empty; leave it out for the server of the environment")


def validate(
    collection: str,
    connection: Any,
    payload_indexes: Mapping[str, str],
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
    index_options: IndexOptions,
) -> None:
    """Raises ``DefinitionError`` naming collection, field and what is allowed."""
    check_connection(connection)
    if (
        not collection
        or set(collection) & _FORBIDDEN
        or not collection.isprintable()
        or len(collection.encode()) > MAX_NAME_BYTES
    ):
        raise DefinitionError(
            f"Qdrant: collection_name must have 1 to {MAX_NAME_BYTES} bytes, without control characters and "
            f'< > : " / \\ | ? *, got {collection[:300]!r}'
        )
    where = f"Qdrant collection {collection}"
    if index_options.fts_indexes:
        raise DefinitionError(
            f"{where}: full-text indexes are payload indexes here: leave fts_indexes out, and give "
            f"Qdrant(payload_indexes={{{index_options.fts_indexes[0].field_name!r}: 'text'}})"
        )
    fields = {item.name: item.value_type.type for item in (*key_fields, *value_fields)}
    values = {item.name for item in value_fields}
    for name, type_ in fields.items():
        vector = vector_field(type_)
        if vector is not None and vector.size > MAX_SIZE:
            raise DefinitionError(
                f"{where}: {name} has {vector.size} dimensions, Qdrant takes at most {MAX_SIZE}"
            )
    seen: set[str] = set()
    for index in index_options.vector_indexes:
        _check_vector_index(where, index, fields[index.field_name], index.field_name in values)
        if index.field_name in seen:
            raise DefinitionError(f"{where}: {index.field_name} can have one metric, not several")
        seen.add(index.field_name)
    for name, kind in payload_indexes.items():
        _check_payload_index(where, name, kind, fields)


def _check_vector_index(where: str, index: VectorIndexDef, type_: ValueType, is_value: bool) -> None:
    here = f"{where}: vector index on {index.field_name}"
    if not is_value or vector_field(type_) is None:
        raise DefinitionError(
            f"{here}: the field has the type {type_}; Qdrant compares vectors of numbers with a fixed dimension, and "
            "lists of such vectors"
        )
    if index.method is None:
        return
    if not isinstance(index.method, HnswVectorIndexMethod):
        raise DefinitionError(
            f"{here}: Qdrant has HNSW indexes only; use HnswVectorIndexMethod, or leave `method` out"
        )
    for name, value, low in (("m", index.method.m, 0), ("ef_construction", index.method.ef_construction, 4)):
        if value is not None and value < low:
            raise DefinitionError(f"{here}: {name} must be at least {low}, got {value}")


def _check_payload_index(where: str, name: str, kind: str, fields: Mapping[str, ValueType]) -> None:
    here = f"{where}: payload index on {name!r}"
    if name not in fields:
        raise DefinitionError(f"{here}: no such field; there are {', '.join(fields)}")
    if '"' in name:
        raise DefinitionError(f"{here}: Qdrant has no path to a field with a quote in its name; rename it")
    type_ = fields[name]
    scalar: Any = type_
    while isinstance(scalar, BasicValueType) and scalar.vector is not None:
        vector = vector_field(type_)
        if vector is not None and not vector.also_in_payload:
            raise DefinitionError(f"{here}: the field is a vector; give vector_indexes")
        scalar = scalar.vector.element_type
    allowed = INDEX_KINDS.get(scalar.kind, ())
    if kind not in allowed:
        raise DefinitionError(
            f"{here}: {kind!r} does not fit the type {type_}; "
            + (f"use {' or '.join(map(repr, allowed))}" if allowed else "it cannot be indexed as a whole")
        )
