"""State is read in parts, and all is found as if it were one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from memory_rows import TROUBLE, WORLD, Entry, MemoryRows, Misfortune, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.engine import source_run
from coco.errors import SafetyStopError

CALLS: list[str] = []


@op.function(behavior_version=1)
def large_loud(text: str) -> str:
    CALLS.append(text)
    if text.startswith("bad"):
        raise ValueError("a text that cannot be")
    return text.upper()


@pytest.fixture(params=[10_000, 100, 99, 7, 1], ids="{}_at_once".format)
def flow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[coco.Flow]:
    """A hundred rows are in; state is read at once, or in parts."""
    monkeypatch.setattr(source_run, "SCAN_ROWS", request.param)
    fill(
        "large",
        {f"a{number:03}" if number % 2 else f"b{number:03}": f"text {number}" for number in range(100)},
    )

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="large"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], loud=doc["content"].transform(large_loud))
        out.export("out", RowTable(name="large"), primary_key_fields=["file"])

    table("large")
    flow = coco.open_flow("Large", define)
    flow.setup()
    flow.update()
    CALLS.clear()
    yield flow
    TROUBLE.clear()


def check(flow: coco.Flow) -> None:
    wanted = {(key,): {"loud": entry.content.upper()} for key, entry in WORLD["large"].items()}
    assert TABLES["large"].rows == wanted
    info = flow.update()
    assert info["docs"].num_no_change == len(wanted)
    assert not info.has_errors and not info.total.has_any_change


def test_nothing_changed(flow: coco.Flow) -> None:
    check(flow)
    assert CALLS == []


def test_edits_additions_and_deletions(flow: coco.Flow) -> None:
    rows = WORLD["large"]
    rows["a001"] = Entry("edited", 2)
    rows["new"] = Entry("added", 1)
    for key in ("a003", "b004", "b098"):
        del rows[key]
    info = flow.update()["docs"]
    assert (info.num_updates, info.num_insertions, info.num_deletions) == (1, 1, 3)
    assert sorted(CALLS) == ["added", "edited"]
    check(flow)


def test_as_many_rows_are_added_as_deleted(flow: coco.Flow) -> None:
    rows = WORLD["large"]
    for number, key in enumerate(sorted(rows)[:5]):
        del rows[key]
        rows[f"new{number}"] = Entry(f"added {number}")
    info = flow.update()["docs"]
    assert (info.num_insertions, info.num_deletions) == (5, 5)
    check(flow)


def test_keys_that_are_listed_twice(flow: coco.Flow) -> None:
    """They hide nothing that is gone."""
    TROUBLE["large"] = Misfortune(twice=True)
    for key in sorted(WORLD["large"])[:3]:
        del WORLD["large"][key]
    assert flow.update()["docs"].num_deletions == 3
    TROUBLE.clear()
    check(flow)


def test_rows_that_cannot_be_listed_are_kept(flow: coco.Flow) -> None:
    TROUBLE["large"] = Misfortune(prefixes=["a"])
    del WORLD["large"]["b000"], WORLD["large"]["a001"]
    assert flow.update()["docs"].num_deletions == 1
    assert (("a001",) in TABLES["large"].rows, ("b000",) in TABLES["large"].rows) == (True, False)
    TROUBLE.clear()
    assert flow.update()["docs"].num_deletions == 1
    check(flow)


def test_an_empty_listing_stops_the_run(flow: coco.Flow) -> None:
    kept, WORLD["large"] = WORLD["large"], {}
    with pytest.raises(SafetyStopError):
        flow.update()
    assert len(TABLES["large"].rows) == 100
    WORLD["large"] = kept
    check(flow)


def test_failures_of_deleted_rows_are_removed(flow: coco.Flow) -> None:
    rows = WORLD["large"]
    rows["b000"] = Entry("bad edit", 2)
    rows["never"] = Entry("bad from the start")
    assert flow.update()["docs"].num_errors == 2
    assert {item.key for item in flow.errors()} == {"b000", "never"}
    del rows["b000"], rows["never"]
    assert flow.update()["docs"].num_deletions == 1
    assert flow.errors() == []
    check(flow)
