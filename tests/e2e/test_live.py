"""Live updating through the public API: timers, change streams, acknowledgements, status, ends."""

from __future__ import annotations

import asyncio
import datetime
import gc
import json
import logging
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from json_file import JsonFile

import coco
from coco import op
from coco.engine.context import RunOptions
from coco.environment.environment import ENVIRONMENT
from coco.errors import LifecycleError, SetupRequiredError, SourceError, StateStoreError
from coco.operations import live_source
from coco.operations.update import run_flow

LIMIT = 30
"""Seconds after which a test that waits for something has failed."""


class Board(op.SourceSpec):
    """Rows of a board in memory, by its name."""

    name: str
    stream: bool = True


class NoteKey(NamedTuple):
    id: str


class NoteText(NamedTuple):
    text: str


class Wall:
    """What a ``Board`` reads; ``post`` makes its stream say something."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.listings = 0
        self.reads: list[str] = []
        self.fail_listings = 0
        self.fail_streams = 0
        self.acked: list[str] = []
        self._acknowledged = threading.Condition()
        self.closed = 0
        self.subscribed = threading.Event()
        self._send: Callable[[Any], None] | None = None

    def post(self, *keys: str) -> None:
        assert self.subscribed.wait(LIMIT) and self._send is not None
        self._send([(NoteKey(key), None, lambda key=key: self._take(key)) for key in keys])

    def _take(self, key: str) -> None:
        with self._acknowledged:
            self.acked.append(key)
            self._acknowledged.notify_all()

    def wait_for_acks(self, *keys: str) -> None:
        with self._acknowledged:
            assert self._acknowledged.wait_for(lambda: sorted(self.acked) == sorted(keys), LIMIT)

    async def stream(self) -> AsyncIterator[Any]:
        if self.fail_streams:
            self.fail_streams -= 1
            raise ConnectionError("the board hung up")
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._send = lambda batch: loop.call_soon_threadsafe(queue.put_nowait, batch)  # type: ignore[assignment]
        self.subscribed.set()
        while (batch := await queue.get()) is not None:
            yield batch

    def end_stream(self) -> None:
        assert self._send is not None
        self._send(None)


WALLS: dict[str, Wall] = {}


@op.source_connector(spec_cls=Board, key_type=NoteKey, value_type=NoteText)
class BoardConnector:
    def __init__(self, spec: Board) -> None:
        self.spec = spec
        self.wall = WALLS[spec.name]

    @staticmethod
    def create(spec: Board) -> BoardConnector:
        return BoardConnector(spec)

    def list(self, options: op.SourceReadOptions) -> Iterator[op.PartialSourceRow[NoteKey, NoteText]]:
        self.wall.listings += 1
        if self.wall.fail_listings:
            self.wall.fail_listings -= 1
            raise SourceError("the board is being cleaned")
        for key, text in sorted(self.wall.rows.items()):
            yield op.PartialSourceRow(NoteKey(key), op.PartialSourceRowData(NoteText(text)))

    def get_value(self, key: NoteKey, options: op.SourceReadOptions) -> op.PartialSourceRowData[NoteText]:
        self.wall.reads.append(key.id)
        if key.id not in self.wall.rows:
            return op.PartialSourceRowData(op.NON_EXISTENCE)
        return op.PartialSourceRowData(NoteText(self.wall.rows[key.id]))

    async def change_stream(self) -> AsyncIterator[Any]:
        if self.spec.stream:
            async for batch in self.wall.stream():
                yield batch

    def close(self) -> None:
        self.wall.closed += 1


@op.function(behavior_version=1)
def checked_live(text: str) -> str:
    if text == "poison":
        raise ValueError("that is poison")
    return text


@pytest.fixture
def wall() -> Iterator[Wall]:
    WALLS["main"] = Wall()
    yield WALLS["main"]
    WALLS.clear()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_source, "MIN_RETRY_SECONDS", 0.01)


def make_flow(
    target: Path, *, stream: bool = True, interval: float | None = None, name: str = "Live"
) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        refresh = None if interval is None else datetime.timedelta(seconds=interval)
        scope["notes"] = builder.add_source(Board(name="main", stream=stream), refresh_interval=refresh)
        rows = scope.add_collector()
        with scope["notes"].row() as note:
            rows.collect(id=note["id"], text=note["text"].transform(checked_live))
        rows.export("out", JsonFile(path=str(target)), primary_key_fields=["id"])

    return coco.open_flow(name, define)


def texts(target: Path) -> list[str]:
    return sorted(row["text"] for row in json.loads(target.read_text()).values())


def until(updater: coco.FlowLiveUpdater, true: Callable[[], bool]) -> None:
    """Follow status updates until something holds."""
    while not true():
        assert updater.next_status_updates().active_sources, "the updater has ended"


@pytest.mark.timeout(LIMIT * 2)
def test_changes_of_a_stream_are_followed_and_acknowledged(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one", "b": "two"}
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        first = updater.next_status_updates()
        assert (first.active_sources, first.updated_sources) == (["notes"], ["notes"])
        assert texts(target) == ["one", "two"]
        listings, wall.reads = wall.listings, []
        wall.rows["a"] = "changed"
        del wall.rows["b"]
        wall.rows["c"] = "new"
        wall.post("a", "b", "c")
        wall.wait_for_acks("a", "b", "c")
        assert texts(target) == ["changed", "new"]
        assert (wall.listings, sorted(wall.reads)) == (listings, ["a", "b", "c"]), (
            "only what was named is read"
        )
        stats = updater.update_stats()["notes"]
        assert (stats.num_insertions, stats.num_updates, stats.num_deletions) == (3, 1, 1)
    assert wall.closed, "the stream's connector is closed at the end"
    assert updater.next_status_updates().active_sources == []


@pytest.mark.timeout(LIMIT * 2)
def test_drop_and_changing_setup_are_refused_under_an_idle_updater(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        wall.rows["b"] = "two"
        wall.post("b")
        wall.wait_for_acks("b")  # from here on there is nothing to do
        for refused in (
            flow.drop,
            lambda: asyncio.run(flow.drop_async()),
            coco.drop_all_flows,
            lambda: flow_to(tmp_path / "elsewhere.json").setup(allow_destructive=True),
        ):
            with pytest.raises(
                LifecycleError, match=r"a live updater .* follows flow 'Live'; nothing was changed"
            ):
                refused()
        flow.setup()  # changes nothing
        wall.rows["a"] = "changed"
        wall.post("a")
        wall.wait_for_acks("a", "b")
        assert texts(target) == ["changed", "two"]
        assert not (tmp_path / "elsewhere.json").exists()
    flow.drop()
    assert not target.exists()


def flow_to(target: Path) -> coco.Flow:
    """Another definition of the same flow, which no name is registered for."""
    known = coco.flows()["Live"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coco.api.registry._flows", {})
        flow = make_flow(target)
    assert coco.flows()["Live"] is known
    return flow


@pytest.mark.timeout(LIMIT * 2)
@pytest.mark.parametrize("kind", ["sqlite", "files"])
def test_a_deleted_target_is_reported_once(
    kind: str, wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the number of rows and passes; and once that it is back."""
    place = tmp_path / "target"
    files = coco.targets.Files(path=str(place), content="text", metadata=False)
    spec = coco.targets.Sqlite(path=str(place / "out.db")) if kind == "sqlite" else files
    wall.rows = {"a": "one"}

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["notes"] = builder.add_source(Board(name="main"))
        rows = scope.add_collector()
        with scope["notes"].row() as note:
            rows.collect(id=note["id"], text=note["text"])
        rows.export("out", spec, primary_key_fields=["id"])

    flow = coco.open_flow("Gone", define)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        shutil.rmtree(place)
        for text in ("two", "three"):
            before = updater.update_stats().total.num_errors
            wall.rows |= {"a": text, "b": text}
            wall.post("a", "b")
            until(updater, lambda before=before: updater.update_stats().total.num_errors >= before + 2)  # type: ignore[misc]
        said = [item.getMessage() for item in caplog.records if item.name == "coco.Gone"]
        assert len(said) == 1
        assert "does not exist" in said[0] and str(place) in said[0] and "coco verify --repair" in said[0]
        assert {item.key for item in flow.errors()} == {"a", "b"}
        caplog.clear()
        assert flow.verify(repair=True).targets[0].recreated
        wall.rows["b"] = "four"
        wall.post("a", "b")
        until(updater, lambda: not flow.errors())
    assert [item.getMessage() for item in caplog.records if item.name == "coco.Gone"] == [
        "target 'out' of flow 'Gone' accepts rows again"
    ]


