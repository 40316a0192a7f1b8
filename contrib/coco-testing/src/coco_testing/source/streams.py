"""Change streams: announcing changes, pausing, restarting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from coco.kit.adapters import call_any
from coco.op import PartialSourceRowData
from coco_testing.abilities import RefusedError
from coco_testing.source.base import FACTS, SourceBase, World
from coco_testing.suite import check

MORE_STREAM_ABILITIES: tuple[str, ...] = ("change_stream", "change_stream.redelivers")
MARKER_SECONDS = 0.25
BURST = 200
Key = tuple[Any, ...]


class Listener:
    """A consumer of one stream. ``events``: (key, ack) in order of arrival; ``listings``: number of requests to list.

    The consumer pulls while ``pulling`` is set.
    """

    def __init__(self, connector: Any, encode: Callable[[Any], Key], limit: float) -> None:
        self.connector = connector
        self._limit = limit
        self.events: list[tuple[Key, Any]] = []
        self.listings = 0
        self.pulling = asyncio.Event()
        self.pulling.set()
        self._encode = encode
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._pull())

    async def _pull(self) -> None:
        async for batch in self.connector.change_stream():
            changes = list(batch)
            self.listings += not changes
            for change in changes:
                assert len(change) == 3, f"a change is (key, data or None, ack or None), got {change!r}"
                key, data, ack = change
                assert data is None or isinstance(data, PartialSourceRowData), f"data is {data!r}"
                assert ack is None or callable(ack), f"ack is {ack!r}"
                self.events.append((self._encode(key), ack))
            self._arrived.set()
            await self.pulling.wait()

    def told(self, key: Key, since: int = 0) -> bool:
        """Whether the stream announced the key after the first ``since`` events, or ever requested a listing."""
        return self.listings > 0 or any(known == key for known, _ in self.events[since:])

    async def wait(self, done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Whether the condition became true within the time limit."""
        try:
            async with asyncio.timeout(seconds or self._limit):
                while not done():
                    if self._task.done():
                        self._task.result()
                        raise AssertionError("the stream ended although it was not cancelled")
                    self._arrived.clear()
                    waiting = asyncio.ensure_future(self._arrived.wait())
                    await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
        except TimeoutError:
            return done()
        return True

    async def stop(self) -> None:
        """End the stream as the engine does: cancel it, then close the connector."""
        self._task.cancel()
        ended, _ = await asyncio.wait({self._task}, timeout=self._limit)
        assert ended, f"the stream did not end within {self._limit:g} s after its cancellation"
        for name in ("aclose", "close"):
            method = getattr(self.connector, name, None)
            if method is not None:
                await call_any(method)
                break


