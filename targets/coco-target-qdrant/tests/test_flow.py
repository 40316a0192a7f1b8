"""From local Markdown files to a collection: edits, deletions, renames, equal to from scratch each time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from qdrant_client import QdrantClient
from qdrant_test_support import points

import coco
import coco as cocoindex
from coco import op
from coco.errors import CocoError, UnwrittenTargetError
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.index import VectorIndexDef, VectorSimilarityMetric
from coco.typing import Float32, Vector

if TYPE_CHECKING:
    from qdrant_test_server import Engine, Server

pytest.importorskip("coco_source_localfs", reason="needs the package coco-source-localfs")


class Paragraph(NamedTuple):
    text: str
    line: int


@op.function(behavior_version=1)
def qdrant_paragraphs(text: str) -> dict[int, Paragraph]:
    return {number: Paragraph(part, number) for number, part in enumerate(text.split("\n\n")) if part}


@op.function(cache=True, behavior_version=1)
def qdrant_letters(text: str) -> Vector[Float32, Literal[3]]:
    return [1.0 + text.count("a"), 1.0 + text.count("e"), float(len(text))]


@op.function(cache=True, behavior_version=1)
def qdrant_words(text: str) -> Vector[Vector[Float32, Literal[2]]]:
    return [[float(len(word)), 1.0] for word in text.split()]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for name, text in {
        "one.md": "# One\n\nfirst paragraph\n\nsecond paragraph",
        "two.md": "# Two\n\nanother one",
        "sub/größe.md": "# Größe\n\ndritte Seite",
    }.items():
        put(folder / name, text)
    return folder


class Clock:
    """Files are never as young as to be read twice."""

    now = 1_600_000_000


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    Clock.now += 10
    os.utime(path, (Clock.now, Clock.now))


@pytest.fixture
def engine(own_server: Server) -> Engine:
    assert own_server.engine is not None
    return own_server.engine


@pytest.fixture
def connection(own_server: Server) -> Any:
    entry = cocoindex.targets.Qdrant.__annotations__  # the plugin is loaded by its name
    assert entry
    from coco_target_qdrant.spec import QdrantConnection

    return cocoindex.add_auth_entry(
        "qdrant_flow",
        QdrantConnection(grpc_url=own_server.grpc_url, api_key=own_server.api_key),
        replace=True,
    )


def make_flow(
    notes: Path,
    connection: Any,
    collection: str,
    name: str = "Notes",
    *,
    extra: Callable[[Any], dict[str, Any]] = lambda file: {},
    vectors: Sequence[VectorIndexDef] = (),
    setup_by_user: bool = False,
    **options: Any,
) -> cocoindex.Flow:
    """Redefines the flow, as an edited program would."""
    known = cocoindex.flows().get(name)
    if known is not None:
        known.close()

    def define(builder: cocoindex.FlowBuilder, scope: cocoindex.DataScope) -> None:
        scope["notes"] = builder.add_source(cocoindex.sources.LocalFile(path=str(notes)))
        rows = scope.add_collector()
        with scope["notes"].row() as file:
            file["parts"] = file["content"].transform(qdrant_paragraphs)
            with file["parts"].row() as part:
                part["embedding"] = part["text"].transform(qdrant_letters)
                part["words"] = part["text"].transform(qdrant_words)
                rows.collect(
                    filename=file["filename"],
                    line=part["line"],
                    text=part["text"],
                    embedding=part["embedding"],
                    words=part["words"],
                    **extra(file),
                )
        rows.export(
            "points",
            cocoindex.targets.Qdrant(collection_name=collection, connection=connection, **options),
            primary_key_fields=["filename", "line"],
            vector_indexes=list(vectors),
            setup_by_user=setup_by_user,
        )

    return cocoindex.open_flow(name, define)


def scratch(notes: Path, connection: Any, collection: str, engine: Engine, **options: Any) -> Any:
    """What an empty collection would hold after a first run."""
    flow = make_flow(notes, connection, collection + "_scratch", "Scratch", **options)
    flow.setup()
    assert not flow.update().has_errors
    found = points(engine, collection + "_scratch")
    flow.drop()
    assert not engine.has(collection + "_scratch")
    return found


class Work(NamedTuple):
    upserts: int
    partial: int
    deletes: int
    calls: int


def work(events: list[FlowEvent]) -> Work:
    """What was done since the last time."""
    writes = [event for event in events if isinstance(event, TargetMutated)]
    calls = [event.calls for event in events if isinstance(event, FunctionCalled) and "Letters" in event.op]
    events.clear()
    return Work(
        sum(event.upserts for event in writes),
        sum(event.partial for event in writes),
        sum(event.deletes for event in writes),
        sum(calls),
    )


def test_changes_lead_where_a_first_run_does(
    notes: Path, connection: Any, collection: str, engine: Engine, events: list[FlowEvent]
) -> None:
    flow = make_flow(notes, connection, collection)
    flow.setup()

    def step(*expected: int) -> None:
        assert not flow.update().has_errors
        assert work(events) == expected
        assert points(engine, collection) == scratch(notes, connection, collection, engine)
        assert flow.verify().ok
        events.clear()

    step(7, 0, 0, 7)
    step(0, 0, 0, 0)
    put(notes / "one.md", "# One\n\nfirst paragraph, edited\n\nsecond paragraph")
    step(1, 1, 0, 1)
    (notes / "two.md").unlink()
    step(0, 0, 2, 0)
    (notes / "sub" / "größe.md").rename(notes / "sub" / "other.md")
    step(2, 0, 2, 0)
    shutil.copy(notes / "one.md", notes / "copy.md")
    os.utime(notes / "copy.md", (1_500_000_000, 1_500_000_000))
    step(3, 0, 0, 0)
    put(notes / "one.md", "# One")
    step(0, 0, 2, 0)
    flow.drop()
    assert not engine.has(collection)


MARKS = {"ListCollectionAliases", "UpdateAliases"}
"""Calls about the mark of the run."""


def test_only_the_payload_is_written(
    notes: Path, connection: Any, collection: str, engine: Engine, events: list[FlowEvent]
) -> None:
    """An edit that leaves the vectors alone sends none."""
    flow = make_flow(notes, connection, collection)
    flow.setup()
    flow.update()
    work(events)
    engine.calls.clear()
    put(notes / "one.md", "# One\n\nlirst paragraph\n\nsecond paragraph")  # as long, with as many a and e
    flow.update()
    assert work(events)[:3] == (1, 1, 0)
    assert {"UpdateBatch"} <= set(engine.calls) <= {"Get", "UpdateBatch", "Count", *MARKS}
    assert points(engine, collection) == scratch(notes, connection, collection, engine)


def test_a_new_field_and_another_metric(
    notes: Path, connection: Any, collection: str, engine: Engine, events: list[FlowEvent]
) -> None:
    flow = make_flow(notes, connection, collection)
    flow.setup()
    flow.update()
    work(events)
    more: dict[str, Any] = {"extra": lambda file: {"whole": file["content"]}}
    metric: dict[str, Any] = {
        "vectors": [VectorIndexDef("embedding", VectorSimilarityMetric.L2_DISTANCE)],
        "payload_indexes": {"filename": "keyword"},
    }
    for options in (more, {}, metric, {**more, **metric}, {}):
        flow = make_flow(notes, connection, collection, **options)
        flow.setup(allow_destructive=True)
        assert not flow.update().has_errors
        assert work(events).calls == 0
        assert points(engine, collection) == scratch(notes, connection, collection, engine, **options)
        assert flow.verify().ok
        events.clear()


def test_drift_is_found_and_repaired(
    notes: Path, connection: Any, collection: str, engine: Engine, events: list[FlowEvent]
) -> None:
    flow = make_flow(notes, connection, collection)
    flow.setup()
    flow.update()
    before = points(engine, collection)
    first, second, third, *_ = before
    engine.delete(collection, [first])
    engine.overwrite(collection, [second], {**before[second][0], "text": "edited by hand"})
    engine.set_vectors(collection, [(third, {"embedding": [-1.0, 0.0, 0.0]})])
    report = flow.verify()
    assert [(len(item.missing), len(item.different)) for item in report.targets] == [(1, 2)]
    assert not report.ok
    work(events)
    flow.verify(repair=True)
    assert work(events).calls == 0
    assert flow.verify().ok
    assert points(engine, collection) == before


def test_a_killed_server_costs_one_update(
    notes: Path, connection: Any, collection: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coco.kit.retry import RetryPolicy
    from coco_target_qdrant import address
    from coco_target_qdrant import collection as collection_module

    flow = make_flow(notes, connection, collection)
    flow.setup()
    found = address.address_of

    def impatient(key: Any, wanted_by: str, policy: Any = None) -> Any:
        return found(key, wanted_by, RetryPolicy(max_attempts=1))

    monkeypatch.setattr(collection_module, "address_of", impatient)
    put(notes / "new.md", "new")
    engine.fail_after.extend(["UNAVAILABLE"] * 3)
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    engine.fail_after.clear()
    assert not flow.update().has_errors
    assert points(engine, collection) == scratch(notes, connection, collection, engine)


def test_the_key_is_nowhere(
    notes: Path,
    own_server: Server,
    connection: Any,
    collection: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flow = make_flow(notes, connection, collection)
    with caplog.at_level("DEBUG"):
        flow.setup()
        flow.update()
        coco.stop()
    secret = own_server.api_key
    assert secret is not None
    assert secret not in caplog.text
    stored = [path.read_bytes() for path in tmp_path.glob("state.db*")]
    assert stored and not any(secret.encode() in data for data in stored)
    assert any(b"qdrant_flow" in data for data in stored)


def test_a_collection_of_the_user(
    notes: Path, connection: Any, own_server: Server, collection: str, engine: Engine
) -> None:
    flow = make_flow(notes, connection, collection, setup_by_user=True)
    flow.setup()
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    assert not engine.has(collection)
    engine.create(
        collection,
        {
            "embedding": {"size": 3, "distance": "Dot"},
            "words": {"size": 2, "distance": "Cosine", "multi": True},
        },
    )
    assert not flow.update().has_errors
    assert flow.verify().ok
    flow.drop()
    assert engine.count(collection) == 7
    with pytest.raises(CocoError, match="exists already"):
        make_flow(notes, connection, collection, "Other").setup()


def test_a_collection_of_a_lost_state_is_taken_over(
    notes: Path,
    connection: Any,
    collection: str,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = make_flow(notes, connection, collection)
    flow.setup()
    flow.update()
    before = points(engine, collection)
    flow.close()
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    flow = make_flow(notes, connection, collection)
    flow.setup()
    assert points(engine, collection) == before
    assert not flow.update().has_errors
    assert points(engine, collection) == before
    assert flow.verify().ok


def test_a_missing_collection_is_recreated(
    notes: Path, connection: Any, collection: str, engine: Engine
) -> None:
    flow = make_flow(notes, connection, collection)
    flow.setup()
    flow.update()
    before = points(engine, collection)
    engine.drop(collection)
    put(notes / "two.md", "# Two\n\nanother one, edited")
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    (target,) = flow.verify().targets
    assert "does not exist" in (target.problem or "") and "verify --repair" in (target.problem or "")
    flow.verify(repair=True)
    assert not flow.update().has_errors
    assert flow.verify().ok
    assert len(points(engine, collection)) == len(before)
    assert points(engine, collection) == scratch(notes, connection, collection, engine)


def test_local_mode_needs_no_server(notes: Path, tmp_path: Path, collection: str) -> None:
    from coco_target_qdrant.spec import QdrantConnection

    place = str(tmp_path / "local")
    entry = cocoindex.add_auth_entry(f"local {place}", QdrantConnection(location=place))
    flow = make_flow(notes, entry, collection)
    flow.setup()
    flow.update()
    (notes / "one.md").unlink()
    flow.update()
    assert flow.verify().ok
    coco.stop()
    with closing(QdrantClient(path=place)) as client:
        found, _ = client.scroll(collection, limit=100)
        assert {(item.payload or {})["filename"] for item in found} == {"two.md", "sub/größe.md"}
        best = client.query_points(collection, [1.0, 1.0, 5.0], using="embedding", limit=1).points
        assert len(best) == 1