@pytest.mark.timeout(LIMIT * 2)
def test_a_failed_change_is_not_acknowledged(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one", "b": "two"}
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        wall.rows |= {"a": "poison", "b": "fine"}
        wall.post("a", "b")
        wall.wait_for_acks("b")
        assert texts(target) == ["fine", "one"], "the old row stays"
        assert [item.key for item in flow.errors()] == ["a"]
        wall.rows["a"] = "healed"
        wall.post("a")
        wall.wait_for_acks("b", "a")
        assert texts(target) == ["fine", "healed"]
        assert flow.errors() == []


@pytest.mark.timeout(LIMIT * 2)
def test_an_empty_message_asks_for_a_listing(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        wall.rows["b"] = "unheard of"
        wall.post()
        until(updater, lambda: texts(target) == ["one", "unheard of"])


@pytest.mark.timeout(LIMIT * 2)
def test_a_stream_that_fails_is_reopened(
    wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "out.json"
    wall.rows, wall.fail_streams = {"a": "one"}, 2
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow):
        wall.rows["b"] = "while deaf"
        wall.post("b")
        wall.wait_for_acks("b")
    assert texts(target) == ["one", "while deaf"]
    assert caplog.text.count("ConnectionError: the board hung up") == 2 and "source 'notes'" in caplog.text


@pytest.mark.timeout(LIMIT * 2)
def test_a_timer_lists_again(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target, stream=False, interval=0.01)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        updater.next_status_updates()
        wall.rows["b"] = "later"
        until(updater, lambda: "later" in texts(target))
        del wall.rows["a"]
        until(updater, lambda: texts(target) == ["later"])


@pytest.mark.timeout(LIMIT * 2)
def test_a_failed_run_does_not_end_live_mode(
    wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "out.json"
    wall.rows, wall.fail_listings = {"a": "one"}, 2
    flow = make_flow(target)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        until(updater, lambda: texts(target) == ["one"])
    assert "a run of flow 'Live' failed" in caplog.text and "being cleaned" in caplog.text


@pytest.mark.timeout(LIMIT * 2)
def test_a_state_that_is_deleted_ends_live_mode_with_the_reason(
    wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target)
    flow.setup()
    updater = coco.FlowLiveUpdater(flow)
    updater.start()
    until(updater, lambda: texts(target) == ["one"])
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    wall.rows["a"] = "changed"
    wall.post("a")
    with pytest.raises(StateStoreError, match=r"state\.db was deleted or moved while coco worked with it"):
        updater.wait()
    assert [item.getMessage() for item in caplog.records] == []
    assert texts(target) == ["one"]


@pytest.mark.timeout(LIMIT * 2)
def test_nothing_to_follow_ends_by_itself(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target, stream=False)
    flow.setup()
    updater = coco.FlowLiveUpdater(flow)
    updater.start()
    updater.wait()
    updater.wait()
    last = updater.next_status_updates()
    assert (last.active_sources, last.updated_sources) == ([], ["notes"])
    assert updater.next_status_updates().updated_sources == []
    assert texts(target) == ["one"]


@pytest.mark.timeout(LIMIT * 2)
def test_a_stream_that_ends_leaves_nothing_to_follow(wall: Wall, tmp_path: Path) -> None:
    flow = make_flow(tmp_path / "out.json")
    flow.setup()
    updater = coco.FlowLiveUpdater(flow)
    updater.start()
    assert wall.subscribed.wait(LIMIT)
    wall.end_stream()
    updater.wait()


@pytest.mark.timeout(LIMIT * 2)
def test_the_error_of_a_single_run_is_raised(wall: Wall, tmp_path: Path) -> None:
    wall.fail_listings = 1
    flow = make_flow(tmp_path / "out.json")
    flow.setup()
    updater = coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(live_mode=False))
    updater.start()
    for _ in range(2):
        with pytest.raises(SourceError, match="being cleaned"):
            updater.wait()
    assert updater.next_status_updates().active_sources == []


@pytest.mark.timeout(LIMIT * 2)
def test_no_task_is_left_after_the_end(wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flow = make_flow(tmp_path / "out.json", interval=3600)
    flow.setup()
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        for _ in range(3):
            updater = coco.FlowLiveUpdater(flow)
            updater.start()
            updater.abort()
            updater.abort()
            updater.wait()
        with coco.FlowLiveUpdater(flow) as updater:
            assert wall.subscribed.wait(LIMIT)
        coco.stop()
        gc.collect()
    assert "destroyed" not in caplog.text and "never retrieved" not in caplog.text


@pytest.mark.timeout(LIMIT * 2)
def test_async_twins(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target)

    async def main() -> None:
        with pytest.raises(SetupRequiredError):
            await coco.FlowLiveUpdater(flow).start_async()
        await flow.setup_async()
        async with coco.FlowLiveUpdater(flow) as updater:
            first = await updater.next_status_updates_async()
            assert first.updated_sources == ["notes"]
            waiting = asyncio.ensure_future(updater.next_status_updates_async())
            await asyncio.sleep(0)
            waiting.cancel()  # someone who waits may go away
            await asyncio.gather(waiting, return_exceptions=True)
            wall.rows["b"] = "two"
            wall.post("b")
            while texts(target) != ["one", "two"]:
                await updater.next_status_updates_async()
        await updater.wait_async()

    asyncio.run(main())


def test_a_blocking_call_on_cocos_own_loop_is_refused(wall: Wall, tmp_path: Path) -> None:
    flow = make_flow(tmp_path / "out.json")

    async def inside() -> None:
        flow.update()

    with pytest.raises(LifecycleError, match=r"await update_async\(\)"):
        ENVIRONMENT.loop.run(inside(), "x")


def test_a_blocking_call_in_another_loop_names_the_async_one(
    wall: Wall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flow = make_flow(tmp_path / "out.json")
    flow.setup()
    ENVIRONMENT.loop._hinted.clear()

    async def main() -> None:
        flow.update()
        flow.update()

    asyncio.run(main())
    assert caplog.text.count("use `await` with update_async() instead") == 1


@pytest.mark.timeout(LIMIT * 2)
def test_updates_share_a_run_that_continues_when_one_caller_cancels(wall: Wall, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    wall.rows = {"a": "one"}
    flow = make_flow(target)
    flow.setup()

    graph = flow.graph

    async def main() -> None:
        first, second, third = (
            asyncio.ensure_future(run_flow(ENVIRONMENT, graph, RunOptions())) for _ in range(3)
        )
        await asyncio.sleep(0)
        second.cancel()
        done: Any = await asyncio.gather(first, second, third, return_exceptions=True)
        assert isinstance(done[1], asyncio.CancelledError)
        assert done[0] is done[2] and done[0]["notes"].num_insertions == 1

    ENVIRONMENT.loop.run(main(), "main()")
    assert texts(target) == ["one"] and wall.listings == 1


def test_a_run_without_callers_is_cancelled(wall: Wall, tmp_path: Path) -> None:
    wall.rows = {"a": "one"}
    flow = make_flow(tmp_path / "out.json")
    flow.setup()
    graph = flow.graph

    async def main() -> None:
        only = asyncio.ensure_future(run_flow(ENVIRONMENT, graph, RunOptions()))
        await asyncio.sleep(0)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)

    ENVIRONMENT.loop.run(main(), "main()")
    assert flow.update()["notes"].num_insertions == 1, "nobody is held up by what is left of it"