class StreamChecks(SourceBase, kit=True):
    """Change streams."""

    open_names: ClassVar[frozenset[str]] = frozenset({"stream_seconds"})
    stream_seconds: ClassVar[float] = 30.0
    """May give: time after which a missing announcement counts as lost, in seconds."""

    @asynccontextmanager
    async def listening(self, world: World) -> AsyncIterator[Listener]:
        """Run a stream on a connector of its own, as in live mode."""
        connector = await self.record.create(world.spec)
        self.need(connector, "change_stream")
        listener = Listener(connector, self._encode_key, self.stream_seconds)
        try:
            yield listener
        finally:
            await listener.stop()

    async def attached(self, listener: Listener, world: World) -> None:
        """Block until the stream works: change a row until the stream announces a change."""
        for attempt in range(round(self.stream_seconds / MARKER_SECONDS)):
            await self.change(world.put, "marker", f"marker {attempt}")
            if await listener.wait(lambda: bool(listener.events or listener.listings), MARKER_SECONDS):
                listener.listings = (
                    0  # a listing requested at the start does not prove that later changes are announced
                )
                return
        raise AssertionError(f"the stream announced no change within {self.stream_seconds:g} s")

    async def change(self, method: Callable[..., Any], *args: Any) -> Any:
        """Change the world in a thread while the stream runs."""
        return await asyncio.to_thread(method, *args)

    def run_async(self, scenario: Awaitable[None]) -> None:
        """Run a check that is a coroutine."""

        async def run() -> None:
            await scenario

        self._runner.run(run())

    @check("change_stream")
    def test_changes_are_announced(self, world: World) -> None:
        """The stream announces each new, edited and deleted row under its key, and ``get_value`` then returns that version.

        If it fails: the feed omits a kind of change, or its keys have another form than those of listings.
        """

        async def scenario() -> None:
            async with self.listening(world) as listener:
                await self.attached(listener, world)
                for what, name, text in (
                    ("new", "a", "one"),
                    ("edited", "a", "two"),
                    ("new", "ä b", "three"),
                ):
                    since = len(listener.events)
                    key = self.shape.encode_key(await self.change(world.put, name, text))
                    assert await listener.wait(lambda k=key, n=since: listener.told(k, n)), (  # type: ignore[misc]
                        f"the stream did not announce the {what} row {name!r}"
                    )
                since = len(listener.events)
                key = self.shape.encode_key(await self.change(world.put, "b", "x"))
                await listener.wait(lambda: listener.told(key, since))
                since = len(listener.events)
                await self.change(world.remove, "b")
                assert await listener.wait(lambda: listener.told(key, since)), (
                    "the stream did not announce a deleted row"
                )

        self.run_async(scenario())
        self.assert_value(self.get(self.connect(), world.put("a", "two")), "two")

    @check("change_stream")
    def test_pause_and_resume(self, world: World) -> None:
        """A consumer that pauses loses no change, however many changes happen meanwhile.

        The engine pauses while a run has too many pending changes. If it fails: a full queue drops changes.
        """

        async def scenario() -> None:
            async with self.listening(world) as listener:
                await self.attached(listener, world)
                listener.pulling.clear()
                keys = {
                    self.shape.encode_key(await self.change(world.put, f"burst {number:03}", str(number)))
                    for number in range(BURST)
                }
                listener.pulling.set()
                await listener.wait(lambda: all(map(listener.told, keys)))
                lost = [key for key in keys if not listener.told(key)]
                assert not lost, f"{len(lost)} of {BURST} changes were lost, such as {lost[0]!r}"

        self.run_async(scenario())

    @check("change_stream")
    def test_changes_beside_a_listing(self, world: World) -> None:
        """The stream announces a change right after the listing that follows a subscription. No change is lost between.

        If it fails: the feed misses changes before its subscription is active. Let ``change_stream`` first give an empty
        batch once the subscription is active: an empty batch requests one more listing.
        """

        async def scenario() -> None:
            await self.change(world.put, "old", "x")
            async with self.listening(world) as listener:
                await asyncio.sleep(0)  # let the stream subscribe
                listed = await asyncio.to_thread(self._list_now, listener.connector)
                keys = [
                    self.shape.encode_key(await self.change(world.put, f"new {n}", "x")) for n in range(5)
                ]
                await listener.wait(lambda: all(map(listener.told, keys)))
                lost = [key for key in keys if key not in listed and not listener.told(key)]
                assert not lost, f"{lost!r} were changed, but neither listed nor announced"

        self.run_async(scenario())

    def _list_now(self, connector: Any) -> set[Key]:
        async def listing() -> set[Key]:
            wants = self.record.wants_options.get("list", True)
            found = await call_any(connector.list, *((FACTS,) if wants else ()))
            rows = [item async for item in found] if hasattr(found, "__aiter__") else [*found]
            return {self._encode_key(item.key) for item in rows}

        return asyncio.run(listing())

    @check("change_stream")
    def test_restart(self, world: World) -> None:
        """After a restart, listening and listing find changes made between two sessions. A cancelled stream ends at once.

        If it fails: a listing returns data that the last stream had cached.
        """
        before = world.put("a", "one")

        async def session(changes: Callable[[], Any]) -> None:
            async with self.listening(world) as listener:
                await self.attached(listener, world)
                await asyncio.to_thread(changes)

        self.run_async(session(lambda: world.put("b", "two")))
        after = world.put("c", "three")
        world.remove("a")
        found = set(self.keys_of(self.listing(self.connect())))
        assert self.shape.encode_key(after) in found
        assert self.shape.encode_key(before) not in found
        self.run_async(session(lambda: None))

    @check("change_stream.redelivers")
    def test_redelivery(self, world: World) -> None:
        """The next session receives changes that were not acknowledged, and no acknowledged ones.

        Message queues do this. The engine acknowledges after the commit, so a crash before it loses no change.
        """

        async def scenario() -> None:
            async with self.listening(world) as listener:
                await self.attached(listener, world)
                names = {
                    name: self.shape.encode_key(await self.change(world.put, name, "x")) for name in "ab"
                }
                assert await listener.wait(lambda: all(map(listener.told, names.values())))
                for key, ack in listener.events:
                    if ack is None:
                        raise RefusedError("changes of this stream have no acknowledgement")
                    if key != names["b"]:
                        await call_any(ack)
            async with self.listening(world) as again:
                assert await again.wait(lambda: again.told(names["b"])), (
                    "a change that was not acknowledged is lost"
                )
                assert not any(key == names["a"] for key, _ in again.events), (
                    "an acknowledged change was announced again"
                )

        self.run_async(scenario())
