"""What is slow holds up what comes before it: nothing piles up in between, whatever the size of the corpus.

Sources make their rows up as they are asked, and count those that are alive; targets keep nothing.
"""

from __future__ import annotations

import dataclasses
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis_profiles import examples

import coco
from coco import op
from coco.events import FlowEvent, RowsCommitted
from coco.op import NO_ORDINAL, PartialSourceRow, PartialSourceRowData, SourceReadOptions

LIMIT = 60


@dataclasses.dataclass
class Traffic:
    """What is on its way. ``on_write``: called before a target is written; ``on_call``: by the function."""

    listed: int = 0
    read: int = 0
    called: int = 0
    committed: int = 0
    ahead: int = 0
    in_flight: int = 0
    calls_in_flight: int = 0
    written: int = 0
    largest_write: int = 0
    alive: int = 0
    alive_at_most: int = 0
    bytes_alive: int = 0
    bytes_at_most: int = 0
    on_write: Callable[[], Any] = lambda: None
    on_call: Callable[[], Any] = lambda: None
    guard: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    changed: threading.Condition = dataclasses.field(default_factory=threading.Condition)

    def look(self) -> None:
        with self.guard:
            self.ahead = max(self.ahead, self.listed - self.committed)
            self.in_flight = max(self.in_flight, self.read - self.committed)
            self.calls_in_flight = max(self.calls_in_flight, self.called - self.committed)
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, LIMIT), self

    def born(self, document: Document) -> None:
        size = len(document.content)
        with self.guard:
            self.alive += 1
            self.bytes_alive += size
            self.alive_at_most = max(self.alive_at_most, self.alive)
            self.bytes_at_most = max(self.bytes_at_most, self.bytes_alive)
        weakref.finalize(document, self._died, size)

    def _died(self, size: int) -> None:
        with self.guard:
            self.alive -= 1
            self.bytes_alive -= size


TRAFFIC = [Traffic()]


class Made(op.SourceSpec):
    """``count`` rows of ``size`` characters. ``inline``: the listing gives values, if it is asked for them."""

    count: int
    size: int = 10
    inline: bool = False


@dataclasses.dataclass
class Document:
    content: str


@op.source_connector(spec_cls=Made, key_type=str, value_type=Document)
class MadeConnector:
    def __init__(self, spec: Made) -> None:
        self._spec = spec

    @staticmethod
    def create(spec: Made) -> MadeConnector:
        return MadeConnector(spec)

    def provides_ordinal(self) -> bool:
        return not self._spec.inline

    def list(self, options: SourceReadOptions) -> Iterator[PartialSourceRow[str, Document]]:
        for number in range(self._spec.count):
            TRAFFIC[0].listed += 1
            TRAFFIC[0].look()
            data: PartialSourceRowData[Any] = PartialSourceRowData(ordinal=1)
            if self._spec.inline:
                data = PartialSourceRowData(ordinal=NO_ORDINAL)
                if options.include_value:
                    data.value = self._document(number)
            yield PartialSourceRow(f"{number:06}", data)

    def get_value(self, key: str, options: SourceReadOptions) -> PartialSourceRowData[Document]:
        TRAFFIC[0].read += 1
        TRAFFIC[0].look()
        return PartialSourceRowData(self._document(int(key)))

    def _document(self, number: int) -> Document:
        document = Document(f"{number:06}" + "x" * (self._spec.size - 6))
        TRAFFIC[0].born(document)
        return document


class Drain(op.TargetSpec):
    """Keeps nothing."""

    name: str = "drain"


