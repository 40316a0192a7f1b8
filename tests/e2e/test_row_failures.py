"""Rows that fail: alone, listed, tried again, quarantined; what they had stays."""

from __future__ import annotations

import asyncio
import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from counted import seen, work_of
from memory_rows import READS, STYLES, TROUBLE, WORLD, Entry, MemoryRows, Misfortune, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.errors import SourceError, UnwrittenTargetError
from coco.events import BatchBisected, FlowEvent, FunctionCalled

MOOD: dict[str, Any] = {}
"""What the functions of these tests do, whatever their code says."""


@op.function(behavior_version=1)
def moody(text: str) -> str:
    chosen: Callable[[str], str] = MOOD["does"]
    return chosen(text)


def one_per_document(function: Any = moody, name: str = "Failing", **options: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="fail", **options))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["said"] = doc["content"].transform(function)
            out.collect(file=doc["_key"], said=doc["said"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


def refuse(*texts: str) -> Callable[[str], str]:
    def does(text: str) -> str:
        if text in texts:
            raise ValueError(f"no {text}")
        return text.upper()

    return does


def said() -> dict[str, Any]:
    return {key[0]: row["said"] for key, row in TABLES["out"].rows.items()}


def errors(flow: coco.Flow) -> dict[str, tuple[str, str, int, bool]]:
    return {
        item.key: (item.phase, item.error_type, item.attempts, item.quarantined) for item in flow.errors()
    }


@pytest.mark.parametrize("style", STYLES)
def test_a_failed_row_is_reported_keeps_its_target_rows_and_recovers(style: str) -> None:
    fill("fail", {"a": "one", "b": "two"})
    table("out")
    MOOD["does"] = refuse()
    flow = one_per_document(style=style)
    flow.update()
    MOOD["does"] = refuse("bad")
    WORLD["fail"]["a"] = Entry("bad", 2)
    WORLD["fail"]["c"] = Entry("bad", 2)
    info = flow.update()
    assert (info["docs"].num_errors, info["docs"].num_no_change) == (2, 1)
    assert info.has_errors
    assert said() == {"a": "ONE", "b": "TWO"}
    assert errors(flow) == dict.fromkeys(("a", "c"), ("evaluate", "ValueError", 1, False))
    MOOD["does"] = refuse()
    info = flow.update()  # the same version, without any change: failed rows are always tried again
    assert (info["docs"].num_updates, info["docs"].num_insertions, info["docs"].num_errors) == (1, 1, 0)
    assert said() == {"a": "BAD", "b": "TWO", "c": "BAD"}
    assert errors(flow) == {}


@pytest.mark.parametrize("style", STYLES)
def test_a_row_that_keeps_failing_is_quarantined_until_it_changes(
    style: str, events: list[FlowEvent]
) -> None:
    fill("fail", {"a": "bad", "b": "two"})
    table("out")
    MOOD["does"] = refuse("bad")
    flow = one_per_document(style=style)
    for attempt in range(1, 6):
        info = flow.update()
        assert info["docs"].num_errors == 1
        assert errors(flow)["a"][2:] == (attempt, attempt == 5)
    work_of(events)
    info = flow.update()
    assert (info["docs"].num_errors, info["docs"].num_quarantined) == (0, 1)
    assert info.has_errors
    assert work_of(events).none
    WORLD["fail"]["a"] = Entry("worse", 2)
    MOOD["does"] = refuse("worse")
    assert flow.update()["docs"].num_errors == 1
    assert errors(flow)["a"][2:] == (1, False)
    WORLD["fail"]["a"] = Entry("good", 3)
    assert not flow.update().has_errors
    assert said() == {"a": "GOOD", "b": "TWO"}


@pytest.mark.parametrize("live", [False, True])
def test_a_full_reprocess_retries_quarantined_rows(live: bool) -> None:
    fill("fail", {"a": "bad"})
    table("out")
    MOOD["does"] = refuse("bad")
    flow = one_per_document()
    for _ in range(6):
        flow.update()
    MOOD["does"] = refuse()
    assert flow.update(reexport_targets=True)["docs"].num_quarantined == 1
    if live:
        with coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(full_reprocess=True)) as updater:
            updater.wait()
        info = updater.update_stats()
    else:
        info = flow.update(full_reprocess=True)
    assert (info["docs"].num_insertions, info.has_errors) == (1, False)
    assert (said(), errors(flow)) == ({"a": "BAD"}, {})


def test_retry_processes_quarantined_rows() -> None:
    fill("fail", {"a": "bad"})
    table("out")
    MOOD["does"] = refuse("bad")
    flow = one_per_document()
    for _ in range(6):
        flow.update()
    MOOD["does"] = refuse()
    assert flow.update()["docs"].num_quarantined == 1
    info = flow.retry()
    assert (info["docs"].num_insertions, info.has_errors) == (1, False)
    assert (said(), errors(flow)) == ({"a": "BAD"}, {})


def test_failures_of_deleted_rows_are_removed() -> None:
    rows = fill("fail", {"a": "bad", "b": "bad", "c": "two"})
    table("out")
    MOOD["does"] = refuse()
    flow = one_per_document()
    flow.update()
    MOOD["does"] = refuse("bad")
    rows["b"].ordinal = 2
    rows["b"].content = rows["a"].content = "bad"
    rows["d"] = Entry("bad")
    flow.close()
    rows["b"] = Entry("bad ", 2)
    MOOD["does"] = refuse("bad", "bad ")
    flow = one_per_document()
    flow.update()
    assert errors(flow).keys() == {"b", "d"}
    del rows["b"], rows["d"]
    flow.update(allow_deletes=True)
    assert errors(flow) == {}
    assert said() == {"a": "BAD", "c": "TWO"}


def test_unreadable_and_deleted_rows() -> None:
    rows = fill("fail", {"a": "one", "b": "two", "c": "three"})
    table("out")
    MOOD["does"] = refuse()
    flow = one_per_document()
    flow.update()
    for entry in rows.values():
        entry.ordinal += 1
        entry.content += "!"
    TROUBLE["fail"] = Misfortune(unreadable={"a"}, deleted={"b"})
    rows["new"] = Entry("x")
    TROUBLE["fail"].deleted.add("new")
    info = flow.update()
    stats = info["docs"]
    assert (stats.num_errors, stats.num_deletions, stats.num_updates, stats.num_no_change) == (1, 1, 1, 1)
    assert said() == {"a": "ONE", "c": "THREE!"}
    assert errors(flow) == {"a": ("read", "PermissionError", 1, False)}
    assert flow.update()["docs"].num_errors == 1
    assert flow.plan() is not None


def test_deletions_need_a_complete_listing(events: list[FlowEvent]) -> None:
    rows = fill("fail", {"in/a": "one", "in/b": "two", "c": "three"})
    table("out")
    MOOD["does"] = refuse()
    flow = one_per_document()
    flow.update()
    before = said()

    TROUBLE["fail"] = Misfortune(breaks_after=1)
    with pytest.raises(SourceError, match="no deletion"):
        flow.update()
    assert said() == before

    TROUBLE["fail"] = Misfortune(errors=["something is wrong"])
    del rows["c"]
    info = flow.update()
    assert info.has_errors
    assert said() == before

    TROUBLE["fail"] = Misfortune(prefixes=["in/"], errors=["in/: no entry"])
    del rows["in/a"]
    flow.update()
    assert said().keys() == {"in/a", "in/b"}

    TROUBLE.clear()
    flow.update(allow_deletes=True)
    assert said().keys() == {"in/b"}


def test_a_key_that_is_listed_twice_is_one_row(events: list[FlowEvent]) -> None:
    fill("fail", {"a": "one", "b": "two"})
    TROUBLE["fail"] = Misfortune(twice=True)
    held = table("out")
    MOOD["does"] = refuse()
    flow = one_per_document()
    info = flow.update()
    assert info["docs"].num_insertions == 2
    assert sorted(held.writes) == [(("a",), ("said",)), (("b",), ("said",))]
    assert "more than once" in info.warnings[0]
    assert not flow.update().drifted


def test_a_failing_batch_is_halved_down_to_its_culprit(events: list[FlowEvent]) -> None:
    batches = []

    @op.function(batching=True, max_batch_size=8, cache=True, behavior_version=1)
    def fail_in_batches(texts: list[str]) -> list[str]:
        batches.append(list(texts))
        if "bad" in texts:
            raise ValueError("bad in batch")
        return [text.upper() for text in texts]

    fill("fail", {f"{number}": "bad" if number == 5 else f"text {number}" for number in range(8)})
    table("out")
    flow = one_per_document(fail_in_batches, "Batches")
    info = flow.update()
    assert (info["docs"].num_errors, info["docs"].num_insertions) == (1, 7)
    assert errors(flow).keys() == {"5"}
    assert sorted(len(batch) for batch in batches) == [1, 1, 2, 2, 4, 4, 8]
    assert sorted(event.size for event in seen(events, BatchBisected)) == [2, 4, 8]
    assert sum(event.failed for event in seen(events, FunctionCalled)) == 1


def test_a_batch_of_wrong_length_fails_all_its_rows() -> None:
    @op.function(batching=True, behavior_version=1)
    def fail_short(texts: list[str]) -> list[str]:
        return texts[1:]

    fill("fail", {"a": "one", "b": "two"})
    table("out")
    flow = one_per_document(fail_short, "Short")
    assert flow.update()["docs"].num_errors == 2
    assert {item[1] for item in errors(flow).values()} == {"BatchShapeError"}


def test_a_value_of_the_wrong_type_fails_its_row() -> None:
    fill("fail", {"a": "one", "b": "two"})
    table("out")

    def does(text: str) -> Any:
        return 7 if text == "one" else text

    MOOD["does"] = does
    flow = one_per_document()
    info = flow.update()
    assert (info["docs"].num_errors, said()) == (1, {"b": "two"})
    (record,) = flow.errors()
    assert "expected Str" in record.message or "str" in record.message.lower()


def test_asynchronous_calls_run_side_by_side() -> None:
    count = 8
    arrived = 0
    everyone: list[asyncio.Event] = []

    @op.function(behavior_version=1)
    async def fail_unless_together(text: str) -> str:
        nonlocal arrived
        if not everyone:
            everyone.append(asyncio.Event())
        arrived += 1
        if arrived == count:
            everyone[0].set()
        await everyone[0].wait()
        return text

    fill("fail", {f"{number}": f"{number}" for number in range(count)})
    table("out")
    assert not one_per_document(fail_unless_together, "Together").update().has_errors


@pytest.mark.parametrize("kind", ["plain", "async", "batch"])
def test_a_call_that_takes_too_long_fails_alone(kind: str) -> None:
    limit = datetime.timedelta(milliseconds=300)
    release = threading.Event()

    @op.function(behavior_version=1, timeout=limit)
    def fail_slowly(text: str) -> str:
        if text == "slow":
            release.wait()
        return text

    @op.function(behavior_version=1, timeout=limit)
    async def fail_slowly_async(text: str) -> str:
        if text == "slow":
            await asyncio.Event().wait()
        return text

    @op.function(behavior_version=1, timeout=limit, batching=True, max_batch_size=1)
    def fail_slowly_batch(texts: list[str]) -> list[str]:
        if "slow" in texts:
            release.wait()
        return texts

    function = {"plain": fail_slowly, "async": fail_slowly_async, "batch": fail_slowly_batch}[kind]
    fill("fail", {"a": "one", "b": "slow", "c": "two"})
    table("out")
    try:
        flow = one_per_document(function, f"Slow{kind}")
        info = flow.update()
        assert (info["docs"].num_errors, said()) == (1, {"a": "one", "c": "two"})
        assert errors(flow)["b"][:2] == ("evaluate", "FunctionTimeoutError")
    finally:
        release.set()


def test_more_calls_that_never_end_than_there_are_threads() -> None:
    release = threading.Event()

    @op.function(behavior_version=1, timeout=datetime.timedelta(milliseconds=50))
    def fail_for_ever(text: str) -> str:
        if text.startswith("slow"):
            release.wait()
        return text

    fill("fail", {**{f"s{number}": f"slow {number}" for number in range(40)}, "t": "two"})
    table("out")
    try:
        flow = one_per_document(fail_for_ever, "Ever")
        info = flow.update()
        assert (info["docs"].num_errors, said()) == (40, {"t": "two"})
    finally:
        release.set()


@pytest.mark.parametrize("bare", [False, True])
def test_a_target_refuses_single_rows(bare: bool) -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="fail"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"])
        out.export("out", RowTable(name="out", bare_keys=bare), primary_key_fields=["file"])

    rows = fill("fail", {"a": "one", "b": "two", "c": "three"})
    held = table("out")
    held.refuse = {"b"}
    flow = coco.open_flow("Refused", define)
    flow.setup()
    info = flow.update()
    assert (info["docs"].num_errors, said()) == (1, {"a": "one", "c": "three"})
    assert errors(flow)["b"][:2] == ("apply", "RowRefusedError")
    held.refuse = {"a"}
    del rows["a"]
    info = flow.update()
    assert (info["docs"].num_errors, said()) == (1, {"a": "one", "b": "two", "c": "three"})
    held.refuse = set()
    info = flow.update()
    assert (info["docs"].num_deletions, info.has_errors) == (1, False)
    assert said() == {"b": "two", "c": "three"}


def test_a_target_that_fails_whole_batches_gets_halves(events: list[FlowEvent]) -> None:
    fill("fail", {f"{number}": f"text {number}" for number in range(8)})
    held = table("out")
    held.poison = {"TEXT 5"}
    MOOD["does"] = refuse()
    flow = one_per_document()
    info = flow.update()
    assert (info["docs"].num_errors, info["docs"].num_insertions) == (1, 7)
    assert errors(flow).keys() == {"5"}
    assert len(said()) == 7
    assert all(event.where == "target:out" for event in seen(events, BatchBisected))


def test_an_unreachable_target_does_not_stop_the_others() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="fail"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"])
        for name in ("out", "other"):
            out.export(name, RowTable(name=name), primary_key_fields=["file"])

    fill("fail", {"a": "one", "b": "two"})
    held, other = table("out"), table("other")
    other.down = ConnectionError("gone")
    flow = coco.open_flow("Down", define)
    flow.setup()
    with pytest.raises(
        UnwrittenTargetError, match=r"every write to target .other. of flow .Down. failed.*gone"
    ) as failed:
        flow.update()
    info = failed.value.info
    assert info["docs"].num_errors == 2
    assert list(info.failed_targets) == ["other"]
    assert len(held.rows) == 2
    other.down = None
    held.writes.clear()
    assert not flow.update().has_errors
    assert len(other.rows) == 2
    READS.clear()
    flow.update()
    assert READS == []
