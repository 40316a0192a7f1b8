"""Targets that fail while they are written: what is in stays right, what is not follows, the other targets go on."""

from __future__ import annotations

from typing import Any

import pytest
from counted import seen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from memory_rows import WORLD, Entry, MemoryRows, fill
from outcome import outcome
from wild_table import (
    WILDS,
    Wild,
    WildTable,
    Writer,
    answers_too_late,
    checks,
    chokes_after,
    drops_after,
    names_strangers,
    wild,
    writes_some,
    writes_what_it_denies,
)

import coco
from coco import op
from coco.events import FlowEvent, RowsCommitted

CALLS: list[str] = []
MOODS: dict[str, Writer] = {
    "the connection drops at once": drops_after(0),
    "the connection drops in mid-batch": drops_after(3),
    "the answer comes too late": answers_too_late,
    "some rows are refused": writes_some,
    "all rows are refused, though written": writes_what_it_denies,
    "rows are refused that nobody sent": names_strangers,
    "an error in mid-batch, nothing rolled back": chokes_after(2),
}


@op.function(cache=True, behavior_version=1)
def wild_loud(text: str) -> str:
    CALLS.append(text)
    return text.upper()


def make(name: str = "Wild") -> coco.Flow:
    """Two targets of equal content, and one that several rows share."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="wild"))
        rows, words = scope.add_collector(), scope.add_collector()
        with scope["docs"].row() as doc:
            loud = doc["content"].transform(wild_loud)
            rows.collect(file=doc["_key"], loud=loud)
            words.collect(word=loud, seen=loud)
        rows.export("out", WildTable(name="out"), primary_key_fields=["file"])
        rows.export("other", WildTable(name="other"), primary_key_fields=["file"])
        words.export("words", WildTable(name="words"), primary_key_fields=["word"])

    for target in ("out", "other", "words"):
        wild(target)
    CALLS.clear()
    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


def truth() -> dict[tuple[str], dict[str, str]]:
    return {(key,): {"loud": entry.content.upper()} for key, entry in WORLD["wild"].items()}


def check_all() -> None:
    assert WILDS["out"].rows == truth()
    assert WILDS["other"].rows == truth()
    words = {entry.content.upper() for entry in WORLD["wild"].values()}
    assert WILDS["words"].rows == {(word,): {"seen": word} for word in words}


@pytest.mark.parametrize("mood", MOODS.values(), ids=MOODS.keys())
def test_one_failing_target_call_loses_no_row(mood: Writer, events: list[FlowEvent]) -> None:
    rows = fill("wild", {f"k{number}": f"text {number % 9}" for number in range(12)})
    flow = make()
    WILDS["out"].moods = [mood]
    info = outcome(flow)
    assert WILDS["other"].rows == truth(), "the other target has all"
    assert len(WILDS["words"].rows) == 9
    failures = flow.errors()
    assert info["docs"].num_errors == len(failures)
    assert info.has_errors or WILDS["out"].rows == truth()
    assert {(item.phase, item.op) for item in failures} <= {("apply", "target:out")}
    committed = sum(event.rows for event in seen(events, RowsCommitted))
    assert committed + len(failures) == 12, "a row is committed, or listed as failed"
    assert not flow.update().has_errors
    check_all()
    # The same for updates and deletions.
    for number in range(0, 12, 2):
        rows[f"k{number}"] = Entry(f"new {number}", 2)
    for number in range(1, 12, 4):
        del rows[f"k{number}"]
    WILDS["out"].moods = [mood, mood]
    outcome(flow, allow_deletes=True)
    assert WILDS["other"].rows.keys() >= truth().keys()
    WILDS["out"].moods = []
    assert not flow.update(allow_deletes=True).has_errors
    check_all()
    assert (flow.errors(), flow.update().drifted) == ([], [])
    assert len(CALLS) == len(set(CALLS)), "no call was made twice"


@pytest.mark.parametrize("rolls_back", [True, False])
def test_a_violated_constraint_fails_one_row(rolls_back: bool) -> None:
    rows = fill("wild", {f"k{number:02}": f"text {number}" for number in range(40)})
    rows["k17"] = Entry("forbidden")
    flow = make()
    WILDS["out"].always = checks(lambda row: row["loud"] != "FORBIDDEN", rolls_back=rolls_back)
    info = flow.update()
    assert (info["docs"].num_insertions, info["docs"].num_errors) == (39, 1)
    wanted = truth()
    del wanted[("k17",)]
    assert WILDS["out"].rows == wanted
    assert [item.key for item in flow.errors()] == ["k17"]
    rows["k17"] = Entry("allowed", 2)
    assert not flow.update().has_errors
    check_all()


@pytest.mark.parametrize("door", [True, False])
def test_a_target_that_is_down_for_the_whole_run(door: bool) -> None:
    fill("wild", {f"k{number}": f"text {number}" for number in range(30)})
    flow = make()
    if door:
        WILDS["out"].closed_door = ConnectionRefusedError("nobody is at home")
    else:
        WILDS["out"].always = drops_after(0)
    info = outcome(flow)
    assert list(info.failed_targets) == ["out"]
    assert info["docs"].num_errors == 30
    assert WILDS["other"].rows == truth()
    assert len(WILDS["words"].rows) == 30
    assert WILDS["out"].calls == (0 if door else 1), "it is not asked again and again"
    (message,) = {item.message for item in flow.errors()}
    assert ("nobody is at home" if door else "the line went dead") in message
    calls = len(CALLS)
    WILDS["out"].closed_door = WILDS["out"].always = None
    assert not flow.update().has_errors
    check_all()
    assert len(CALLS) == calls, "nothing is computed again"


def test_rows_that_only_a_target_failed_are_never_quarantined() -> None:
    fill("wild", {"a": "one"})
    flow = make()
    WILDS["out"].always = drops_after(0)
    for _ in range(8):
        assert outcome(flow)["docs"].num_errors == 1
    assert not any(item.quarantined for item in flow.errors())
    WILDS["out"].always = None
    assert not flow.update().has_errors
    check_all()


# -- any history ----------------------------------------------------------------------------------
KEYS = st.sampled_from("abcdef")
TEXTS = st.sampled_from(["one", "two", "three"])
EDIT = st.tuples(KEYS, st.none() | TEXTS)
MOOD = st.sampled_from([None, *MOODS.values(), drops_after(1), chokes_after(1)])
STEP = st.tuples(st.lists(EDIT, max_size=4), st.lists(MOOD, max_size=5), st.sampled_from(["out", "words"]))


def well(wild: Wild, changes: list[tuple[Any, Any]]) -> None:
    wild.put(changes)


@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(STEP, min_size=1, max_size=6))
def test_after_any_history_of_failures_the_target_is_right(history: list[Any]) -> None:
    rows = fill("wild", {"a": "one", "b": "two"})
    flow = make()
    try:
        version = 1
        for edits, moods, target in history:
            for key, text in edits:
                version += 1
                if text is None:
                    rows.pop(key, None)
                else:
                    rows[key] = Entry(text, version)
            WILDS[target].moods = [mood or well for mood in moods]
            outcome(flow, allow_deletes=True)
        for held in WILDS.values():
            held.moods = []
        info = flow.update(allow_deletes=True)
        assert not info.has_errors
        check_all()
        info = flow.update(allow_deletes=True)
        assert (info.has_errors, info.drifted) == (False, [])
        assert len(CALLS) == len(set(CALLS))
    finally:
        flow.drop()
        flow.close()