@op.target_connector(spec_cls=Drain, persistent_key_type=str)
class DrainConnector:
    @staticmethod
    def get_persistent_key(spec: Drain, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        pass

    @staticmethod
    def mutate_columns(*batches: tuple[Drain, op.MutationColumns]) -> None:
        for _, batch in batches:
            TRAFFIC[0].on_write()
            TRAFFIC[0].written += len(batch.upsert_keys)
            TRAFFIC[0].largest_write = max(TRAFFIC[0].largest_write, len(batch.upsert_keys))


@dataclasses.dataclass
class Piece:
    number: int
    text: str


@op.function(behavior_version=1)
def traffic_length(text: str) -> int:
    TRAFFIC[0].called += 1
    TRAFFIC[0].look()
    TRAFFIC[0].on_call()
    return len(text)


@op.function(behavior_version=1)
async def traffic_length_async(text: str) -> int:
    return len(text)


@op.function(behavior_version=1)
def traffic_pieces(text: str) -> list[Piece]:
    return [Piece(number, text[number * 10 : number * 10 + 10]) for number in range(len(text) // 10)]


@pytest.fixture(autouse=True)
def traffic() -> Iterator[Traffic]:
    TRAFFIC[0] = Traffic()

    def listen(event: FlowEvent) -> None:
        if isinstance(event, RowsCommitted):
            TRAFFIC[0].committed += event.rows
            TRAFFIC[0].look()

    remove = coco.add_event_listener(listen)
    yield TRAFFIC[0]
    remove()


def rows_flow(
    source: Made, targets: Sequence[str] = ("drain",), name: str = "Traffic", **limits: Any
) -> coco.Flow:
    """Each row becomes one, in every target."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(source, **limits)
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], length=doc["content"].transform(traffic_length))
        for target in targets:
            out.export(target, Drain(name=f"{name}.{target}"), primary_key_fields=["file"])

    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


# -- a slow target ------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", [1, 2, 7, 40])
@pytest.mark.parametrize("slow", ["on_call", "on_write"])
def test_a_slow_function_or_target_limits_the_rows_in_flight(slow: str, limit: int, traffic: Traffic) -> None:
    """A function or a target goes on only when as much has been read as the limit allows; more never comes."""
    count = 20 * limit
    batch = max(limit // 2, 1)
    most = limit - limit % batch

    def wait() -> None:
        if count - traffic.committed > limit:
            traffic.wait_until(lambda: traffic.read - traffic.committed >= most)

    setattr(traffic, slow, wait)
    assert not rows_flow(Made(count=count), max_inflight_rows=limit).update().has_errors
    assert traffic.written == count
    assert most <= traffic.in_flight <= limit
    assert 1 <= traffic.calls_in_flight <= limit


def test_a_slow_target_pauses_the_listing(traffic: Traffic) -> None:
    """Keys are taken from a listing in pieces of 2000; the next piece waits until this one is under way."""
    count = examples(20_000, long=12_000)
    assert not rows_flow(Made(count=count), max_inflight_rows=100).update().has_errors
    assert traffic.written == count > 2_000 + 2 * 100
    assert traffic.in_flight <= 100
    assert traffic.ahead <= 2_000 + 2 * 100


def test_the_slowest_of_several_targets_counts(traffic: Traffic) -> None:
    flow = rows_flow(Made(count=300), ("drain", "other"), max_inflight_rows=20)
    assert not flow.update().has_errors
    assert traffic.written == 600
    assert traffic.in_flight <= 20


# -- values that come with the listing ------------------------------------------------------------------
@pytest.mark.parametrize("limit", [1, 10, 100])
def test_values_in_a_listing_count_too(limit: int, traffic: Traffic) -> None:
    """What waits to be worked on is one piece of the listing, no larger than a batch."""
    count = examples(1_500, long=1_000)
    assert not rows_flow(Made(count=count, inline=True), max_inflight_rows=limit).update().has_errors
    assert (traffic.written, traffic.read) == (count, 0)
    assert traffic.alive_at_most <= 2 * limit + 2 < count


def test_values_are_not_listed_under_a_limit_of_bytes(traffic: Traffic) -> None:
    source = Made(count=300, size=1_000, inline=True)
    assert not rows_flow(source, max_inflight_bytes=10_000).update().has_errors
    assert (traffic.written, traffic.read) == (300, 300)
    assert 1_000 < traffic.bytes_at_most <= 10_000


# -- memory -----------------------------------------------------------------------------------------------
def peak_of(flow: coco.Flow) -> int:
    """Bytes allocated by an update beyond what was there before it, at most."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert not flow.update().has_errors
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


KEY = 800
"""Bytes that bookkeeping may take for each row that is listed: its key, and what state knows of it."""


@pytest.mark.parametrize("limits", [{"max_inflight_rows": 50}, {"max_inflight_bytes": 500_000}], ids=str)
def test_memory_does_not_grow_with_the_contents(limits: dict[str, Any], traffic: Traffic) -> None:
    """Rows of 10 KB: six times as many need only the bookkeeping of their keys more."""
    few, many, size = examples(330, long=300), examples(2_000, long=1_800), 10_000
    rows_flow(Made(count=10, size=size), **limits).update()  # what is made once is there
    peaks = []
    for count in (few, many):
        flow = rows_flow(Made(count=count, size=size), name=f"Memory{count}", **limits)
        peaks.append(peak_of(flow))
    assert peaks[0] > size
    assert peaks[1] - peaks[0] < (many - few) * KEY, peaks


@pytest.mark.parametrize("function", [traffic_length, traffic_length_async], ids=lambda item: item.__name__)
def test_a_document_of_many_chunks(function: Any, traffic: Traffic) -> None:
    """All chunks of a row are in memory at once, each with what it yields; targets get them in parts."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Made(count=1, size=chunks * 10))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["pieces"] = doc["content"].transform(traffic_pieces)
            with doc["pieces"].row() as piece:
                length = piece["text"].transform(function)
                out.collect(file=doc["_key"], number=piece["number"], text=piece["text"], length=length)
        out.export("drain", Drain(name=f"drain{chunks}"), primary_key_fields=["file", "number"])

    peaks = []
    more = examples(33_000, long=20_000)
    for chunks in (3_000, 3_000 + more):
        flow = coco.open_flow(f"Chunks{chunks}", define)
        flow.setup()
        peaks.append(peak_of(flow))
    assert traffic.written == 6_000 + more
    assert traffic.largest_write <= 5_000
    assert (peaks[1] - peaks[0]) / more < 900, peaks
