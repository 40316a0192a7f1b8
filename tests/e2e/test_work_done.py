"""Only what a change requires is done: calls and writes are counted, never assumed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from counted import seen, work_of
from memory_rows import READS, WORLD, Entry, MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.events import DuplicateKeys, FlowEvent, FunctionCalled, TargetMutated
from coco.functions import SplitBySeparators

pytestmark = pytest.mark.kernels


@op.function(cache=True, behavior_version=1)
def work_shout(text: str) -> str:
    return text.upper()


@op.function(behavior_version=1)
def work_length(text: str) -> int:
    return len(text)


def paragraphs(source: str = "work", **options: Any) -> coco.Flow:
    """One row per paragraph, keyed by document and position."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name=source, **options))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["parts"] = doc["content"].transform(SplitBySeparators(separators_regex=["/"]))
            with doc["parts"].row() as part:
                part["loud"] = part["text"].transform(work_shout)
                out.collect(file=doc["_key"], at=part["location"], loud=part["loud"], text=part["text"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file", "at"])

    return coco.open_flow("Work", define)


def ready(flow: coco.Flow, events: list[FlowEvent]) -> coco.Flow:
    flow.setup()
    flow.update(allow_deletes=True)
    events.clear()
    return flow


def test_no_change_causes_no_call_and_no_write(events: list[FlowEvent]) -> None:
    table("out")
    fill("work", {"a": "one/two", "b": "three"})
    flow = ready(paragraphs(), events)
    READS.clear()
    info = flow.update()
    assert work_of(events).none
    assert info["docs"].num_no_change == 2
    assert READS == []


def test_touched_files_are_read_and_no_more(events: list[FlowEvent]) -> None:
    table("out")
    rows = fill("work", {"a": "one/two", "b": "three"})
    flow = ready(paragraphs(), events)
    for entry in rows.values():
        entry.ordinal += 1
    flow.update()
    done = work_of(events)
    assert done.none
    assert done.read == 2
    flow.update()
    assert work_of(events).read == 0  # the new ordinal was noted


def test_an_older_ordinal_from_a_listing_is_processed_as_a_restored_backup(events: list[FlowEvent]) -> None:
    fill("work", {"a": "one", "b": "two"}, ordinal=5)
    table("out")
    flow = ready(paragraphs(), events)
    WORLD["work"]["a"] = Entry("old", 3)
    WORLD["work"]["b"].ordinal = 3
    info = flow.update()
    assert (info["docs"].num_updates, info["docs"].num_no_change) == (1, 1)
    assert [row["text"] for row in TABLES["out"].rows.values()] == ["old", "two"]


def test_renames_and_copies_call_nothing_that_is_cached(events: list[FlowEvent]) -> None:
    table("out")
    rows = fill("work", {"a": "one/two", "b": "three"})
    flow = ready(paragraphs(), events)
    for key in list(rows):
        rows[f"moved-{key}"] = rows.pop(key)
    info = flow.update()
    done = work_of(events)
    assert "WorkShout" not in done.calls
    assert (done.upserts, done.deletes) == (3, 3)
    assert (info["docs"].num_insertions, info["docs"].num_deletions) == (2, 2)
    for key in list(rows):
        rows[f"copy-{key}"] = dataclasses.replace(rows[key])
    flow.update()
    done = work_of(events)
    assert "WorkShout" not in done.calls
    assert (done.upserts, done.deletes) == (3, 0)


def test_an_edited_paragraph_costs_one_call_and_one_write(events: list[FlowEvent]) -> None:
    table("out")
    fill("work", {"a": "one/two/six", "b": "three"})
    flow = ready(paragraphs(), events)
    WORLD["work"]["a"] = Entry("one/TEN/six", 2)
    flow.update()
    done = work_of(events)
    assert done.calls == {"SplitBySeparators": 1, "WorkShout": 1}
    assert (done.upserts, done.deletes) == (1, 0)
    assert done.read == 1


def two_exports(version: int) -> coco.Flow:
    @op.function(behavior_version=version)
    def work_versioned(text: str) -> int:
        return len(text) + (version > 2)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="work"))
        first, second = scope.add_collector(), scope.add_collector()
        with scope["docs"].row() as doc:
            doc["size"] = doc["content"].transform(work_versioned)
            doc["length"] = doc["content"].transform(work_length)
            first.collect(file=doc["_key"], size=doc["size"])
            second.collect(file=doc["_key"], length=doc["length"])
        first.export("first", RowTable(name="first"), primary_key_fields=["file"])
        second.export("second", RowTable(name="second"), primary_key_fields=["file"])

    return coco.open_flow("Two", define)


def test_a_new_version_of_one_function_runs_only_what_depends_on_it(events: list[FlowEvent]) -> None:
    table("first"), table("second")
    fill("work", {"a": "one", "b": "three"})
    flow = ready(two_exports(1), events)
    flow.close()
    flow = two_exports(2)
    flow.setup()
    info = flow.update()
    done = work_of(events)
    assert done.calls == {"WorkVersioned": 2}
    assert (done.upserts, done.deletes) == (0, 0)  # the results are equal
    assert info["docs"].num_reprocesses == 2
    flow.close()
    two_exports(3).update()
    mutated = seen(events, TargetMutated)
    assert [(event.target, event.upserts) for event in mutated] == [("first", 2)]
    assert work_of(events).calls == {"WorkVersioned": 2}


