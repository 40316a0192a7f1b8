"""The contract of every target, over gRPC, REST and the local mode; read back through the official client's models."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

import coco
from coco.typing import BasicValueType, FieldSchema
from coco_target_qdrant.ids import NAMESPACE
from coco_target_qdrant.spec import Qdrant, QdrantConnection
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, KnownFailure, Support, claim
from coco_testing.natural import natural_json
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

if TYPE_CHECKING:
    from qdrant_test_server import Server

ALWAYS = UNSUPPORTED("vectors have an HNSW index always; their metric cannot be altered in place")
EXCEPTIONS: dict[str, Support] = {
    **{name: ALWAYS for name in ALL_TARGET_ABILITIES if name.startswith("index.vector")},
    "index.fts": UNSUPPORTED(
        "full-text indexes are payload indexes: Qdrant(payload_indexes={field: 'text'})"
    ),
    "late_writes": NOT_IMPLEMENTED,
    "setup.upgrade": NOT_IMPLEMENTED,  # there are no older releases
}
ABILITIES = claim(ALL_TARGET_ABILITIES, EXCEPTIONS)
DEEP = {"value Json of 50 levels": UNSUPPORTED("gRPC messages have at most 100 levels, which is 30 of JSON")}


def value(field: FieldSchema, payload: dict[str, Any], vectors: dict[str, Any]) -> Any:
    type_ = field.value_type.type
    integers = isinstance(type_, BasicValueType) and type_.packed_format == ("q", 8)
    if field.name in vectors and not integers:
        found = vectors[field.name]
        unit = math.isclose(float(np.linalg.norm(np.array(found).ravel()[:3])), 1, rel_tol=1e-5)
        assert unit or isinstance(found[0], list) or not any(found), "not of unit length, as cosine has it"
        return found
    return natural_json(type_, payload.get(field.name), tagged=False)


def read_collection(client: QdrantClient, name: str, shape: Shape) -> NaturalRows | None:
    """All points, through the client's own models."""
    if not client.collection_exists(name):
        return None
    found: dict[Any, dict[str, Any]] = {}
    offset = None
    while True:
        points, offset = client.scroll(name, limit=5_000, offset=offset, with_payload=True, with_vectors=True)
        for point in points:
            payload = point.payload or {}
            vectors: Any = point.vector or {}
            key = tuple(natural_json(item.value_type.type, payload[item.name]) for item in shape.key_fields)
            single = key[0] if len(key) == 1 else key
            assert single not in found, "two points have one key"
            found[single] = {item.name: value(item, payload, vectors) for item in shape.value_fields}
        if offset is None:
            return found


def fill_by_hand(client: QdrantClient, name: str, rows: NaturalRows) -> None:
    """A collection without vectors, its ids made as the README says."""
    client.create_collection(name, vectors_config={})
    points = [
        models.PointStruct(
            id=str(uuid.uuid5(NAMESPACE, json.dumps([key]))), payload={"id": key, **row}, vector={}
        )
        for key, row in rows.items()
    ]
    client.upsert(name, points, wait=True)


def entry(connection: QdrantConnection) -> Any:
    return coco.add_auth_entry(f"conformance {uuid.uuid4()}", connection)


class TestGrpc(TargetSuite):
    abilities: ClassVar[Any] = claim(ALL_TARGET_ABILITIES, {**EXCEPTIONS, **DEEP})

    @pytest.fixture
    def spec(self, server: Server, collection: str) -> Iterator[Qdrant]:
        connection = QdrantConnection(grpc_url=server.grpc_url, api_key=server.api_key)
        self.server = server
        yield Qdrant(collection_name=collection, connection=entry(connection))
        with closing(self.client()) as client:
            client.delete_collection(collection)

    def secrets(self, spec: Any) -> Iterable[str]:
        return [self.server.api_key] if self.server.api_key else ["no secret at all"]

    def client(self) -> QdrantClient:
        host, _, port = self.server.grpc_url.rpartition("://")[2].rpartition(":")
        return QdrantClient(
            host=host,
            grpc_port=int(port),
            prefer_grpc=True,
            https=self.server.grpc_url.startswith("https:"),
            headers={"api-key": self.server.api_key} if self.server.api_key else None,
            check_compatibility=False,
        )

    def read_back(self, spec: Qdrant, shape: Shape) -> NaturalRows | None:
        with closing(self.client()) as client:
            return read_collection(client, spec.collection_name, shape)

    def foreign_resource(self, spec: Qdrant, shape: Shape, rows: NaturalRows) -> None:
        with closing(self.client()) as client:
            fill_by_hand(client, spec.collection_name, rows)

    def bad_row(self, spec: Qdrant) -> tuple[Any, dict[str, Any]]:
        if self.server.engine is None:
            pytest.skip("your server has no rules of ours")
        return "bad", {"text": self.server.engine.forbidden, "size": 1}

    def lose_connections(self, spec: Qdrant) -> None:
        if self.server.disconnect is None:
            pytest.skip("your server's connections are not cut")
        self.server.disconnect()


