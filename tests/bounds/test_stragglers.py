"""One call that does not end holds up the rows it travels with, and nobody else.

The straggler is let go when the rows of all other batches are in the target. If they had to wait for it, it would wait
for ever, and fails instead.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from memory_rows import MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op

LIMIT = 120
COUNT = 120


class Gate:
    """Opens when ``wanted`` rows are in the target, or when it is told to."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.opened = threading.Event()
        self.met = False
        self.before = 0
        self.calls = 0

    def look(self) -> None:
        if len(TABLES["out"].rows) >= self.wanted:
            self.opened.set()

    def pass_through(self) -> None:
        self.met = True
        if not self.opened.wait(LIMIT):
            raise TimeoutError(f"only {len(TABLES['out'].rows)} rows came in meanwhile")


GATE = [Gate(0)]


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    remove = coco.add_event_listener(lambda event: GATE[0].look())
    yield
    remove()


@op.function(behavior_version=1)
def straggler_sync(text: str) -> str:
    if text == "slow":
        GATE[0].pass_through()
    return text.upper()


@op.function(behavior_version=1)
async def straggler_async(text: str) -> str:
    if text == "slow":
        await asyncio.to_thread(GATE[0].pass_through)
    return text.upper()


@op.function(cache=True, behavior_version=1)
def straggler_cached(text: str) -> str:
    GATE[0].calls += 1
    if text == "slow":
        GATE[0].pass_through()
    return text.upper()


@op.function(cache=True, behavior_version=1)
async def straggler_cached_async(text: str) -> str:
    GATE[0].calls += 1
    if text == "slow":
        await asyncio.to_thread(GATE[0].pass_through)
    return text.upper()


@op.function(cache=True, behavior_version=1, batching=True, max_batch_size=4)
async def straggler_batching(text: list[str]) -> list[str]:
    GATE[0].calls += len(text)
    if "slow" in text:
        await asyncio.to_thread(GATE[0].pass_through)
    return [item.upper() for item in text]


@dataclasses.dataclass
class Piece:
    text: str


@op.function(behavior_version=1)
def straggler_pieces(text: str) -> list[Piece]:
    return [Piece(item) for item in text.split("/")]


def texts(prefix: str = "") -> dict[str, str]:
    """The second row is the straggler."""
    rows = {f"{prefix}{number:04}": f"{prefix}text {number}" for number in range(COUNT)}
    rows[f"{prefix}0001"] = "slow"
    return rows


def open_gate(wanted: int) -> None:
    GATE[0] = Gate(wanted)
    table("out")


def run(sources: dict[str, dict[str, Any]], function: Any, *, shared: bool = False) -> None:
    """All rows come in, the straggler's last."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out = scope.add_collector()
        for source, limits in sources.items():
            scope[source] = builder.add_source(MemoryRows(name=source), **limits)
            with scope[source].row() as doc:
                key = doc["content"] if shared else doc["_key"]
                out.collect(source=source, file=key, loud=doc["content"].transform(function))
        out.export("out", RowTable(name="out"), primary_key_fields=["source", "file"])

    flow = coco.open_flow("Straggling", define)
    flow.setup()
    info = flow.update()
    assert not info.has_errors, flow.errors()
    assert GATE[0].met
    assert len(TABLES["out"].rows) == COUNT * len(sources)


FUNCTIONS = [
    straggler_sync,
    straggler_async,
    straggler_cached,
    straggler_cached_async,
    straggler_batching,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    ("limits", "with_it"),
    [
        ({}, 64),
        ({"max_inflight_rows": 100}, 64),
        ({"max_inflight_rows": 10}, 5),
        ({"max_inflight_rows": 2}, 1),
        ({"max_inflight_bytes": 200}, 10),
    ],
    ids=str,
)
def test_a_slow_call_does_not_stop_other_batches(function: Any, limits: dict[str, Any], with_it: int) -> None:
    """``with_it``: rows that travel with the straggler at most."""
    fill("docs", texts())
    open_gate(COUNT - with_it)
    run({"docs": limits}, function)


def test_a_slow_call_does_not_stop_other_sources() -> None:
    fill("docs", texts())
    fill("more", {f"m{number}": f"more {number}" for number in range(COUNT)})
    open_gate(2 * COUNT - 5)
    run({"docs": {"max_inflight_rows": 10}, "more": {}}, straggler_sync)


def test_a_slow_call_does_not_stop_rows_of_a_shared_target() -> None:
    fill("docs", texts())
    open_gate(COUNT - 5)
    run({"docs": {"max_inflight_rows": 10}}, straggler_async, shared=True)


@pytest.mark.parametrize(
    "function", [straggler_cached, straggler_cached_async, straggler_batching], ids=lambda item: item.__name__
)
def test_a_call_shared_with_a_slow_batch_is_not_waited_for(function: Any) -> None:
    """Every document has a licence at its head. Its call is made once, by the first batch, in which one straggles."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out = scope.add_collector()
        scope["docs"] = builder.add_source(MemoryRows(name="docs"), max_inflight_rows=12)
        with scope["docs"].row() as doc:
            doc["pieces"] = doc["content"].transform(straggler_pieces)
            with doc["pieces"].row() as piece:
                out.collect(file=doc["_key"], text=piece["text"], loud=piece["text"].transform(function))
        out.export("out", RowTable(name="out"), primary_key_fields=["file", "text"])

    heads = ["licence", "notice", "a third", "and a fourth"]  # a whole batch of the batching function
    fill("docs", {key: "/".join([*heads, text]) for key, text in texts().items()})
    open_gate((COUNT - 6) * 5)
    flow = coco.open_flow("Licences", define)
    flow.setup()
    info = flow.update()
    assert not info.has_errors, flow.errors()
    assert GATE[0].met
    assert len(TABLES["out"].rows) == COUNT * 5
    assert GATE[0].calls == COUNT + 4, "and yet it is made once"


def test_a_slow_read_delays_its_batch_only() -> None:
    from memory_rows import TROUBLE, Misfortune

    fill("docs", {f"{number:04}": f"text {number}" for number in range(COUNT)})
    TROUBLE["docs"] = Misfortune(on_read=lambda key: GATE[0].pass_through() if key == "0001" else None)
    open_gate(COUNT - 5)
    run({"docs": {"max_inflight_rows": 10}}, straggler_sync)
