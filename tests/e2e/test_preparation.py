"""A ``prepare`` that fails costs what needs it and nothing else; where in the flow a failure arose is said."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from counted import seen, work_of
from memory_rows import WORLD, Entry, MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.engine import preparing
from coco.events import FlowEvent, RunFinished

DOWN: dict[str, Exception] = {}
"""Model name -> what its preparation raises."""

PREPARED: list[str] = []
"""Model names in the order in which preparation was tried."""


class PrepareTag(op.FunctionSpec):
    model: str


@op.executor_class(cache=True, behavior_version=1)
class PrepareTagExecutor:
    spec: PrepareTag

    async def prepare(self) -> None:
        PREPARED.append(self.spec.model)
        if self.spec.model in DOWN:
            raise DOWN[self.spec.model]

    def __call__(self, text: str) -> str:
        return f"{self.spec.model} {text}"


@dataclasses.dataclass
class Piece:
    text: str


@op.function(behavior_version=1)
def prepare_lines(text: str) -> dict[int, Piece]:
    return {at: Piece(line) for at, line in enumerate(text.splitlines())}


@op.function(behavior_version=1)
def prepare_line_words(text: str) -> dict[int, Piece]:
    return {at: Piece(word) for at, word in enumerate(text.split())}


@op.function(behavior_version=1)
def prepare_refuse(text: str) -> str:
    if text == "bad":
        raise ValueError("no such word")
    return text


@op.function(behavior_version=1)
def prepare_join(left: str, right: str) -> str:
    return f"{left}, {right}"


@pytest.fixture(autouse=True)
def nothing_down() -> Iterator[None]:
    DOWN.clear()
    PREPARED.clear()
    yield
    DOWN.clear()


def tagging(name: str = "Tags", **options: Any) -> coco.Flow:
    """``tagged`` needs the model "fine" and "docs" alike; ``plain`` needs none; ``others`` is another source's."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="prep"), **options)
        scope["others"] = builder.add_source(MemoryRows(name="more"))
        tagged, plain, others = (scope.add_collector() for _ in range(3))
        with scope["docs"].row() as doc:
            doc["tag"] = doc["content"].transform(PrepareTag(model="large"))
            tagged.collect(file=doc["_key"], said=doc["tag"])
            plain.collect(file=doc["_key"], said=doc["content"].transform(prepare_refuse))
        with scope["others"].row() as other:
            others.collect(file=other["_key"], said=other["content"].transform(PrepareTag(model="small")))
        for export, rows in (("tagged", tagged), ("plain", plain), ("others", others)):
            rows.export(export, RowTable(name=export), primary_key_fields=["file"])

    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


def said(name: str) -> dict[str, Any]:
    return {key[0]: row["said"] for key, row in TABLES[name].rows.items()}


def fill_all() -> None:
    fill("prep", {"a": "one", "b": "two"})
    fill("more", {"x": "three"})
    for name in ("tagged", "plain", "others"):
        table(name)


def test_a_failed_preparation_fails_only_its_rows(events: list[FlowEvent]) -> None:
    fill_all()
    flow = tagging()
    DOWN["large"] = ConnectionError("no answer from the model server")
    info = flow.update()
    assert info.has_errors
    assert (info["docs"].num_errors, info["docs"].num_insertions) == (2, 0)
    assert (info["others"].num_errors, info["others"].num_insertions) == (0, 1)
    assert (said("tagged"), said("plain")) == ({}, {"a": "one", "b": "two"})
    assert said("others") == {"x": "small three"}
    assert "PrepareTag" in work_of(events).calls, "the one that could be prepared"
    failed = flow.errors()
    assert [(item.key, item.phase, item.op) for item in failed] == [
        ("a", "prepare", "PrepareTag (docs.tag)"),
        ("b", "prepare", "PrepareTag (docs.tag)"),
    ]
    for text in ("flow 'Tags'", "each row of docs", "PrepareTag (docs.tag)", "ConnectionError: no answer"):
        assert text in failed[0].message
    assert PREPARED.count("large") == 1

    work_of(events)
    info = flow.update()
    assert (info["docs"].num_errors, info["others"].num_no_change) == (2, 1)
    assert PREPARED.count("large") == 2, "the next update tries again, once"
    assert work_of(events).upserts == 0

    DOWN.clear()
    info = flow.update()
    assert not info.has_errors
    assert said("tagged") == {"a": "large one", "b": "large two"}
    assert flow.errors() == []
    work_of(events)
    assert not flow.update().has_errors
    assert work_of(events).none and PREPARED.count("large") == 3


