"""Schemas in few words, and an export without a flow."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import coco
from coco.index import IndexOptions, VectorIndexDef
from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, ValueType, VectorTypeSchema
from coco_target_qdrant.collection import Collection
from coco_target_qdrant.spec import Qdrant, QdrantConnection, QdrantConnector

if TYPE_CHECKING:
    from qdrant_test_server import Engine, Server

Row = tuple[Any, ...]


def scalar(kind: str) -> BasicValueType:
    return BasicValueType(kind)


def vector_of(element: ValueType | str, dimension: int | None = None) -> BasicValueType:
    inner = scalar(element) if isinstance(element, str) else element
    assert isinstance(inner, BasicValueType)
    return BasicValueType("Vector", vector=VectorTypeSchema(inner, dimension))


def field(name: str, type_: ValueType | str, *, nullable: bool = True) -> FieldSchema:
    value_type = scalar(type_) if isinstance(type_, str) else type_
    return FieldSchema(name, EnrichedValueType(value_type, nullable))


def packed(*numbers: float, code: str = "f") -> bytes:
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def numbers(data: Any) -> list[float]:
    return list(struct.unpack(f"<{len(data) // 4}f", data))


FLOATS2 = vector_of("Float32", 2)
ID = field("id", "Str", nullable=False)
TEXT = field("text", "Str")
VECTOR = field("vector", FLOATS2)
MULTI = field("many", vector_of(FLOATS2))


class Export:
    """An export without a flow: keys ``id``, values ``text`` and ``vector``, unless told otherwise."""

    def __init__(
        self,
        server: Server | QdrantConnection,
        collection: str,
        key: Sequence[FieldSchema] = (ID,),
        values: Sequence[FieldSchema] = (TEXT, VECTOR),
        vectors: Sequence[VectorIndexDef] = (),
        **options: Any,
    ) -> None:
        connection = (
            server
            if isinstance(server, QdrantConnection)
            else QdrantConnection(grpc_url=server.grpc_url, api_key=server.api_key)
        )
        entry = coco.add_auth_entry(f"test {uuid.uuid4()}", connection)
        self.spec = Qdrant(collection_name=collection, connection=entry, **options)
        self.fields = (list(key), list(values))
        self.options = IndexOptions([item.name for item in key], vectors)
        QdrantConnector.validate(self.spec, *self.fields, self.options, [])
        self.key = QdrantConnector.get_persistent_key(self.spec, "rows")

    @property
    def state(self) -> Any:
        return QdrantConnector.get_setup_state(self.spec, *self.fields, self.options)

    def set_up(self, previous: Any = None) -> None:
        QdrantConnector.apply_setup_change(self.key, previous, self.state)

    def drop(self) -> None:
        QdrantConnector.apply_setup_change(self.key, self.state, None)

    def open(self) -> Collection:
        return QdrantConnector.prepare(self.spec, *self.fields)

    def batch(
        self,
        upserts: Mapping[Row, Row] | None = None,
        deletes: Sequence[Row] = (),
        changed: list[tuple[int, ...] | None] | None = None,
    ) -> MutationColumns:
        rows = upserts or {}
        return MutationColumns(*self.fields, list(rows), list(rows.values()), list(deletes), changed)

    def write(
        self,
        upserts: Mapping[Row, Row] | None = None,
        deletes: Sequence[Row] = (),
        changed: list[tuple[int, ...] | None] | None = None,
    ) -> None:
        with closing(self.open()) as collection:
            QdrantConnector.mutate_columns((collection, self.batch(upserts, deletes, changed)))

    def rows(self) -> dict[Row, Row]:
        """What the collection gives back, in engine values."""
        with closing(self.open()) as collection:
            keys = [key for part in collection.list_keys() for key in part]
            assert collection.count() == len(keys)
            return collection.read_rows(keys)


def points(engine: Engine, collection: str) -> dict[Any, tuple[dict[str, Any], dict[str, Any]]]:
    """What the engine holds: id -> (payload, vectors)."""
    records, _ = engine.scroll(collection, 10_000, None, True, True)
    return {key: (payload, vectors) for key, payload, vectors in records}
