"""Collections made, changed and dropped; what is refused while a flow is defined."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from qdrant_test_support import FLOATS2, MULTI, TEXT, VECTOR, Export, field, packed, vector_of

import coco
from coco import op
from coco.errors import DefinitionError, DriftError, TargetError
from coco.index import (
    FtsIndexDef,
    HnswVectorIndexMethod,
    IndexOptions,
    IvfFlatVectorIndexMethod,
    VectorIndexDef,
    VectorSimilarityMetric,
)
from coco_target_qdrant.spec import Qdrant, QdrantConnection, QdrantConnector

if TYPE_CHECKING:
    from qdrant_test_server import Engine, Server

COSINE = VectorSimilarityMetric.COSINE_SIMILARITY


def hnsw(m: int | None = None, ef: int | None = None) -> VectorIndexDef:
    return VectorIndexDef("vector", COSINE, HnswVectorIndexMethod(m, ef))


@pytest.fixture
def engine(own_server: Server) -> Engine:
    assert own_server.engine is not None
    return own_server.engine


def compatibility(desired: Export, existing: Export) -> str:
    return QdrantConnector.check_state_compatibility(desired.state, existing.state).name


def test_a_collection_has_named_vectors(own_server: Server, engine: Engine, collection: str) -> None:
    index = [hnsw(16, 200)]
    made = Export(own_server, collection, values=[TEXT, VECTOR, MULTI], vectors=index)
    made.set_up()
    assert engine.shard(collection).vectors == {
        "vector": {"size": 2, "distance": "Cosine", "multi": False, "hnsw": {"m": 16, "ef_construct": 200}},
        "many": {"size": 2, "distance": "Cosine", "multi": True, "hnsw": {}},
    }
    engine.calls.clear()
    made.set_up(made.state)
    assert engine.calls == ["Get"]
    made.drop()
    made.drop()
    assert not engine.has(collection)


def test_hnsw_parameters_change_in_place(own_server: Server, engine: Engine, collection: str) -> None:
    before = Export(own_server, collection, vectors=[hnsw(16)])
    after = Export(own_server, collection, vectors=[hnsw(32, 128)])
    before.set_up()
    before.write({("a",): ("one", packed(1, 2))})
    assert compatibility(after, before) == "COMPATIBLE"
    after.set_up(before.state)
    assert engine.shard(collection).vectors["vector"]["hnsw"] == {"m": 32, "ef_construct": 128}
    assert engine.count(collection) == 1


def test_payload_indexes_are_added_and_removed(own_server: Server, engine: Engine, collection: str) -> None:
    values = [TEXT, field("size", "Int64"), field("tags", vector_of("Str")), VECTOR]
    before = Export(
        own_server, collection, values=values, payload_indexes={"text": "text", "tags": "keyword"}
    )
    after = Export(
        own_server, collection, values=values, payload_indexes={"text": "keyword", "size": "integer"}
    )
    before.set_up()
    before.write({("a",): ("one two", 1, ("x", "y"), None)})
    engine.index(collection, "mine", "keyword")
    assert engine.shard(collection).indexes == {"text": "text", "tags": "keyword", "mine": "keyword"}
    assert compatibility(after, before) == "COMPATIBLE"
    for _ in range(2):
        after.set_up(before.state)
        assert engine.shard(collection).indexes == {"text": "keyword", "size": "integer", "mine": "keyword"}
    assert engine.count(collection) == 1
    assert QdrantConnector.describe_change(before.key, before.state, after.state) == [
        "create integer index on payload field size",
        "create keyword index on payload field text",
        "drop keyword index on payload field tags",
        "drop text index on payload field text",
    ]


@pytest.mark.parametrize(
    ("values", "vectors", "answer"),
    [
        ([TEXT, VECTOR], [], "COMPATIBLE"),
        ([VECTOR, TEXT], [], "COMPATIBLE"),
        ([VECTOR], [], "PARTIALLY_COMPATIBLE"),
        ([TEXT, VECTOR, field("more", "Str")], [], "PARTIALLY_COMPATIBLE"),
        ([field("text", "Int64"), VECTOR], [], "PARTIALLY_COMPATIBLE"),
        ([TEXT], [], "NOT_COMPATIBLE"),
        ([TEXT, VECTOR, MULTI], [], "NOT_COMPATIBLE"),
        ([TEXT, field("vector", vector_of("Float32", 3))], [], "NOT_COMPATIBLE"),
        ([TEXT, field("vector", vector_of(FLOATS2))], [], "NOT_COMPATIBLE"),
        ([TEXT, VECTOR], [VectorIndexDef("vector", VectorSimilarityMetric.L2_DISTANCE)], "NOT_COMPATIBLE"),
        ([TEXT, VECTOR], [VectorIndexDef("vector", COSINE)], "COMPATIBLE"),
    ],
)
def test_what_a_change_costs(
    own_server: Server, collection: str, values: list[Any], vectors: list[VectorIndexDef], answer: str
) -> None:
    before = Export(own_server, collection)
    after = Export(own_server, collection, values=values, vectors=vectors)
    assert compatibility(after, before) == answer


def test_a_collection_that_was_changed_by_hand(own_server: Server, engine: Engine, collection: str) -> None:
    """Never dropped on the quiet."""
    made = Export(own_server, collection)
    engine.create(collection, {"vector": {"size": 3, "distance": "Dot"}})
    with pytest.raises(TargetError, match="not as coco made it: its vector 'vector' has 3 dimensions, Dot"):
        made.set_up(made.state)
    with pytest.raises(DriftError, match="needs a vector of 2 dimensions, and it has 3 dimensions"):
        made.open()
    engine.drop(collection)
    engine.create(collection, {"other": {"size": 3, "distance": "Dot"}})
    with pytest.raises(TargetError, match="it has no vector 'vector'"):
        made.set_up(made.state)
    with pytest.raises(DriftError, match="none of that name"):
        made.open()
    engine.drop(collection)
    with pytest.raises(DriftError, match="does not exist"):
        made.open()


def test_more_vectors_do_no_harm(own_server: Server, engine: Engine, collection: str) -> None:
    made = Export(own_server, collection)
    engine.create(
        collection, {"vector": {"size": 2, "distance": "Cosine"}, "mine": {"size": 3, "distance": "Dot"}}
    )
    made.set_up(made.state)
    made.write({("a",): ("one", packed(3, 4))})
    assert set(made.rows()) == {("a",)}


def test_an_answer_that_got_lost(own_server: Server, engine: Engine, collection: str) -> None:
    """The creation is tried again, and the collection is there."""
    made = Export(own_server, collection)
    engine.fail_after.extend(["UNAVAILABLE", "UNAVAILABLE"])  # of the look, and of the creation
    made.set_up()
    assert engine.has(collection)


def test_a_collection_that_fits_is_taken_over(own_server: Server, engine: Engine, collection: str) -> None:
    made = Export(own_server, collection)
    assert QdrantConnector.check_existing(made.key, made.state) is None
    engine.create(
        collection, {"vector": {"size": 2, "distance": "Cosine"}, "mine": {"size": 3, "distance": "Dot"}}
    )
    answer = QdrantConnector.check_existing(made.key, made.state)
    assert isinstance(answer, str) and "it is empty" in answer
    made.write({("a",): ("one", packed(3, 4))})
    answer = QdrantConnector.check_existing(made.key, made.state)
    assert isinstance(answer, op.Adoption) and "holds 1 points" in answer.note
    made.set_up()
    assert set(made.rows()) == {("a",)}


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({}, "its point 5 has no key"),
        ({"id": 7}, "its point 5 has no key"),
        ({"id": None}, "its point 5 has no key"),
        ({"id": "a"}, "its point 5 would have the id [0-9a-f-]{36} by its key"),
    ],
)
def test_points_with_other_keys_are_not_taken_over(
    own_server: Server, engine: Engine, collection: str, payload: dict[str, Any], complaint: str
) -> None:
    """Rows would stand beside them."""
    made = Export(own_server, collection)
    made.set_up()
    engine.upsert(collection, [(5, payload, {})])
    answer = QdrantConnector.check_existing(made.key, made.state)
    assert isinstance(answer, str)
    assert "exists already" in answer and re.search(complaint, answer)
    assert engine.count(collection) == 1


def test_other_vectors_are_not_taken_over(own_server: Server, engine: Engine, collection: str) -> None:
    made = Export(own_server, collection)
    engine.create(collection, {"vector": {"size": 3, "distance": "Dot"}})
    answer = QdrantConnector.check_existing(made.key, made.state)
    assert isinstance(answer, str) and "its vector 'vector' has 3 dimensions, Dot instead of" in answer


# -- definitions ----------------------------------------------------------------------------------
def refused(server: Server, complaint: str, **options: Any) -> None:
    name = options.pop("name", "c")
    with pytest.raises(DefinitionError, match=complaint):
        Export(server, name, **options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": ""}, "collection_name"),
        ({"name": "a/b"}, "collection_name"),
        ({"name": "x" * 201}, "collection_name"),
        ({"vectors": [VectorIndexDef("text", COSINE)]}, "vector index on text: the field has the type Str"),
        ({"vectors": [VectorIndexDef("vector", COSINE, IvfFlatVectorIndexMethod())]}, "HNSW"),
        ({"vectors": [hnsw(-1)]}, "m must be at least 0"),
        ({"vectors": [hnsw(16, 2)]}, "ef_construction must be at least 4"),
        ({"vectors": [hnsw(), hnsw(8)]}, "one metric"),
        ({"values": [field("vector", vector_of("Float32", 70_000))]}, "70000 dimensions"),
        ({"payload_indexes": {"nothing": "keyword"}}, "no such field"),
        ({"payload_indexes": {"text": "integer"}}, "use 'keyword' or"),
        ({"payload_indexes": {"text": "nonsense"}}, "does not fit"),
        ({"payload_indexes": {"vector": "float"}}, "is a vector"),
        ({"payload_indexes": {'"': "keyword"}, "values": [field('"', "Str")]}, "no path"),
    ],
)
def test_definitions_without_sense(own_server: Server, options: dict[str, Any], complaint: str) -> None:
    refused(own_server, complaint, **options)


def test_full_text_has_a_place_of_its_own(own_server: Server) -> None:
    made = Export(own_server, "c")
    options = IndexOptions(["id"], fts_indexes=[FtsIndexDef("text")])
    with pytest.raises(DefinitionError, match=r"payload_indexes=\{'text': 'text'\}"):
        QdrantConnector.validate(made.spec, *made.fields, options, [])


def test_a_password_in_the_address_does_not_show() -> None:
    connection = QdrantConnection(url="http://me:hunter2@host:6333", api_key="hunter3")
    assert repr(connection) == "QdrantConnection(url='http://me:***@host:6333')"
    assert repr(QdrantConnection(location=":memory:")) == "QdrantConnection(location=':memory:')"


def test_connections_that_do_not_last() -> None:
    transient: Any = coco.add_transient_auth_entry(QdrantConnection(grpc_url="http://x"))
    with pytest.raises(DefinitionError, match="across runs"):
        Qdrant(collection_name="c", connection=transient)
    with pytest.raises(DefinitionError, match="empty"):
        QdrantConnector.get_persistent_key(Qdrant(collection_name="c", connection=""), "rows")
    named = Qdrant(collection_name="c", connection="by its key")
    assert QdrantConnector.get_persistent_key(named, "rows").connection == "by its key"
    assert QdrantConnector.describe(QdrantConnector.get_persistent_key(named, "rows")) == (
        "collection c of Qdrant server 'by its key'"
    )
