"""An update that is cancelled leaves a state from which the next one finishes, without doing things twice."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from counted import seen, work_of
from memory_rows import MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.events import FlowEvent, RowsCommitted, RunFinished

CALLS: list[str] = []
HOLD: dict[str, asyncio.Event] = {}
STARTED = threading.Event()


@op.function(cache=True, behavior_version=1)
async def cancel_slowly(text: str) -> str:
    CALLS.append(text)
    if text in HOLD:
        STARTED.set()
        await HOLD[text].wait()
    return text.upper()


def make(rows: int = 1, function: Any = cancel_slowly) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="docs"), max_inflight_rows=rows)
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["loud"] = doc["content"].transform(function)
            out.collect(file=doc["_key"], loud=doc["loud"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    flow = coco.open_flow("Cancel", define)
    flow.setup()
    return flow


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()
    HOLD.clear()
    STARTED.clear()
    table("out")
    fill("docs", {f"{number}": f"text {number}" for number in range(6)})


def everything() -> dict[tuple[str, ...], dict[str, str]]:
    return {(f"{number}",): {"loud": f"TEXT {number}"} for number in range(6)}


def test_cancelled_while_a_target_is_written(events: list[FlowEvent]) -> None:
    started, release = threading.Event(), threading.Event()

    def on_write() -> None:
        started.set()
        assert release.wait(30)

    async def main() -> None:
        task = asyncio.create_task(flow.update_async())
        assert await asyncio.to_thread(started.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    flow = make()
    TABLES["out"].on_write = on_write
    asyncio.run(main())
    flow.update()  # waits for the other one, which finishes what it had begun
    assert TABLES["out"].rows == everything()
    assert sorted(key for key, _ in TABLES["out"].writes) == sorted(everything())  # each row once
    assert sorted(CALLS) == [f"text {number}" for number in range(6)]
    finished = seen(events, RunFinished)
    assert [event.failed for event in finished] == [True, False]
    assert sum(event.rows for event in seen(events, RowsCommitted)) == 6
    work_of(events)
    flow.update()
    assert work_of(events).none


def test_cancelled_while_a_function_runs() -> None:
    async def main() -> None:
        task = asyncio.create_task(flow.update_async())
        assert await asyncio.to_thread(STARTED.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    flow = make()
    HOLD["text 3"] = asyncio.Event()
    asyncio.run(main())
    done = len(CALLS)
    HOLD.clear()
    flow.update()
    assert TABLES["out"].rows == everything()
    assert len(CALLS) == 7  # the call that was cut off, again; no other
    assert done < 7


def test_cancelled_while_a_function_blocks_a_thread() -> None:
    """The caller is free at once, and so is the flow; only the thread is lost until the function ends."""
    started, release = threading.Event(), threading.Event()

    @op.function(cache=True, behavior_version=1)
    def cancel_blocking(text: str) -> str:
        CALLS.append(text)
        if text == "text 3" and not started.is_set():
            started.set()
            assert release.wait(30)
        return text.upper()

    async def main() -> None:
        task = asyncio.create_task(flow.update_async())
        assert await asyncio.to_thread(started.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    flow = make(function=cancel_blocking)
    try:
        asyncio.run(main())
        flow.update()
        assert not release.is_set()
        assert TABLES["out"].rows == everything()
        assert len(CALLS) == 7
    finally:
        release.set()
    flow.update()
    assert TABLES["out"].rows == everything()


def test_cached_results_of_a_cancelled_batch_are_kept() -> None:
    async def main() -> None:
        task = asyncio.create_task(flow.update_async())
        assert await asyncio.to_thread(STARTED.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    flow = make(rows=6)
    HOLD["text 3"] = asyncio.Event()
    asyncio.run(main())
    HOLD.clear()
    flow.update()
    assert TABLES["out"].rows == everything()
    assert sorted(CALLS) == sorted([*(f"text {number}" for number in range(6)), "text 3"])
