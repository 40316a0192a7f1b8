"""Target rows that several source rows yield: who wins, who takes over, and that none is lost."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from counted import seen, work_of
from memory_rows import WORLD, Entry, MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.environment.environment import ENVIRONMENT
from coco.errors import TargetError
from coco.events import DuplicateKeys, FlowEvent, FunctionCalled

MOOD = {"bad": ""}


@op.function(behavior_version=1)
def shared_shout(text: str) -> str:
    if text == MOOD["bad"]:
        raise ValueError("no")
    return text.upper()


def by_title(
    *sources: str, origin: bool = True, fields: tuple[str, ...] = (), name: str = "Shared"
) -> coco.Flow:
    """Documents "title:text", one target row per title. ``sources``: those that feed it, in order of listing."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out, rest = scope.add_collector(), scope.add_collector()
        for source in ("one", "two"):
            if source not in sources and source not in fields:
                continue
            scope[source] = builder.add_source(MemoryRows(name=source))
            with scope[source].row() as doc:
                doc["title"] = doc["content"].transform(shared_title)
                doc["loud"] = doc["content"].transform(shared_shout)
                if source in sources:
                    more = {"origin": doc["_key"]} if origin else {}
                    out.collect(title=doc["title"], loud=doc["loud"], **more)
                if source in fields:
                    rest.collect(source=source, file=doc["_key"])
        if sources:
            out.export("out", RowTable(name="out"), primary_key_fields=["title"])
        if fields:
            rest.export("rest", RowTable(name="rest"), primary_key_fields=["source", "file"])

    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


@op.function(behavior_version=1)
def shared_title(text: str) -> str:
    return text.partition(":")[0]


@pytest.fixture(autouse=True)
def calm() -> None:
    MOOD["bad"] = ""
    for name in ("one", "two"):
        fill(name, {})
    table("out"), table("rest")


def origins() -> dict[str, Any]:
    return {key[0]: row["origin"] for key, row in TABLES["out"].rows.items()}


def rows_known() -> int:
    """How many rows state believes the target to hold."""
    store = ENVIRONMENT.store()
    ids = [
        item.state["target_id"]
        for item in store.setup_records()
        if item.state and item.state.get("export") == "out"
    ]
    return sum(store.row_counts(ids).values())


