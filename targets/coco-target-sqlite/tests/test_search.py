"""By vector, by words, by both."""

from __future__ import annotations

import datetime
import math
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sqlite_test_support import FLOATS2, Export, field, packed, scalar, sql, vector_of

from coco.errors import ClientError, TargetError
from coco.index import FtsIndexDef, VectorIndexDef, VectorSimilarityMetric
from coco_target_sqlite import vectors
from coco_target_sqlite.search import Hit, search

COSINE = VectorSimilarityMetric.COSINE_SIMILARITY
L2 = VectorSimilarityMetric.L2_DISTANCE
INNER = VectorSimilarityMetric.INNER_PRODUCT


@pytest.fixture(params=["numpy", "python"], autouse=True)
def scorer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with NumPy and without it."""
    if request.param == "numpy":
        pytest.importorskip("numpy")
    else:
        monkeypatch.setattr(vectors, "numpy_if_there", lambda: None)


def make(path: Path, metric: VectorSimilarityMetric = COSINE) -> Export:
    export = Export(
        path,
        [field("name", "Str")],
        [field("text", "Str", nullable=True), field("kind", "Str"), field("v", FLOATS2)],
        [VectorIndexDef("v", metric)],
        [FtsIndexDef("text")],
        "Demo__animals",
    )
    export.set_up()
    export.write(
        {
            ("cat",): ("a small cat purrs", "pet", packed(1, 0)),
            ("lion",): ("a big cat roars and roars", "wild", packed(3, 1)),
            ("dog",): ("a small dog barks", "pet", packed(0, 2)),
            ("wolf",): ("howls at night", "wild", packed(-1, 2)),
            ("ghost",): (None, "none", packed(0, 0)),
        }
    )
    return export


def names(hits: list[Hit]) -> list[str]:
    return [hit["name"] for hit in hits]


def test_by_vector(tmp_path: Path) -> None:
    make(tmp_path / "a.db")
    hits = search(tmp_path / "a.db", "Demo__animals", vector=[2, 0], limit=3)
    assert names(hits) == ["cat", "lion", "dog"]
    assert hits[0].score == pytest.approx(1.0)
    assert hits[1].score == pytest.approx(3 / math.sqrt(10))
    assert hits[1].vector_score == hits[1].score
    assert hits[1].text_score is None
    everything = search(tmp_path / "a.db", "animals", vector=[2, 0], limit=99)
    assert len(everything) == 5


@pytest.mark.parametrize(
    ("metric", "order", "best"),
    [
        (COSINE, ["lion", "cat", "dog", "wolf", "ghost"], 7 / math.sqrt(50)),
        (L2, ["cat", "ghost", "lion", "dog", "wolf"], -1.0),
        (INNER, ["lion", "cat", "dog", "wolf", "ghost"], 7.0),
    ],
)
def test_metrics(tmp_path: Path, metric: VectorSimilarityMetric, order: list[str], best: float) -> None:
    make(tmp_path / "a.db", metric)
    hits = search(tmp_path / "a.db", "animals", vector=[2, 1] if metric is not L2 else [1, -1])
    assert names(hits) == order
    assert hits[0].score == pytest.approx(best)
    by_request = search(tmp_path / "a.db", "animals", vector=[2, 1], vector_field="v", metric=INNER)
    assert by_request[0].score == pytest.approx(7.0)


def test_by_text(tmp_path: Path) -> None:
    make(tmp_path / "a.db")
    hits = search(tmp_path / "a.db", "animals", text="roars small")
    assert names(hits)[0] == "lion"
    assert set(names(hits)) == {"cat", "lion", "dog"}
    assert all(hit.score > 0 for hit in hits)
    assert names(search(tmp_path / "a.db", "animals", text="small CAT", match_all=True)) == ["cat"]
    assert search(tmp_path / "a.db", "animals", text="  ") == []
    assert search(tmp_path / "a.db", "animals", text="elephant") == []


def test_by_both(tmp_path: Path) -> None:
    make(tmp_path / "a.db")
    hits = search(tmp_path / "a.db", "animals", vector=[0, 1], text="small dog", limit=2)
    assert names(hits)[0] == "dog"
    assert hits[0].score == pytest.approx(2 / 61)
    assert hits[0].vector_score == pytest.approx(1.0)
    assert hits[0].text_score is not None
    assert len(hits) == 2
    only_vector = search(tmp_path / "a.db", "animals", vector=[0, 1], text="zebra")
    assert names(only_vector)[0] == "dog"
    assert only_vector[0].score == pytest.approx(1 / 61)


def test_conditions(tmp_path: Path) -> None:
    make(tmp_path / "a.db")
    path = tmp_path / "a.db"
    request: dict[str, Any] = {"where": "kind = ? OR name = ?", "parameters": ["wild", "dog"]}
    assert set(names(search(path, "animals", vector=[1, 0], **request))) == {"lion", "wolf", "dog"}
    assert names(search(path, "animals", text="cat dog", **request, match_all=False)) in (
        ["lion", "dog"],
        ["dog", "lion"],
    )
    assert set(names(search(path, "animals", vector=[1, 0], text="cat", **request))) == {
        "lion",
        "wolf",
        "dog",
    }
    assert search(path, "animals", text="cat", where="text LIKE '%purrs%'")[0]["name"] == "cat"
    with pytest.raises(TargetError, match="no such column"):
        search(path, "animals", text="cat", where="nonsense = 1")


def test_rows_are_typed(tmp_path: Path) -> None:
    export = Export(
        tmp_path / "a.db",
        [field("id", "Uuid")],
        [
            field("day", "Date"),
            field("data", "Json"),
            field("text", "Str"),
            field("none", "Int64", nullable=True),
        ],
        (),
        [FtsIndexDef("text")],
    )
    export.set_up()
    export.write({(bytes(16),): (738_945, '{"a":[1]}', "hello", None)})
    (hit,) = search(tmp_path / "a.db", "t", text="hello")
    assert dict(hit) == {
        "id": uuid.UUID(int=0),
        "day": datetime.date(2024, 2, 29),
        "data": {"a": [1]},
        "text": "hello",
        "none": None,
    }
    (hit,) = search(tmp_path / "a.db", "t", text="hello", fields=["day"])
    assert dict(hit) == {"day": datetime.date(2024, 2, 29)}
    assert len(hit) == 1


def test_several_indexes(tmp_path: Path) -> None:
    export = Export(
        tmp_path / "a.db",
        [field("k", "Int64")],
        [
            field("title", "Str"),
            field("body", "Str"),
            field("small", vector_of(scalar("Float64"), 1)),
            field("whole", vector_of(scalar("Int64"), 3)),
        ],
        [VectorIndexDef("small", INNER), VectorIndexDef("whole", L2)],
        [FtsIndexDef("title"), FtsIndexDef("body", {"tokenize": "porter", "prefix": "2 3"})],
    )
    export.set_up()
    export.write(
        {
            (1,): ("runs", "walks", struct.pack("<d", 1.5), struct.pack("<3q", 1, 2, 3)),
            (2,): ("walks", "runs", struct.pack("<d", -1.5), struct.pack("<3q", 5, 5, 2**40)),
        }
    )
    path = tmp_path / "a.db"
    assert [h["k"] for h in search(path, "t", text="run", text_field="body")] == [2]
    assert search(path, "t", text="run", text_field="title") == []
    assert [h["k"] for h in search(path, "t", vector=[1.0], vector_field="small")] == [1, 2]
    assert [h["k"] for h in search(path, "t", vector=[5, 5, 2**40], vector_field="whole")] == [2, 1]
    for request in ({"text": "run"}, {"vector": [1.0]}):
        with pytest.raises(ClientError, match="name one with"):
            search(path, "t", **request)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({}, "give vector="),
        ({"text": "x", "limit": 0}, "limit"),
        ({"vector": [1]}, "1 numbers"),
        ({"vector": "ab"}, "must be numbers"),
        ({"vector": [1, math.nan]}, "must be finite numbers, got nan"),
        ({"vector": [10**400, 1]}, "must be numbers"),
        ({"text": 3}, "must be str"),
        ({"text": "x", "text_field": "kind"}, "no full-text index on 'kind'"),
        ({"vector": [1, 1], "vector_field": "text"}, "no vector"),
        ({"text": "x", "fields": ["none"]}, "no fields none"),
        ({"text": "x", "parameters": [1]}, "without where"),
    ],
)
def test_requests_without_sense(tmp_path: Path, request_: dict[str, Any], complaint: str) -> None:
    make(tmp_path / "a.db")
    with pytest.raises(ClientError, match=complaint):
        search(tmp_path / "a.db", "animals", **request_)


def test_places_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not exist"):
        search(tmp_path / "none.db", "t", text="x")
    export = make(tmp_path / "a.db")
    sql(export.path, "CREATE TABLE mine(a)")
    with pytest.raises(TargetError, match="not set up by coco"):
        search(export.path, "mine", text="x")
    with pytest.raises(ClientError, match="Demo__animals"):
        search(export.path, "plants", text="x")
    other = Export(export.path, export.key, export.values, table="Other__animals")
    other.set_up()
    with pytest.raises(ClientError, match="several tables"):
        search(export.path, "animals", text="x")


@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(
    text=st.text(max_size=40)
    | st.lists(st.sampled_from(list('"*^:()-+AND OR NOT NEAR\0 col{}')), max_size=20).map("".join)
)
def test_no_text_is_a_syntax_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "syntax.db"
    if not path.exists():
        make(path)
    text = text.encode("utf-8", "replace").decode()
    for every in (False, True):
        assert isinstance(search(path, "animals", text=text, match_all=every), list)


def test_many_words(tmp_path: Path) -> None:
    make(tmp_path / "a.db")
    text = " ".join(f"word{n}" for n in range(5_000)) + " purrs"
    assert names(search(tmp_path / "a.db", "animals", text=text)) == ["cat"]


class FewRows:
    """A cursor that gives few rows at a time."""

    def __init__(self, block: list[tuple[int, bytes]]) -> None:
        self.left = block

    def fetchmany(self, count: int) -> list[tuple[int, bytes]]:
        part, self.left = self.left[:7], self.left[7:]
        return part


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32)), min_size=1, max_size=40),
    query=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    metric=st.sampled_from(list(VectorSimilarityMetric)),
    limit=st.integers(1, 6),
)
def test_the_nearest_are_the_nearest(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, float]],
    query: tuple[int, int],
    metric: VectorSimilarityMetric,
    limit: int,
) -> None:
    """In blocks of few rows, against the definition."""

    def score(vector: tuple[float, float]) -> float:
        if metric is L2:
            return -math.dist(vector, query)
        product = vector[0] * query[0] + vector[1] * query[1]
        if metric is INNER:
            return product
        lengths = math.hypot(*vector) * math.hypot(*query)
        return product / lengths if lengths else 0.0

    block = [(n, packed(*vector)) for n, vector in enumerate(rows)]
    found = vectors.nearest(FewRows(block), list(query), "f", metric, limit)  # type: ignore[arg-type]
    wanted = sorted((score(vector) for vector in rows), reverse=True)[:limit]
    assert [value for _, value in found] == pytest.approx(wanted, abs=1e-5)
    assert [score(rows[n]) for n, _ in found] == pytest.approx(wanted, abs=1e-5)


def test_vectors_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    export = make(tmp_path / "a.db", INNER)
    export.write({("nan",): ("x", "y", packed(math.nan, 1))})
    sql(
        export.path,
        "INSERT INTO Demo__animals(name, v) VALUES ('short', x'00'), ('text', '12345678'), ('no', NULL)",
    )
    assert len(search(export.path, "animals", vector=[1, 1], limit=99)) == 5