def test_only_the_columns_that_changed_are_written(events: list[FlowEvent]) -> None:
    fill("work", {"a": "one"})
    written = table("out")
    flow = ready(paragraphs(), events)
    assert [fields for _, fields in written.writes] == [("loud", "text")]
    written.writes.clear()
    WORLD["work"]["a"] = Entry("One", 2)  # shouted, it is the same
    flow.update()
    assert [fields for _, fields in written.writes] == [("text",)]
    assert [event.partial for event in seen(events, TargetMutated)] == [1]
    assert written.rows[next(iter(written.rows))] == {"loud": "ONE", "text": "One"}


def renamed_fields(name: str) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="work"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["loud"] = doc["content"].transform(work_shout)
            out.collect(file=doc["_key"], **{name: doc["loud"]})
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    return coco.open_flow("Fields", define)


def test_a_renamed_export_field_is_written_though_its_values_are_equal(events: list[FlowEvent]) -> None:
    fill("work", {"a": "one"})
    held = table("out")
    flow = ready(renamed_fields("loud"), events)
    assert list(held.rows.values()) == [{"loud": "ONE"}]
    flow.close()
    flow = renamed_fields("noise")
    flow.setup()
    flow.update()
    done = work_of(events)
    assert (done.calls, done.upserts) == ({}, 1)
    assert next(iter(held.rows.values()))["noise"] == "ONE"


def test_nulls_are_passed_on_without_a_call(events: list[FlowEvent]) -> None:
    @op.function(behavior_version=1)
    def work_first_word(text: str) -> str | None:
        return text.split()[0] if text.strip() else None

    @op.function(behavior_version=1)
    def work_or_none(text: str | None) -> str:
        return text or "nothing"

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="work"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["word"] = doc["content"].transform(work_first_word)
            doc["size"] = doc["word"].transform(work_length)
            doc["said"] = doc["word"].transform(work_or_none)
            out.collect(file=doc["_key"], size=doc["size"], said=doc["said"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    fill("work", {"a": "one", "b": " "})
    held = table("out")
    ready_flow = coco.open_flow("Nulls", define)
    ready_flow.setup()
    ready_flow.update()
    assert held.rows == {("a",): {"size": 3, "said": "one"}, ("b",): {"size": None, "said": "nothing"}}
    lengths = [event for event in seen(events, FunctionCalled) if event.op.startswith("WorkLength")]
    assert [(event.calls, event.skipped_null) for event in lengths] == [(1, 1)]


def test_of_equal_keys_in_one_document_the_later_is_kept_with_a_warning(events: list[FlowEvent]) -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="work"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["parts"] = doc["content"].transform(SplitBySeparators(separators_regex=["/"]))
            with doc["parts"].row() as part:
                part["loud"] = part["text"].transform(work_shout)
                out.collect(loud=part["loud"], text=part["text"])
        out.export("out", RowTable(name="out"), primary_key_fields=["loud"])

    fill("work", {"a": "one/One/two/two"})
    held = table("out")
    flow = coco.open_flow("Equal", define)
    flow.setup()
    info = flow.update()
    assert held.rows == {("ONE",): {"text": "One"}, ("TWO",): {"text": "two"}}
    assert info["docs"].num_duplicate_keys == 1  # equal rows merge in silence
    assert len(info.warnings) == 1
    assert "ONE" in info.warnings[0]
    assert [event.rows for event in seen(events, DuplicateKeys)] == [1]


def test_calls_at_the_root_are_made_only_if_a_row_needs_them(events: list[FlowEvent]) -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="work"))
        scope["limit"] = builder.transform(work_length, "four")
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], limit=scope["limit"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    rows = fill("work", {"a": "one", "b": "two"})
    held = table("out")
    flow = coco.open_flow("Root", define)
    flow.setup()
    flow.update()
    assert work_of(events).calls == {"WorkLength": 1}
    assert held.rows == {("a",): {"limit": 4}, ("b",): {"limit": 4}}
    flow.update()
    assert work_of(events).none
    rows["c"] = Entry("six")
    flow.update()
    assert work_of(events).calls == {"WorkLength": 1}


def test_ids_stay_with_their_rows(events: list[FlowEvent]) -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        for source in ("work", "more"):
            scope[source] = builder.add_source(MemoryRows(name=source))
        out = scope.add_collector()
        for source in ("work", "more"):
            with scope[source].row() as doc:
                doc["parts"] = doc["content"].transform(SplitBySeparators(separators_regex=["/"]))
                with doc["parts"].row() as part:
                    out.collect(id=coco.GeneratedField.UUID, text=part["text"])
        out.export("out", RowTable(name="out"), primary_key_fields=["id"])

    fill("work", {"a": "one/one/two"})
    fill("more", {"a": "one"})
    held = table("out")
    flow = coco.open_flow("Ids", define)
    flow.setup()
    flow.update()
    before = dict(held.rows)
    assert sorted(row["text"] for row in before.values()) == ["one", "one", "one", "two"]
    WORLD["work"]["a"] = Entry("six/one/one", 2)
    flow.update(allow_deletes=True)
    kept = before.keys() & held.rows.keys()
    assert sorted(held.rows[key]["text"] for key in kept) == ["one", "one", "one"]
    assert sorted(row["text"] for row in held.rows.values()) == ["one", "one", "one", "six"]
