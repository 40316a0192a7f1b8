"""What setup remembers of a collection, and what a difference costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coco.index import HnswVectorIndexMethod, IndexOptions, VectorSimilarityMetric
from coco.kit.state_diff import type_data
from coco.op import TargetStateCompatibility
from coco.typing import FieldSchema
from coco_target_qdrant.vectors import vector_field

DISTANCES = {
    VectorSimilarityMetric.COSINE_SIMILARITY: "Cosine",
    VectorSimilarityMetric.L2_DISTANCE: "Euclid",
    VectorSimilarityMetric.INNER_PRODUCT: "Dot",
}
DEFAULT_METRIC = VectorSimilarityMetric.COSINE_SIMILARITY
ID_FORM = 1
"""Grows if ``ids`` ever gave other ids for the same keys."""


@dataclass(frozen=True)
class QdrantKey:
    """Which collection. ``connection``: key of the auth entry; None: the server of the environment."""

    connection: str | None = None
    collection: str = ""

    @property
    def title(self) -> str:
        """For plans and messages."""
        where = "the default server" if self.connection is None else f"server '{self.connection}'"
        return f"collection {self.collection} of Qdrant {where}"


@dataclass(frozen=True)
class VectorState:
    """A named vector. ``distance``: Qdrant's word. ``m``, ``ef_construct``: None: the server's default."""

    size: int
    distance: str = "Cosine"
    multi: bool = False
    m: int | None = None
    ef_construct: int | None = None

    @property
    def shape(self) -> tuple[int, str, bool]:
        """What cannot be changed in place."""
        return self.size, self.distance, self.multi

    @property
    def title(self) -> str:
        """For plans."""
        hnsw = "".join(
            f", {name}={value}"
            for name, value in (("m", self.m), ("ef_construct", self.ef_construct))
            if value is not None
        )
        return f"{self.size} dimensions, {self.distance}{', multi' if self.multi else ''}{hnsw}"


@dataclass(frozen=True)
class QdrantState:
    """A collection as coco wants it.

    key, payload: field -> type as plain data. indexes: payload field -> kind of its index.
    """

    key: list[Any] = dataclasses.field(default_factory=list)
    vectors: dict[str, VectorState] = dataclasses.field(default_factory=dict)
    payload: dict[str, Any] = dataclasses.field(default_factory=dict)
    indexes: dict[str, str] = dataclasses.field(default_factory=dict)
    id_form: int = ID_FORM


def distance_of(name: str, options: IndexOptions) -> str:
    """How a vector field is compared, in Qdrant's word."""
    for index in options.vector_indexes:
        if index.field_name == name:
            return DISTANCES[index.metric]
    return DISTANCES[DEFAULT_METRIC]


def desired_state(
    indexes: Mapping[str, str],
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
    index_options: IndexOptions,
) -> QdrantState:
    """The state of an export's collection."""
    chosen = {item.field_name: item for item in index_options.vector_indexes}
    vectors: dict[str, VectorState] = {}
    payload: dict[str, Any] = {}
    for item in value_fields:
        field = vector_field(item.value_type.type)
        if field is None or field.also_in_payload:
            payload[item.name] = type_data(item.value_type.type)
        if field is not None:
            index = chosen.get(item.name)
            method = index.method if index is not None else None
            hnsw = method if isinstance(method, HnswVectorIndexMethod) else HnswVectorIndexMethod()
            vectors[item.name] = VectorState(
                field.size,
                distance_of(item.name, index_options),
                field.multi,
                hnsw.m,
                hnsw.ef_construction,
            )
    key = [[item.name, type_data(item.value_type.type)] for item in key_fields]
    return QdrantState(key, vectors, payload, dict(indexes))


def compatibility(desired: QdrantState, existing: QdrantState) -> TargetStateCompatibility:
    """Other ids or vectors: another collection. Another payload: the same points, written again."""
    if (desired.key, desired.id_form) != (existing.key, existing.id_form):
        return TargetStateCompatibility.NOT_COMPATIBLE
    shapes = [{name: item.shape for name, item in state.vectors.items()} for state in (desired, existing)]
    if shapes[0] != shapes[1]:
        return TargetStateCompatibility.NOT_COMPATIBLE
    if desired.payload != existing.payload:
        return TargetStateCompatibility.PARTIALLY_COMPATIBLE
    return TargetStateCompatibility.COMPATIBLE


def change_lines(previous: QdrantState | None, current: QdrantState) -> list[str]:
    """For the plan."""
    if previous is None:
        return []
    lines = []
    for name in previous.vectors.keys() | current.vectors.keys():
        before, after = previous.vectors.get(name), current.vectors.get(name)
        if before is None and after is not None:
            lines.append(f"add vector {name} ({after.title})")
        elif before is not None and after is None:
            lines.append(f"drop vector {name} ({before.title})")
        elif before is not None and after is not None and before != after:
            lines.append(f"change vector {name}: {before.title} becomes {after.title}")
    for name, kind in previous.indexes.items():
        if current.indexes.get(name) != kind:
            lines.append(f"drop {kind} index on payload field {name}")
    for name, kind in current.indexes.items():
        if previous.indexes.get(name) != kind:
            lines.append(f"create {kind} index on payload field {name}")
    if previous.payload != current.payload:
        lines.append("write payloads again")
    return sorted(lines)