def test_other_exports_are_updated_while_one_fails() -> None:
    fill_all()
    flow = tagging()
    flow.update()
    flow.close()
    coco.stop()  # executors are prepared anew
    DOWN["large"] = ConnectionError("gone")
    flow = tagging()
    WORLD["prep"]["a"] = Entry("uno", 2)
    del WORLD["prep"]["b"]
    WORLD["prep"]["c"] = Entry("bad", 2)
    info = flow.update()
    assert (info["docs"].num_errors, info["docs"].num_deletions) == (2, 1)
    assert said("plain") == {"a": "uno"}
    assert said("tagged") == {"a": "large one"}, "the old row stays, the one that is gone goes"
    assert {item.key: item.phase for item in flow.errors()} == {"a": "prepare", "c": "evaluate"}

    WORLD["prep"]["a"] = Entry("uno", 3)  # touched: its content is what was processed in part
    assert flow.update()["docs"].num_errors == 2
    DOWN.clear()
    WORLD["prep"]["a"] = Entry("uno", 4)
    WORLD["prep"]["c"] = Entry("three", 3)
    assert not flow.update().has_errors
    assert said("plain") == {"a": "uno", "c": "three"}
    assert said("tagged") == {"a": "large uno", "c": "large three"}


def test_rows_that_wait_for_a_function_are_never_quarantined() -> None:
    fill_all()
    flow = tagging()
    DOWN["large"] = OSError("no such file")
    for attempt in range(1, 8):
        assert flow.update()["docs"].num_errors == 2
        assert {(item.attempts, item.quarantined) for item in flow.errors()} == {(attempt, False)}
    DOWN.clear()
    assert not flow.update().has_errors


def test_cached_results_need_no_preparation() -> None:
    fill_all()
    flow = tagging()
    flow.update()
    flow.close()
    coco.stop()
    DOWN["large"] = DOWN["small"] = OSError("no such file")
    PREPARED.clear()
    flow = tagging()
    WORLD["prep"]["copy"] = Entry("one")
    assert not flow.update().has_errors
    assert said("tagged")["copy"] == "large one" and PREPARED == []


def test_an_executor_that_cannot_be_created_fails_only_its_rows() -> None:
    class PrepareNothing(op.FunctionSpec):
        pass

    @op.executor_class(behavior_version=1)
    class PrepareNothingExecutor:
        spec: PrepareNothing

        def __init__(self) -> None:
            raise OSError("no room")

        def __call__(self, text: str) -> str:
            return text

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="prep"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"].transform(PrepareNothing()))
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    fill("prep", {"a": "one"})
    table("out")
    flow = coco.open_flow("Unmade", define)
    flow.setup()
    assert flow.update()["docs"].num_errors == 1
    (failed,) = flow.errors()
    assert failed.phase == "prepare" and "OSError: no room" in failed.message


def test_a_value_at_the_root_fails_only_the_rows_that_use_it() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="prep"))
        scope["others"] = builder.add_source(MemoryRows(name="more"))
        tagged, plain, others = (scope.add_collector() for _ in range(3))
        scope["large"] = builder.transform(PrepareTag(model="large"), "greeting")
        scope["small"] = builder.transform(PrepareTag(model="small"), "greeting")
        with scope["docs"].row() as doc:
            tagged.collect(file=doc["_key"], said=scope["large"].transform(prepare_join, doc["content"]))
            plain.collect(file=doc["_key"], said=doc["content"])
        with scope["others"].row() as other:
            others.collect(file=other["_key"], said=scope["small"].transform(prepare_join, other["content"]))
        for export, rows in (("tagged", tagged), ("plain", plain), ("others", others)):
            rows.export(export, RowTable(name=export), primary_key_fields=["file"])

    fill_all()
    flow = coco.open_flow("Roots", define)
    flow.setup()
    DOWN["large"] = ConnectionError("gone")
    info = flow.update()
    assert (info["docs"].num_errors, info["others"].num_errors) == (2, 0)
    assert (said("tagged"), said("plain")) == ({}, {"a": "one", "b": "two"})
    assert said("others") == {"x": "small greeting, three"}
    assert {item.op for item in flow.errors()} == {"PrepareTag (large)"}
    assert "at its root" in flow.errors()[0].message
    assert PREPARED.count("large") == 1
    DOWN.clear()
    assert not flow.update().has_errors
    assert said("tagged") == {"a": "large greeting, one", "b": "large greeting, two"}


