"""Results that are not in the memo yet are what a crash repeats: their number is limited, however slow the store."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from memory_rows import MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.engine.memo import MOST_UNWRITTEN
from coco.state.sqlite.memo import Memo

CALLS = 4_000
ON_THE_WAY = 200
"""Calls made before their results are handed over, generously."""
PATIENCE_SECONDS = 1.0


class Store:
    """Does not get on with its first write as long as calls are made beyond the limit."""

    def __init__(self) -> None:
        self.calls = 0
        self.held = False
        self.beyond = threading.Event()
        self.too_many = False

    def hold(self) -> None:
        if not self.held:
            self.held = True
            self.too_many = self.beyond.wait(PATIENCE_SECONDS)


STORE = [Store()]


@dataclasses.dataclass
class Item:
    number: int


@op.function(behavior_version=1)
def unwritten_items(text: str) -> list[Item]:
    return [Item(number) for number in range(int(text))]


def count_call() -> None:
    store = STORE[0]
    store.calls += 1
    if store.calls > MOST_UNWRITTEN + ON_THE_WAY:
        store.beyond.set()


@op.function(cache=True, behavior_version=1)
def unwritten_square(number: int) -> int:
    count_call()
    return number * number


@op.function(cache=True, behavior_version=1)
async def unwritten_square_of_coroutine(number: int) -> int:
    count_call()
    await asyncio.sleep(0)
    return number * number


@op.function(cache=True, behavior_version=1, batching=True, max_batch_size=20)
def unwritten_squares(numbers: list[int]) -> list[int]:
    for _ in numbers:
        count_call()
    return [number * number for number in numbers]


@op.function(cache=True, behavior_version=1, batching=True, max_batch_size=20)
async def unwritten_squares_of_coroutine(numbers: list[int]) -> list[int]:
    for _ in numbers:
        count_call()
    await asyncio.sleep(0)
    return [number * number for number in numbers]


@pytest.mark.parametrize(
    "square",
    [
        unwritten_square,
        unwritten_square_of_coroutine,
        unwritten_squares,
        unwritten_squares_of_coroutine,
    ],
    ids=["plain", "coroutine", "batching", "batching coroutine"],
)
def test_calls_wait_for_a_slow_store(square: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_many = Memo.memo_put_many

    def slowly(self: Memo, entries: Sequence[tuple[bytes, bytes]]) -> None:
        STORE[0].hold()
        put_many(self, entries)

    monkeypatch.setattr(Memo, "memo_put_many", slowly)
    STORE[0] = store = Store()
    fill("numbers", {"a": str(CALLS)})
    table("squares")

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="numbers"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["items"] = doc["content"].transform(unwritten_items)
            with doc["items"].row() as item:
                out.collect(number=item["number"], square=item["number"].transform(square))
        out.export("squares", RowTable(name="squares"), primary_key_fields=["number"])

    flow = coco.open_flow("Unwritten", define)
    flow.setup()
    assert not flow.update().has_errors
    assert store.held
    assert not store.too_many
    assert store.calls == len(TABLES["squares"].rows) == CALLS
