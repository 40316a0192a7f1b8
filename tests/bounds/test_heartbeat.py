"""The look at what targets hold goes on beside the listing, and is over before the first write."""

from __future__ import annotations

import threading

import pytest
from memory_rows import TROUBLE, WORLD, Entry, MemoryRows, Misfortune, fill
from row_table import TABLES, RowTable, RowTableConnector, table

import coco

LIMIT = 60


def test_a_slow_row_count_of_a_target_runs_beside_the_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when a row was read, which it would never be if it were waited for; the write waits for it."""
    fill("slow", {"a": "one"})
    table("slow")

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="slow"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], text=doc["content"])
        out.export("slow", RowTable(name="slow"), primary_key_fields=["file"])

    flow = coco.open_flow("SlowLook", define)
    flow.setup()
    assert not flow.update().has_errors

    read, looked = threading.Event(), threading.Event()
    before: list[bool] = []

    def count_rows(spec: RowTable) -> int:
        assert read.wait(LIMIT), "nothing was read meanwhile"
        looked.set()
        return len(TABLES[spec.name].rows)

    monkeypatch.setattr(RowTableConnector, "count_rows", staticmethod(count_rows))
    TROUBLE["slow"] = Misfortune(on_read=lambda key: read.set())
    TABLES["slow"].on_write = lambda: before.append(looked.is_set())
    WORLD["slow"]["b"] = Entry("two", 2)
    info = flow.update()
    assert not info.has_errors
    assert info.drifted == []
    assert before == [True]
    assert len(TABLES["slow"].rows) == 2