@pytest.mark.second_form
class TestRest(TargetSuite):
    abilities: ClassVar[Any] = ABILITIES

    @pytest.fixture
    def spec(self, own_server: Server, collection: str) -> Qdrant:
        self.server = own_server
        connection = QdrantConnection(url=own_server.url, api_key=own_server.api_key)
        return Qdrant(collection_name=collection, connection=entry(connection))

    def secrets(self, spec: Any) -> Iterable[str]:
        return [self.server.api_key or ""]

    def read_back(self, spec: Qdrant, shape: Shape) -> NaturalRows | None:
        with closing(self.client()) as client:
            return read_collection(client, spec.collection_name, shape)

    def client(self) -> QdrantClient:
        return QdrantClient(
            url=self.server.url,
            headers={"api-key": self.server.api_key or ""},
            check_compatibility=False,
        )

    def foreign_resource(self, spec: Qdrant, shape: Shape, rows: NaturalRows) -> None:
        with closing(self.client()) as client:
            fill_by_hand(client, spec.collection_name, rows)

    def bad_row(self, spec: Qdrant) -> tuple[Any, dict[str, Any]]:
        if self.server.engine is None:
            pytest.skip("your server has no rules of ours")
        return "bad", {"text": self.server.engine.forbidden, "size": 1}

    def lose_connections(self, spec: Qdrant) -> None:
        if self.server.disconnect is None:
            pytest.skip("your server's connections are not cut")
        self.server.disconnect()


ROUNDED = KnownFailure(
    AssertionError, "the local mode divides vectors of unit length by it again, which alters their last bits"
)


@pytest.mark.second_form
class TestLocalMode(TargetSuite):
    abilities: ClassVar[Any] = claim(
        ALL_TARGET_ABILITIES,
        {
            **EXCEPTIONS,
            "reconnect": UNSUPPORTED("there are no connections"),
            "bad_row": UNSUPPORTED("all texts and numbers are taken"),
            "crash.killed": UNSUPPORTED("what is in memory ends with its process"),
            "concurrent_processes": UNSUPPORTED("no other process sees this memory"),
        },
    )
    known_failures: ClassVar[Any] = {
        f"test_values[value {name}]": ROUNDED
        for name in ("Vector[Float32, 3]", "Vector[Float64, 3]", "Vector[Vector[Float32, 2]]")
    }

    @pytest.fixture
    def spec(self, collection: str) -> Iterator[Qdrant]:
        connection = QdrantConnection(location=":memory:")  # a folder waits for the disk with each point
        yield Qdrant(collection_name=collection, connection=entry(connection))
        with self.client() as client:
            client.delete_collection(collection)

    def secrets(self, spec: Any) -> Iterable[str]:
        return ["there is no secret"]

    def read_back(self, spec: Qdrant, shape: Shape) -> NaturalRows | None:
        with self.client() as client:
            return read_collection(client, spec.collection_name, shape)

    def foreign_resource(self, spec: Qdrant, shape: Shape, rows: NaturalRows) -> None:
        with self.client() as client:
            fill_by_hand(client, spec.collection_name, rows)

    @contextmanager
    def client(self) -> Iterator[QdrantClient]:
        """What is in memory is there for one client only."""
        from coco_target_qdrant.client_wire import _Local

        try:
            yield _Local.lease(":memory:")
        finally:
            _Local.give_back(":memory:")
