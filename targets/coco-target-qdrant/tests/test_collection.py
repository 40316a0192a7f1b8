"""Points as the engine holds them: ids, vectors, payload; parts of rows; faults of the server and of rows."""

from __future__ import annotations

import math
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from qdrant_test_support import (
    ID,
    MULTI,
    VECTOR,
    Export,
    field,
    numbers,
    packed,
    points,
    vector_of,
)

from coco.errors import ApiError, CocoError, MutationError, TargetError, is_retriable
from coco.index import VectorIndexDef, VectorSimilarityMetric
from coco.kit.retry import RetryPolicy, Timing
from coco_target_qdrant import address, grpc_wire
from coco_target_qdrant import collection as collection_module
from coco_target_qdrant.ids import KeyIds
from coco_target_qdrant.spec import QdrantConnection

if TYPE_CHECKING:
    from qdrant_test_server import Engine, Server

DOT = VectorIndexDef("vector", VectorSimilarityMetric.INNER_PRODUCT)
L2 = VectorIndexDef("vector", VectorSimilarityMetric.L2_DISTANCE)


@pytest.fixture
def engine(own_server: Server) -> Engine:
    assert own_server.engine is not None
    own_server.engine.calls.clear()
    return own_server.engine


@pytest.fixture
def export(own_server: Server, collection: str) -> Export:
    made = Export(own_server, collection, vectors=[DOT])
    made.set_up()
    return made


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that nobody waits for."""
    waits: list[float] = []
    monkeypatch.setattr(address, "TIMING", Timing(sleep=waits.append))
    return waits


def id_of(key: str) -> object:
    return KeyIds([ID]).id_of((key,))


# -- points ---------------------------------------------------------------------------------------
def test_a_row_is_a_point(export: Export, engine: Engine, collection: str) -> None:
    export.write({("a.md",): ("one", packed(3, 4)), ("b.md",): (None, None)})
    assert points(engine, collection) == {
        id_of("a.md"): ({"id": "a.md", "text": "one"}, {"vector": [3, 4]}),
        id_of("b.md"): ({"id": "b.md", "text": None}, {}),
    }
    assert export.rows() == {("a.md",): ("one", packed(3, 4)), ("b.md",): (None, None)}


@pytest.mark.parametrize(
    ("index", "stored", "nearest"),
    [
        ([], [0.6, 0.8], "same direction"),
        ([L2], [3, 4], "near"),
        ([DOT], [3, 4], "long"),
    ],
)
def test_metrics(
    own_server: Server,
    engine: Engine,
    collection: str,
    index: list[VectorIndexDef],
    stored: list[float],
    nearest: str,
) -> None:
    export = Export(own_server, collection, vectors=index)
    export.set_up()
    rows = {"near": (2.9, 4.2), "same direction": (30, 40), "long": (100, 10), "other": (3, 4)}
    export.write({(name,): (None, packed(*parts)) for name, parts in rows.items()})
    held = points(engine, collection)[id_of("other")][1]["vector"]
    assert held == pytest.approx(stored)
    export.write(deletes=[("other",)])
    (best,) = engine.nearest(collection, [3.0, 4.0], "vector", 1)
    assert best[2]["id"] == nearest


def test_multi_vectors(own_server: Server, engine: Engine, collection: str) -> None:
    export = Export(own_server, collection, values=[MULTI])
    export.set_up()
    rows: dict[tuple[object, ...], tuple[object, ...]] = {
        ("two",): ((packed(1, 0), packed(0, 1)),),
        ("one",): ((packed(0, 1),),),
        ("empty",): ((),),
        ("null",): (None,),
    }
    export.write(rows)
    assert points(engine, collection)[id_of("two")][1] == {"many": [[1, 0], [0, 1]]}
    assert points(engine, collection)[id_of("empty")] == ({"id": "empty", "many": []}, {})
    assert export.rows() == rows
    best = engine.nearest(collection, [[1.0, 0.0], [0.0, 1.0]], "many", 2)
    assert [(payload["id"], score) for _, score, payload in best] == [("two", 2.0), ("one", 1.0)]
    export.write({("empty",): ((packed(1, 0),),), ("two",): ((),)}, changed=[(0,), (0,)])
    assert points(engine, collection)[id_of("empty")] == ({"id": "empty"}, {"many": [[1, 0]]})
    assert points(engine, collection)[id_of("two")] == ({"id": "two", "many": []}, {})


def test_integers_keep_their_digits(own_server: Server, engine: Engine, collection: str) -> None:
    export = Export(own_server, collection, values=[field("v", vector_of("Int64", 2))])
    export.set_up()
    export.write({("a",): (packed(2**53 + 1, 0, code="q"),)})
    assert points(engine, collection)[id_of("a")] == ({"id": "a", "v": [2**53 + 1, 0]}, {"v": [1, 0]})
    assert export.rows() == {("a",): (packed(2**53 + 1, 0, code="q"),)}


def test_other_ids(own_server: Server, engine: Engine, collection: str) -> None:
    export = Export(own_server, collection, key=[field("n", "Int64", nullable=False)])
    export.set_up()
    export.write({(7,): ("one", None), (-7,): ("two", None)})
    assert {7} == {key for key in points(engine, collection) if isinstance(key, int)}
    export.write(deletes=[(7,), (-7,)])
    assert points(engine, collection) == {}


def test_field_names_that_look_like_paths(own_server: Server, collection: str) -> None:
    key = [field("a.b[]", "Str", nullable=False), field('say "x"', "Str", nullable=False)]
    export = Export(own_server, collection, key=key, payload_indexes={"a.b[]": "keyword"})
    export.set_up()
    export.write({("x", "y"): ("one", None)})
    assert export.rows() == {("x", "y"): ("one", None)}


def test_points_of_others(export: Export, engine: Engine, collection: str) -> None:
    export.write({("a",): ("one", packed(1, 2))})
    others: list[Any] = [(5, {"mine": True}, {}), (6, {"id": 7}, {}), (7, {"id": None}, {})]
    engine.upsert(collection, [*others, (id_of("b"), {"id": "c", "text": "moved"}, {})])
    with closing(export.open()) as opened:
        assert opened.count() == 5
        assert opened.read_rows([("a",), ("b",), ("c",)]) == {("a",): ("one", packed(1, 2))}
        assert sorted(key for part in opened.list_keys() for key in part) == [("a",), ("c",)]


def test_values_that_somebody_changed(own_server: Server, engine: Engine, collection: str) -> None:
    export = Export(own_server, collection, values=[field("day", "Date"), field("v", vector_of("Int64", 2))])
    export.set_up()
    export.write({("a",): (700_000, packed(1, 2, code="q"))})
    engine.upsert(collection, [(id_of("a"), {"id": "a", "day": "soon", "v": [1, 2]}, {})])
    assert export.rows() == {("a",): (collection_module.UNREADABLE, collection_module.UNREADABLE)}


# -- parts of rows --------------------------------------------------------------------------------
def test_a_payload_alone(export: Export, engine: Engine, collection: str) -> None:
    export.write({("a",): ("one", packed(1, 2)), ("b",): ("two", packed(3, 4))})
    engine.calls.clear()
    export.write({("a",): ("new", packed(1, 2)), ("b",): (None, packed(3, 4))}, changed=[(0,), (0,)])
    assert set(engine.calls) == {"Get", "UpdateBatch"}
    assert points(engine, collection) == {
        id_of("a"): ({"id": "a", "text": "new"}, {"vector": [1, 2]}),
        id_of("b"): ({"id": "b", "text": None}, {"vector": [3, 4]}),
    }


def test_a_vector_alone(export: Export, engine: Engine, collection: str) -> None:
    export.write({("a",): ("one", packed(1, 2))})
    engine.calls.clear()
    export.write({("a",): ("one", packed(5, 6))}, changed=[(1,)])
    assert set(engine.calls) == {"Get", "UpdateVectors"}
    assert points(engine, collection) == {id_of("a"): ({"id": "a", "text": "one"}, {"vector": [5, 6]})}


def test_a_vector_that_becomes_null(export: Export, engine: Engine, collection: str) -> None:
    export.write({("a",): ("one", packed(1, 2))})
    export.write({("a",): ("one", None)}, changed=[(1,)])
    assert points(engine, collection) == {id_of("a"): ({"id": "a", "text": "one"}, {})}
    export.write({("a",): ("one", packed(1, 2))}, changed=[(1,)])
    assert points(engine, collection) == {id_of("a"): ({"id": "a", "text": "one"}, {"vector": [1, 2]})}


def test_partial_updates_of_missing_points(export: Export, engine: Engine, collection: str) -> None:
    """Somebody deleted them: the row is written whole."""
    export.write({("a",): ("one", packed(1, 2)), ("b",): ("two", packed(3, 4))})
    engine.delete(collection, [id_of("a")])
    export.write({("a",): ("new", packed(1, 2)), ("b",): ("new", packed(3, 4))}, changed=[(0,), (0,)])
    export.write({("a",): ("new", packed(9, 9)), ("c",): ("c", packed(1, 1))}, changed=[(1,), (1,)])
    assert export.rows() == {
        ("a",): ("new", packed(9, 9)),
        ("b",): ("new", packed(3, 4)),
        ("c",): ("c", packed(1, 1)),
    }


# -- rows without a form --------------------------------------------------------------------------
def test_a_bad_row_fails_alone(export: Export) -> None:
    rows = {
        ("a",): ("one", packed(1, 2)),
        ("b",): ("two", packed(1, math.nan)),
        ("c",): ("three", packed(5, 6)),
    }
    with pytest.raises(MutationError) as caught:
        export.write(rows, deletes=[("x",)])
    assert set(caught.value.failed_keys) == {("b",)}
    assert "cannot be compared" in caught.value.failed_keys["b",]
    assert set(export.rows()) == {("a",), ("c",)}


@pytest.mark.parametrize("metric", [[], [DOT]])
def test_a_vector_of_another_size_fails_alone(
    own_server: Server, collection: str, metric: list[VectorIndexDef]
) -> None:
    """Also if the numbers of all rows together would do."""
    export = Export(own_server, collection, values=[VECTOR, MULTI], vectors=metric)
    export.set_up()
    rows: dict[tuple[object, ...], tuple[object, ...]] = {
        ("short",): (packed(1), None),
        ("long",): (packed(1, 2, 3), None),
        ("many",): (None, (packed(1), packed(1, 2, 3))),
        ("good",): (packed(0, 1), (packed(1, 0), packed(0, 1))),
    }
    with pytest.raises(MutationError) as caught:
        export.write(rows)
    assert caught.value.failed_keys == {
        ("short",): "ValueError: a vector of 1 numbers where 2 are needed",
        ("long",): "ValueError: a vector of 3 numbers where 2 are needed",
        ("many",): "ValueError: a vector of 1 numbers where 2 are needed",
    }
    assert export.rows() == {("good",): rows["good",]}


def test_what_the_server_refuses_is_not_tried_again(
    own_server: Server, export: Export, patience: list[float]
) -> None:
    """The engine halves a batch after such an error; after one that passes it does not."""
    own_server.engine.fail_next = []  # type: ignore[union-attr]
    with closing(export.open()) as opened:
        own_server.engine.fail_next = ["INVALID_ARGUMENT"]  # type: ignore[union-attr]
        with pytest.raises(CocoError, match="INVALID_ARGUMENT") as caught:
            opened.mutate(export.batch({("a",): ("one", None)}))
    assert not is_retriable(caught.value)
    assert patience == []


# -- requests -------------------------------------------------------------------------------------
def test_requests_are_bounded(export: Export, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_module, "MAX_POINTS", 10)
    monkeypatch.setattr(collection_module, "MAX_IDS", 20)
    rows = {(str(n),): (f"text {n}", packed(n, 1)) for n in range(35)}
    export.write(rows)
    assert engine.calls.count("Upsert") == 4
    assert export.rows() == rows
    engine.calls.clear()
    monkeypatch.setattr(collection_module, "MAX_BYTES", 300)
    export.write({("0",): ("x" * 200, None), ("1",): ("y" * 200, None)}, deletes=list(rows)[2:])
    assert (engine.calls.count("Upsert"), engine.calls.count("Delete")) == (2, 2)
    assert set(export.rows()) == {("0",), ("1",)}


def test_deletions_come_after_upserts(export: Export, engine: Engine) -> None:
    export.write({("a",): ("one", None)})
    engine.calls.clear()
    export.write({("b",): ("one", None)}, deletes=[("a",)])
    assert engine.calls == ["Get", "Upsert", "Delete"]


@pytest.mark.parametrize("fault", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"])
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_transient_faults_are_retried(
    export: Export, engine: Engine, patience: list[float], fault: str, lost: str
) -> None:
    with closing(export.open()) as opened:
        (engine.fail_next if lost == "request" else engine.fail_after).extend([fault, fault])
        opened.mutate(export.batch({("a",): ("one", packed(1, 2)), ("b",): ("two", None)}))
        engine.fail_next.append(fault)
        opened.mutate(export.batch(deletes=[("b",)]))
    assert len(patience) == 3
    assert export.rows() == {("a",): ("one", packed(1, 2))}


def test_a_server_that_stays_away(
    export: Export, engine: Engine, patience: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "DEFAULT", RetryPolicy(max_attempts=3))
    opened = export.open()
    engine.fail_next.extend(["UNAVAILABLE"] * 3)
    object.__setattr__(opened._wire._address, "policy", RetryPolicy(max_attempts=3))  # type: ignore[attr-defined]
    with closing(opened), pytest.raises(TargetError, match="UNAVAILABLE") as caught:
        opened.mutate(export.batch({("a",): ("one", None)}))
    assert is_retriable(caught.value)  # the engine asks this target no more in this run
    assert len(patience) == 2


def test_later_requests_are_made_while_the_first_is_under_way(
    export: Export, engine: Engine, monkeypatch: pytest.MonkeyPatch, patience: list[float]
) -> None:
    """A fault in the middle of a pipeline loses nothing."""
    monkeypatch.setattr(collection_module, "MAX_POINTS", 5)
    assert grpc_wire.IN_FLIGHT > 1
    rows = {(str(n),): (f"text {n}", packed(n, 1)) for n in range(50)}
    with closing(export.open()) as opened:
        engine.fail_next.extend(["UNAVAILABLE"] * 3)
        opened.mutate(export.batch(rows))
    assert export.rows() == rows


# -- addresses and secrets ------------------------------------------------------------------------
SECRET = "key-that-nobody-may-see"


@pytest.mark.parametrize("way", ["grpc_url", "url"])
def test_a_wrong_api_key_is_reported_without_showing_it(
    own_server: Server, collection: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = own_server.grpc_url if way == "grpc_url" else own_server.url
    export = Export(QdrantConnection(api_key=SECRET, **{way: place}), collection)
    with pytest.raises(ApiError, match="check the API key") as caught:
        export.set_up()
    assert caught.value.status == 401
    shown = [
        str(caught.value),
        repr(caught.value.__cause__),
        repr(export.spec),
        repr(export.key),
        caplog.text,
    ]
    shown += [
        repr(QdrantConnection(grpc_url="http://x", api_key=SECRET)),
        *getattr(caught.value, "__notes__", ()),
    ]
    error: BaseException | None = caught.value
    while error is not None and not error.__suppress_context__:
        shown.append(repr(error))
        error = error.__context__
    assert not any(SECRET in text for text in shown)


@pytest.mark.parametrize("way", ["grpc_url", "url"])
def test_no_server_answers(
    collection: str, way: str, patience: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coco_target_qdrant.setup.FIRST_CONTACT", RetryPolicy(max_attempts=2))
    export = Export(QdrantConnection(api_key=SECRET, **{way: "http://127.0.0.1:1"}), collection)
    with pytest.raises(TargetError, match=r"Qdrant at 127\.0\.0\.1:1:") as caught:
        export.set_up()
    assert len(patience) == 1
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("connection", "way", "url"),
    [
        (QdrantConnection(grpc_url="http://localhost:6334/"), "grpc", "http://localhost:6334"),
        (QdrantConnection(grpc_url="https://x.example"), "grpc", "https://x.example:6334"),
        (QdrantConnection(grpc_url="localhost"), "grpc", "http://localhost:6334"),
        (QdrantConnection(grpc_url="http://[::1]:7000"), "grpc", "http://[::1]:7000"),
        (QdrantConnection(url="https://x.example/qdrant/"), "rest", "https://x.example:6333/qdrant"),
    ],
)
def test_addresses(connection: QdrantConnection, way: str, url: str) -> None:
    found = address.understood(connection, "test")
    assert (found.way, found.url) == (way, url)


@pytest.mark.parametrize(
    ("connection", "complaint"),
    [
        (QdrantConnection(), "exactly one"),
        (QdrantConnection(grpc_url="http://x", url="http://y"), "exactly one"),
        (QdrantConnection(grpc_url="ftp://x"), "cannot be understood"),
        (QdrantConnection(grpc_url=f"http://user:{SECRET}@x"), "cannot be understood"),
        (QdrantConnection(url=f"http://x?key={SECRET}"), "cannot be understood"),
        (QdrantConnection(grpc_url=f"http://x:{SECRET}"), "cannot be understood"),
        (QdrantConnection(grpc_url="http://x/path"), "has no path"),
        (QdrantConnection(grpc_url=""), "cannot be understood"),
    ],
)
def test_addresses_without_sense(connection: QdrantConnection, complaint: str) -> None:
    with pytest.raises(CocoError, match=complaint) as caught:
        address.understood(connection, "test")
    assert SECRET not in str(caught.value)


def test_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address.address_of(None, "test").url == "http://localhost:6334"
    monkeypatch.setenv("QDRANT_URL", "https://x.example")
    monkeypatch.setenv("QDRANT_API_KEY", SECRET)
    found = address.address_of(None, "test")
    assert (found.way, found.url, found.api_key) == ("grpc", "https://x.example:6334", SECRET)
    monkeypatch.setenv("QDRANT_URL", "http://localhost:6333")
    assert address.address_of(None, "test").way == "rest"


def test_a_key_without_encryption_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    address.understood(QdrantConnection(grpc_url="http://127.0.0.1", api_key=SECRET), "test")
    assert caplog.text == ""
    address.understood(QdrantConnection(grpc_url="http://x.example", api_key=SECRET), "test")
    assert "without encryption" in caplog.text and SECRET not in caplog.text


def test_an_entry_that_is_missing(own_server: Server) -> None:
    with pytest.raises(CocoError, match="is not registered"):
        address.address_of(f"missing {uuid.uuid4()}", "test")


def test_floats_cross_the_wire_as_bytes() -> None:
    for size in (1, 2, 31, 32, 33, 4_096, 65_536):
        data = packed(*range(size))
        message = grpc_wire._dense(data)
        assert list(message.data) == numbers(data)
        assert grpc_wire._packed(message) == data
