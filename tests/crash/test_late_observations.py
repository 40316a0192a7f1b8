"""What is seen late or in the wrong order never overwrites what is newer."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.op import NON_EXISTENCE, PartialSourceRow, PartialSourceRowData, SourceReadOptions

LIMIT = 30


class Feed(op.SourceSpec):
    """Rows of ``SEEN``, as their source sees them at the moment; ``post`` announces keys."""


class Item:
    """One observation. ``ordinal``: what the source says of its age."""

    def __init__(self, text: str | None, ordinal: int) -> None:
        self.text = text
        self.ordinal = ordinal


class Seen:
    """``listed`` and ``read`` may differ, as where replicas answer. ``read``: the answers in turn, the last one stays."""

    def __init__(self) -> None:
        self.listed: dict[str, Item] = {}
        self.read: dict[str, list[Item]] = {}
        self.acked: list[str] = []
        self.subscribed = threading.Event()
        self.acknowledged = threading.Condition()
        self._send: Callable[[Any], None] | None = None

    def put(self, key: str, text: str | None, ordinal: int) -> None:
        self.listed[key] = Item(text, ordinal)
        self.read[key] = [self.listed[key]]

    def post(self, *keys: str) -> None:
        assert self.subscribed.wait(LIMIT) and self._send is not None
        self._send([(key, None, lambda key=key: self._ack(key)) for key in keys])

    def _ack(self, key: str) -> None:
        with self.acknowledged:
            self.acked.append(key)
            self.acknowledged.notify_all()

    def wait_for_acks(self, count: int) -> None:
        with self.acknowledged:
            assert self.acknowledged.wait_for(lambda: len(self.acked) >= count, LIMIT)

    async def stream(self) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._send = lambda batch: loop.call_soon_threadsafe(queue.put_nowait, batch)  # type: ignore[assignment]
        self.subscribed.set()
        while True:
            yield await queue.get()


SEEN: list[Seen] = []


@dataclasses.dataclass
class Text:
    text: str


@op.source_connector(spec_cls=Feed, key_type=str, value_type=Text)
class FeedConnector:
    @staticmethod
    def create(spec: Feed) -> FeedConnector:
        return FeedConnector()

    def provides_ordinal(self) -> bool:
        return True

    def list(self, options: SourceReadOptions) -> Iterator[PartialSourceRow[str, Text]]:
        for key, item in SEEN[0].listed.items():
            if item.text is not None:
                yield PartialSourceRow(key, PartialSourceRowData(ordinal=item.ordinal))

    def get_value(self, key: str, options: SourceReadOptions) -> PartialSourceRowData[Text]:
        answers = SEEN[0].read.get(key, [])
        if not answers:
            return PartialSourceRowData(NON_EXISTENCE)
        item = answers.pop(0) if len(answers) > 1 else answers[0]
        return PartialSourceRowData(NON_EXISTENCE if item.text is None else Text(item.text), item.ordinal)

    async def change_stream(self) -> AsyncIterator[Any]:
        async for batch in SEEN[0].stream():
            yield batch


HOLD: dict[str, threading.Event] = {}
STARTED = threading.Event()


@op.function(behavior_version=1)
def late_loud(text: str) -> str:
    if text in HOLD:
        STARTED.set()
        assert HOLD[text].wait(LIMIT)
    return text.upper()


@pytest.fixture
def seen() -> Iterator[Seen]:
    SEEN[:] = [Seen()]
    table("out")
    STARTED.clear()
    yield SEEN[0]
    HOLD.clear()


def make() -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["items"] = builder.add_source(Feed())
        out = scope.add_collector()
        with scope["items"].row() as item:
            out.collect(key=item["_key"], loud=item["text"].transform(late_loud))
        out.export("out", RowTable(name="out"), primary_key_fields=["key"])

    flow = coco.open_flow("Late", define)
    flow.setup()
    return flow


def loud() -> dict[str, str]:
    return {key[0]: row["loud"] for key, row in TABLES["out"].rows.items()}


# -- events ---------------------------------------------------------------------------------------
def test_a_late_event_with_an_older_version_is_skipped(seen: Seen) -> None:
    seen.put("a", "new", 5)
    flow = make()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        seen.read["a"] = [Item("old", 3)]  # a replica that lags behind answers
        seen.post("a")
        seen.wait_for_acks(1)
        assert loud() == {"a": "NEW"}
        assert sum(item.stats.num_stale for item in updater.update_stats().sources) == 1
        seen.read["a"] = [Item("newest", 6)]
        seen.post("a")
        seen.wait_for_acks(2)
        assert loud() == {"a": "NEWEST"}


def test_a_late_event_does_not_delete_what_is_newer(seen: Seen) -> None:
    seen.put("a", "new", 5)
    flow = make()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        seen.read["a"] = [Item(None, 4)]
        seen.post("a")
        seen.wait_for_acks(1)
        assert loud() == {"a": "NEW"}
        seen.read["a"] = [Item(None, 6)]
        seen.post("a")
        seen.wait_for_acks(2)
        assert loud() == {}


def test_of_two_events_of_one_key_the_newer_is_written(seen: Seen) -> None:
    """The second comes while the first is worked on; then both at once, the older one last."""
    seen.put("a", "first", 1)
    flow = make()
    flow.update()
    HOLD["second"] = threading.Event()
    with coco.FlowLiveUpdater(flow):
        assert seen.subscribed.wait(LIMIT)
        seen.read["a"] = [Item("second", 2), Item("third", 3)]
        seen.post("a")
        assert STARTED.wait(LIMIT)
        seen.post("a")
        seen.post("a")
        HOLD["second"].set()
        seen.wait_for_acks(3)
        assert loud() == {"a": "THIRD"}
        seen.read["a"] = [Item("fifth", 5), Item("fourth", 4)]
        seen.post("a")
        seen.wait_for_acks(4)
        seen.post("a")
        seen.wait_for_acks(5)
        assert loud() == {"a": "FIFTH"}


def test_a_late_event_does_not_restore_a_deleted_row(seen: Seen) -> None:
    seen.put("a", "there", 5)
    seen.put("b", "b", 5)
    flow = make()
    flow.update()
    with coco.FlowLiveUpdater(flow):
        assert seen.subscribed.wait(LIMIT)
        del seen.listed["a"]
        seen.read["a"] = [Item(None, 6)]
        seen.post("a")
        seen.wait_for_acks(1)
        assert loud() == {"b": "B"}
        seen.read["a"] = [Item("there", 5)]
        seen.post("a")
        seen.wait_for_acks(2)
        assert loud() == {"b": "B"}
        seen.read["a"] = [Item("again", 7)]
        seen.post("a")
        seen.wait_for_acks(3)
        assert loud() == {"a": "AGAIN", "b": "B"}


def test_an_event_for_a_restored_older_version_is_followed(seen: Seen) -> None:
    """The listing, which is asked for then, says that the older one is what there is."""
    seen.put("a", "new", 5)
    flow = make()
    flow.update()
    with coco.FlowLiveUpdater(flow) as updater:
        seen.put("a", "restored", 2)
        seen.post("a")
        while loud() != {"a": "RESTORED"}:
            assert updater.next_status_updates().active_sources


# -- listings -------------------------------------------------------------------------------------
def test_a_source_whose_ordinals_go_back_is_followed(seen: Seen) -> None:
    """A complete listing is what there is: a restored backup counts, and so does what comes after it."""
    seen.put("a", "new", 5)
    flow = make()
    flow.update()
    seen.put("a", "backup", 2)
    assert flow.update()["items"].num_updates == 1
    assert loud() == {"a": "BACKUP"}
    seen.put("a", "edited", 3)
    assert flow.update()["items"].num_updates == 1
    assert loud() == {"a": "EDITED"}


def test_a_read_older_than_the_listing_is_repeated(seen: Seen) -> None:
    seen.put("a", "first", 1)
    flow = make()
    flow.update()
    seen.listed["a"] = Item("second", 2)  # reads still give the first one
    flow.update()
    assert loud() == {"a": "FIRST"}
    seen.read["a"] = [Item("second", 2)]
    flow.update()
    assert loud() == {"a": "SECOND"}
    assert flow.update()["items"].num_no_change == 1
