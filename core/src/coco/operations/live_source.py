"""One source in live mode: its timer, its change stream, and the rows that are due."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from coco.engine.read import NO_PATHS, OwnPaths, open_connector
from coco.engine.source_shapes import Shapes
from coco.engine.threads import Threads
from coco.engine.unlisted import is_unlisted
from coco.ops.error_text import describe
from coco.types.storage import pack

if TYPE_CHECKING:
    from coco.flow.graph import SourceStep
    from coco.state.protocol import Failure

LOG = logging.getLogger("coco.live")
MIN_RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 60.0
NEWS_PAUSE_SECONDS = 0.5
"""Seconds until a failed run is retried if the source has asked for a listing since."""
MAX_PENDING_KEYS = 10_000
MIN_ROW_RETRY_SECONDS = 30.0
MAX_ROW_RETRY_SECONDS = 3_600.0


def can_be_followed(step: SourceStep) -> bool:
    """Whether a live update can follow the source: by a refresh interval or by a change stream."""
    return step.refresh_interval is not None or step.source.announces_changes(step.spec)


def how_to_follow(step: SourceStep) -> str:
    """For a source that cannot be followed: the reason, and what to write instead."""
    ways = "add_source(..., refresh_interval=datetime.timedelta(seconds=30)) to list it repeatedly"
    if hasattr(step.spec, "watch_changes"):
        ways += f", or watch_changes=True in {type(step.spec).__name__}(...) to receive its changes"
    else:
        ways += ", or a source that announces changes (LocalFile with watch_changes=True does)"
    source = f"source '{step.name}' ({type(step.spec).__name__})"
    return f"{source} does not announce changes and has no refresh interval: use {ways}"


class Followed:
    """One source between the runs of a live updater. Used on the engine's loop only.

    ``due``: the whole source must be listed. ``keys``: packed keys to process, each with the acknowledgements to call once
    it is committed. ``wake``: called when there is something to do.
    """

    def __init__(
        self, step: SourceStep, threads: Threads, wake: Callable[[], None], own_paths: OwnPaths = NO_PATHS
    ) -> None:
        self.step = step
        self.name = step.name
        self.interval = step.refresh_interval.total_seconds() if step.refresh_interval is not None else None
        self.due = False
        self.not_before = 0.0
        self.keys: dict[bytes, list[Any]] = {}
        self._acks: list[tuple[bytes, Any]] = []
        self._threads = threads
        self._own_paths = own_paths
        self._wake = wake
        self._next_tick: float | None = None
        self._retries: dict[bytes, float] = {}
        self._drained = asyncio.Event()
        self._encode = step.source.key_encoder(step.spec)
        self._shapes = Shapes(step.source.connector_cls)
        self._stream: asyncio.Task[None] | None = None
        self._pause = MIN_RETRY_SECONDS

    # -- life -------------------------------------------------------------------------------------
    def start(self) -> None:
        """Subscribe to the change stream, before the initial run, so that no change in between is lost."""
        if self.step.source.announces_changes(self.step.spec):
            self._stream = asyncio.get_running_loop().create_task(self._listen())
            self._stream.add_done_callback(lambda task: self._wake())

    async def stop(self) -> None:
        """Close the stream and wait until it has ended."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)

    @property
    def is_active(self) -> bool:
        """Whether the source may still become due."""
        return (
            self.interval is not None
            or (self._stream is not None and not self._stream.done())
            or self.due
            or bool(self.keys)
        )

    # -- timing -----------------------------------------------------------------------------------
    def look(self, now: float) -> bool:
        """Update what is due at ``now``; returns whether there is something to do."""
        if self._next_tick is not None and now >= self._next_tick:
            self.due = True
            self._next_tick = None
        for key in [key for key, at in self._retries.items() if now >= at]:
            del self._retries[key]
            self.keys.setdefault(key, [])
        return (self.due or bool(self.keys)) and now >= self.not_before

    def next_look(self, now: float) -> float | None:
        """When the source becomes due by time; None: never."""
        times = [*self._retries.values()]
        if self._next_tick is not None:
            times.append(self._next_tick)
        if self.due or self.keys:
            times.append(max(self.not_before, now))
        return min(times, default=None)

    # -- runs -------------------------------------------------------------------------------------
    def take(self) -> list[bytes]:
        """Keys received until now, for the run that begins; later ones are for the next run."""
        taken = list(self.keys)
        self._acks += [(key, ack) for key, acks in self.keys.items() for ack in acks]
        self.keys.clear()
        self.due = False
        self._drained.set()
        return taken

    async def after_run(self, now: float, failures: dict[bytes, Failure], *, whole: bool) -> None:
        """After a run: acknowledge committed changes, set the timer, schedule retries of failed rows."""
        self._pause = MIN_RETRY_SECONDS
        self.not_before = 0.0
        if whole and self.interval is not None:
            self._next_tick = now + self.interval
        acks, self._acks = self._acks, []
        for key, ack in acks:
            if key in failures:
                continue  # the source delivers it again
            try:
                await self._threads.call(ack)
            except Exception as error:
                LOG.warning("source '%s' did not take an acknowledgement: %s", self.name, describe(error))
        if self._stream is None or self.interval is not None:
            return  # the next listing retries failed rows
        self._retries = {
            key: self._retries.get(key, now + _row_pause(item.attempts))
            for key, item in failures.items()
            if not (item.quarantined or is_unlisted(key))
        }

    def failed(self, now: float, keys: Iterable[bytes], *, whole: bool) -> float:
        """After a run that failed as a whole: schedule it again after a growing pause. Returns the pause in seconds."""
        pause = self._pause
        self._pause = min(pause * 2, MAX_RETRY_SECONDS)
        self.not_before = now + pause
        self.due = self.due or whole
        for key in keys:
            self.keys.setdefault(key, [])
        return pause

    # -- the change stream ------------------------------------------------------------------------
    async def _listen(self) -> None:
        pause = MIN_RETRY_SECONDS
        while True:
            connector: Any = None
            try:
                connector, _ = await open_connector(
                    self._threads, self.step.source, self.step.spec, self._own_paths
                )
                async for batch in self._shapes.stream(connector.change_stream()):
                    pause = MIN_RETRY_SECONDS
                    await self._receive(batch)
                return
            except Exception as error:
                LOG.warning(
                    "the change stream of source '%s' failed, next attempt in %g s: %s",
                    self.name,
                    pause,
                    describe(error),
                )
            finally:
                await self._close(connector)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_RETRY_SECONDS)
            self.due = True  # changes were missed meanwhile
            self._wake()

    async def _close(self, connector: Any) -> None:
        try:
            await self._threads.dispose(connector)
        except Exception as error:
            LOG.warning("closing the change stream of source '%s' failed: %s", self.name, describe(error))

    async def _receive(self, batch: Any) -> None:
        """Store the changes of a message; an empty message asks for a listing. Blocks while too much is pending."""
        changes = self._shapes.changes(batch)
        if not changes:
            self.due = True
            # It may announce the end of a problem of the last listing, such as a folder that exists again.
            self.not_before = min(self.not_before, time.monotonic() + NEWS_PAUSE_SECONDS)
        for (
            key,
            _,
            ack,
        ) in changes:  # the current value is read: a message may be older than the committed version
            try:
                packed = pack(self._encode(key))
            except Exception as error:
                LOG.warning("source '%s' announced a key that does not fit its type: %s", self.name, error)
                self.due = True
                continue
            acks = self.keys.setdefault(packed, [])
            if ack is not None:
                acks.append(ack)
        self._wake()
        while len(self.keys) >= MAX_PENDING_KEYS:
            self._drained.clear()
            await self._drained.wait()


def _row_pause(attempts: int) -> float:
    return min(MIN_ROW_RETRY_SECONDS * 2.0 ** max(attempts - 1, 0), MAX_ROW_RETRY_SECONDS)