def test_a_row_that_moves_between_keys_is_not_written(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:text", "b": "y:text"})
    flow = by_title("one", origin=False)
    flow.update()
    work_of(events)
    rows["moved"] = rows.pop("a")
    flow.update()
    done = work_of(events)
    assert (done.upserts, done.deletes) == (0, 0)
    assert len(TABLES["out"].rows) == rows_known() == 2
    WORLD["two"]["b"] = rows.pop("b")
    flow.close()
    flow = by_title("one", "two", origin=False)
    flow.update(allow_deletes=True)
    done = work_of(events)
    assert (done.upserts, done.deletes) == (0, 0)
    assert len(TABLES["out"].rows) == rows_known() == 2


def test_a_row_that_moves_with_other_content_is_one_update(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:text", "b": "y:text"})
    flow = by_title("one")
    flow.update()
    work_of(events)
    rows["moved"] = rows.pop("a")
    flow.update()
    done = work_of(events)
    assert (done.upserts, done.deletes) == (1, 0)
    assert origins() == {"x": "moved", "y": "b"}


def test_the_source_row_processed_last_owns_the_target_row(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2", "c": "y:3"})
    flow = by_title("one")
    info = flow.update()
    assert origins()["x"] == "b"
    assert any("x" in text for text in info.warnings)
    assert seen(events, DuplicateKeys)
    rows["a"] = Entry("x:1!", 2)
    flow.update()
    assert origins()["x"] == "a"
    rows["b"].ordinal = 2  # touched only
    flow.update()
    assert origins()["x"] == "a"
    assert rows_known() == 2


def test_when_the_owner_is_deleted_the_other_is_exported_in_the_same_update(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2", "c": "y:3"})
    flow = by_title("one")
    flow.update()
    TABLES["out"].writes.clear()
    del rows["b"]
    info = flow.update()
    assert origins() == {"x": "a", "y": "c"}
    assert [key for key, _ in TABLES["out"].writes] == [("x",)]
    assert (info["one"].num_deletions, info["one"].num_no_change) == (1, 2)
    work_of(events)
    flow.update()
    assert work_of(events).none
    assert rows_known() == 2


def test_an_owner_that_yields_another_key_releases_the_target_row() -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2"})
    flow = by_title("one")
    flow.update()
    rows["b"] = Entry("z:2", 2)
    flow.update()
    assert origins() == {"x": "a", "z": "b"}
    rows["a"] = Entry("z:1", 3)
    rows["b"] = Entry("x:2", 3)  # both in one batch, crosswise
    flow.update()
    assert origins() == {"z": "a", "x": "b"}
    assert rows_known() == 2


def test_a_removed_source_releases_its_target_rows(events: list[FlowEvent]) -> None:
    fill("one", {"a": "x:1", "c": "y:3"})
    flow = by_title("one", "two", name="First")
    flow.update()
    fill("two", {"b": "x:2", "d": "w:4"})
    flow.update()
    assert origins() == {"x": "b", "y": "c", "w": "d"}
    flow.close()
    flow = by_title("one", name="First")
    flow.update(allow_deletes=True)
    assert origins() == {"x": "a", "y": "c"}
    assert rows_known() == 2
    work_of(events)
    flow.update()
    assert work_of(events).none


def by_file(source: str, *, also: str = "") -> coco.Flow:
    """One target row per file of one source: no two source rows can meet, as long as the flow stays the same."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out, rest = scope.add_collector(), scope.add_collector()
        for name in dict.fromkeys(item for item in (source, also) if item):
            scope[name] = builder.add_source(MemoryRows(name=name))
            with scope[name].row() as doc:
                if name == source:
                    out.collect(file=doc["_key"], text=doc["content"])
                else:
                    rest.collect(file=doc["_key"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])
        if also:
            rest.export("rest", RowTable(name="rest"), primary_key_fields=["file"])

    flow = coco.open_flow("ByFile", define)
    flow.setup(allow_destructive=True)
    return flow


def test_a_target_fed_by_another_source_from_now_on_loses_no_row(events: list[FlowEvent]) -> None:
    rows = fill("one", {f"{number}": f"text {number}" for number in range(20)})
    for key, entry in rows.items():
        WORLD["two"][key] = dataclasses.replace(entry)
    flow = by_file("one", also="two")
    flow.update()
    before = dict(TABLES["out"].rows)
    assert len(before) == 20
    flow.close()
    work_of(events)
    flow = by_file("two", also="one")
    flow.update(allow_deletes=True)
    assert TABLES["out"].rows == before
    assert rows_known() == 20
    flow.close()
    flow = by_file("one")  # and the source itself goes
    flow.update()
    assert TABLES["out"].rows == before
    TABLES["out"].writes.clear()
    del rows["3"]
    flow.update()
    assert TABLES["out"].writes == [(("3",), None)]
    assert rows_known() == 19
    work_of(events)
    flow.update()
    assert work_of(events).none


def test_a_target_that_a_second_source_feeds_too_keeps_the_rows_of_both() -> None:
    fill("one", {"a": "x:1", "b": "y:2"})
    flow = by_title("one", name="Second")
    flow.update()
    fill("two", {"c": "x:3"})
    flow.close()
    flow = by_title("one", "two", name="Second")
    flow.update()
    assert origins() == {"x": "c", "y": "b"}
    del WORLD["two"]["c"]
    flow.update(allow_deletes=True)
    assert origins() == {"x": "a", "y": "b"}


def keyed(key: str) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="one"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(key=doc[key], text=doc["content"])
        out.export("out", RowTable(name="out"), primary_key_fields=["key"])

    flow = coco.open_flow("Keyed", define)
    flow.setup()
    return flow


def test_another_rule_for_keys_in_the_same_target() -> None:
    fill("one", {"a": "b", "b": "c", "c": "a"})  # each one's content is the key of another
    flow = keyed("_key")
    flow.update()
    flow.close()
    flow = keyed("content")
    flow.update(allow_deletes=True)
    assert {key[0]: row["text"] for key, row in TABLES["out"].rows.items()} == {"a": "a", "b": "b", "c": "c"}
    flow.close()
    flow = keyed("_key")
    flow.update(allow_deletes=True)
    assert {key[0]: row["text"] for key, row in TABLES["out"].rows.items()} == {"a": "b", "b": "c", "c": "a"}
    assert not flow.update().drifted
    assert rows_known() == 3


def test_rows_of_a_removed_source_that_cannot_be_deleted_are_not_forgotten() -> None:
    fill("one", {"a": "x:1"})
    fill("two", {"b": "y:2", "c": "z:3"})
    flow = by_title("one", "two", name="Stuck")
    flow.update()
    flow.close()
    flow = by_title("one", name="Stuck")
    TABLES["out"].refuse = {"y"}
    with pytest.raises(TargetError, match="1 rows of a source that left"):
        flow.update(allow_deletes=True)
    assert origins() == {"x": "a", "y": "b"}
    TABLES["out"].refuse = set()
    flow.update(allow_deletes=True)
    assert origins() == {"x": "a"}
    assert rows_known() == 1


def test_a_failing_next_owner_is_written_when_it_recovers(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2", "c": "y:3"})
    flow = by_title("one")
    flow.update()
    MOOD["bad"] = "x:1"
    del rows["b"]
    info = flow.update()
    assert (info["one"].num_errors, info["one"].num_deletions) == (1, 1)
    assert origins().keys() == {"x", "y"}  # something stands there until the heir can be had
    for _ in range(2):
        assert flow.update().has_errors
    MOOD["bad"] = ""
    assert not flow.update().has_errors
    assert origins() == {"x": "a", "y": "c"}
    assert rows_known() == 2


def test_a_refused_takeover_counts_rows_right() -> None:
    rows = fill("one", {"a": "x:1", "b": "y:2"})
    flow = by_title("one")
    flow.update()
    rows["b"] = Entry("x:2", 2)
    del rows["a"]
    rows["c"] = Entry("w:1")
    TABLES["out"].refuse = {"x"}
    info = flow.update()
    assert info["one"].num_errors >= 1
    TABLES["out"].refuse = set()
    info = flow.update()
    assert not info.has_errors
    assert origins() == {"x": "b", "w": "c"}
    assert rows_known() == 2
    assert not flow.update().drifted


def test_verify_compares_with_the_owning_row() -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2", "c": "y:3"})
    flow = by_title("one")
    flow.update()
    rows["a"] = Entry("x:1!", 2)
    flow.update()
    report = flow.verify()
    assert report.ok, report.render()


def test_functions_of_the_next_owner_are_called_once(events: list[FlowEvent]) -> None:
    rows = fill("one", {"a": "x:1", "b": "x:2", "c": "y:3"})
    flow = by_title("one")
    flow.update()
    events.clear()
    del rows["b"]
    flow.update()
    shouts = [event for event in seen(events, FunctionCalled) if event.op.startswith("SharedShout")]
    assert sum(event.calls for event in shouts) == 1