def test_a_call_at_the_root_that_fails_is_a_failure_of_the_rows_that_use_it() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="prep"))
        scope["others"] = builder.add_source(MemoryRows(name="more"))
        tagged, others = scope.add_collector(), scope.add_collector()
        scope["word"] = builder.transform(prepare_refuse, "bad")
        with scope["docs"].row() as doc:
            tagged.collect(file=doc["_key"], said=scope["word"].transform(prepare_join, doc["content"]))
        with scope["others"].row() as other:
            others.collect(file=other["_key"], said=other["content"])
        for export, rows in (("tagged", tagged), ("others", others)):
            rows.export(export, RowTable(name=export), primary_key_fields=["file"])

    fill_all()
    flow = coco.open_flow("RootCalls", define)
    flow.setup()
    info = flow.update()
    assert (info["docs"].num_errors, said("tagged"), said("others")) == (2, {}, {"x": "three"})
    found = {(item.phase, item.op, item.message) for item in flow.errors()}
    ((phase, op, message),) = found
    assert (phase, op) == ("evaluate", "PrepareRefuse (word)")
    assert (
        message.startswith("ValueError: no such word (at ") and 'raise ValueError("no such word")' in message
    )


def test_outside_of_flows_the_original_error_is_raised() -> None:
    @coco.transform_flow()
    def tag(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(PrepareTag(model="large"))

    DOWN["large"] = ConnectionError("gone")
    with pytest.raises(ConnectionError, match="gone"):
        tag.eval("a")
    DOWN.clear()
    assert tag.eval("a") == "large a"


def passes(events: list[FlowEvent], count: int, done: threading.Event) -> None:
    if len(seen(events, RunFinished)) >= count:
        done.set()


@pytest.mark.parametrize("pause", [0.0, 3600.0])
def test_live_updates_pause_between_attempts(
    pause: float, monkeypatch: pytest.MonkeyPatch, events: list[FlowEvent]
) -> None:
    monkeypatch.setattr(preparing, "FIRST_PAUSE_SECONDS", pause)
    monkeypatch.setattr(preparing, "LONGEST_PAUSE_SECONDS", pause)
    fill_all()
    flow = tagging(refresh_interval=datetime.timedelta(milliseconds=1))
    DOWN["large"] = ConnectionError("gone")
    done = threading.Event()
    remove = coco.add_event_listener(lambda event: passes(events, 5, done))
    options = coco.FlowLiveUpdaterOptions(live_mode=True, print_stats=False)
    with coco.FlowLiveUpdater(flow, options) as updater:
        assert done.wait(30)
        updater.abort()
    remove()
    assert said("plain") == {"a": "one", "b": "two"} and said("tagged") == {}
    if pause:
        assert PREPARED.count("large") == 1
    else:
        assert PREPARED.count("large") >= 5
    DOWN.clear()
    assert not flow.update().has_errors, "an update that somebody asked for waits for no pause"
    assert said("tagged") == {"a": "large one", "b": "large two"}


def test_a_failure_inside_nested_rows_says_where() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="prep"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["lines"] = doc["content"].transform(prepare_lines)
            with doc["lines"].row() as line:
                line["words"] = line["text"].transform(prepare_line_words)
                with line["words"].row() as word:
                    word["checked"] = word["text"].transform(prepare_refuse)
                    out.collect(file=doc["_key"], line=line["_key"], at=word["_key"], said=word["checked"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file", "line", "at"])

    fill("prep", {"a": "one\ntwo bad", "b": "good"})
    held = table("out")
    flow = coco.open_flow("Nested", define)
    flow.setup()
    assert flow.update()["docs"].num_errors == 1
    (failed,) = flow.errors()
    assert (failed.source, failed.key, failed.error_type) == ("docs", "a", "ValueError")
    assert failed.op == "PrepareRefuse (docs.lines.words.checked)"
    assert [key[0] for key in held.rows] == ["b"]
