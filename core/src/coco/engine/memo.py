"""Results of cached functions, shared by call fingerprint.

Lookups and writes go to the store in batches. The writer receives a result as soon as its call ends, so that a crash
loses at most the calls of one flush interval. A batch is committed only after the results that it uses are stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Iterable, Sequence

from coco.engine.threads import Threads
from coco.errors import StateStoreError
from coco.events import EmitFn, MemoWritten
from coco.state.protocol import StateStore

FLUSH_SECONDS = 0.05
FLUSH_ENTRIES = 256
MOST_UNWRITTEN = 400
"""Results that may wait for the store; further calls block until some are written. So a crash repeats at most about
this many quick calls."""
MOST_UNCLAIMED = 200_000
"""Results not yet used by a committed row that a run keeps track of: 20 MB of fingerprints."""
ROOM_SECONDS = 0.1
"""How often a waiting call checks that the flusher still runs, in seconds."""


class MemoSession:
    """The memo during one run. ``write=False``: read only (``evaluate``). ``ignore``: treat all results as missing."""

    def __init__(
        self,
        store: StateStore,
        threads: Threads,
        emit: EmitFn,
        flow: str,
        *,
        write: bool = True,
        ignore: bool = False,
    ) -> None:
        self._store = store
        self._threads = threads
        self._emit = emit
        self._flow = flow
        self._write = write
        self._ignore = ignore
        self._pending: dict[bytes, bytes] = {}
        self._writing: dict[bytes, bytes] = {}
        self._fresh: set[bytes] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._woken = False
        self._lock = asyncio.Lock()
        self._guard = threading.Lock()
        self._room = threading.Condition(self._guard)
        self._loop_thread = 0
        self._begun, self._first = False, True
        self._unclaimed: set[bytes] = set()
        self.in_flight: dict[bytes, asyncio.Future[None]] = {}
        """Calls that a batch is looking up or making, and the future that is resolved when all of them have ended."""
        self._awaited: dict[bytes, asyncio.Future[None]] = {}
        self.written = 0

    async def get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Packed results of those calls that the memo contains."""
        found: dict[bytes, bytes] = {}
        missing: Sequence[bytes] = fingerprints
        if self._pending or self._writing:
            with self._guard:
                for recent in (self._writing, self._pending):
                    found.update((fp, recent[fp]) for fp in recent.keys() & missing)
            missing = [fp for fp in fingerprints if fp not in found]
        if self._ignore:
            missing = [fp for fp in missing if fp in self._fresh]
        if missing:
            found.update(await self._threads.store(self._store.memo_get_many, missing))
        return found

    def put_many(self, fps: Sequence[bytes], packed: Sequence[bytes], *, wait: bool = True) -> None:
        """Store results, from any thread; they are written soon, or at the next ``flush``.

        wait: whether a worker thread blocks while too many results wait to be written.
        """
        if not self._write:
            return
        awaited: list[asyncio.Future[None]] = []
        with self._guard:
            self._pending.update(zip(fps, packed, strict=True))
            self._unclaimed.update(fps)
            if len(self._unclaimed) > MOST_UNCLAIMED:
                self._unclaimed.clear()
                self._first = False  # the flag stays set: unused results are found by a search
            if self._ignore:
                self._fresh.update(fps)
            forget = self.in_flight.pop
            for fp in fps:
                forget(fp, None)  # other batches can use it now, even if the rest of its batch fails
            if self._awaited:
                awaited = [self._awaited.pop(fp) for fp in fps if fp in self._awaited]
            unwritten = len(self._pending) + len(self._writing)
            wake = len(self._pending) >= FLUSH_ENTRIES and not self._woken and self._loop is not None
            self._woken = self._woken or wake
        if self._loop is not None and (wake or awaited):
            with contextlib.suppress(RuntimeError):  # the run has ended, and its loop is closed
                if wake:
                    self._loop.call_soon_threadsafe(self._wake.set)
                for future in awaited:
                    self._loop.call_soon_threadsafe(end, future)
        if wait and unwritten >= MOST_UNWRITTEN and threading.get_ident() != self._loop_thread:
            self._wait_for_room()

    @property
    def writes(self) -> bool:
        """Whether results are stored."""
        return self._write

    def claim(self, used: Iterable[Sequence[bytes]]) -> None:
        """Record that committed rows use these calls."""
        if self._unclaimed:
            with self._guard:
                for fps in used:
                    self._unclaimed.difference_update(fps)

    def _wait_for_room(self) -> None:
        flusher = self._flusher
        with self._room:
            while flusher is not None and not flusher.done():
                if len(self._pending) + len(self._writing) < MOST_UNWRITTEN:
                    return
                self._room.wait(ROOM_SECONDS)

    @property
    def is_full(self) -> bool:
        """Whether so many results wait to be written that calls should wait for ``room``. From any thread."""
        flusher = self._flusher
        if flusher is None or flusher.done():
            return False
        return len(self._pending) + len(self._writing) >= MOST_UNWRITTEN

    async def room(self) -> None:
        """Wait until fewer results wait to be written. If writing fails, the commit raises the error, not this."""
        if not self.is_full:
            return
        with contextlib.suppress(StateStoreError):
            await self.flush()

    async def wait_for(self, fps: Sequence[bytes]) -> None:
        """Wait until no other batch is looking up or making these calls."""
        loop = asyncio.get_running_loop()
        waits: list[asyncio.Future[None]] = []
        with self._guard:
            for fp in fps:
                batch = self.in_flight.get(fp)
                if batch is None:
                    continue
                one = self._awaited.get(fp)
                if one is None:
                    one = self._awaited[fp] = loop.create_future()
                    batch.add_done_callback(functools.partial(self._batch_ended, fp, one))
                waits.append(one)
        await asyncio.gather(*map(asyncio.shield, waits))

    def _batch_ended(self, fp: bytes, one: asyncio.Future[None], batch: object) -> None:
        with self._guard:
            if self._awaited.get(fp) is one:
                del self._awaited[fp]
        end(one)

    def start(self) -> None:
        """Start the background writer; needs a running loop."""
        if self._write:
            self._loop = asyncio.get_running_loop()
            self._loop_thread = threading.get_ident()
            self._flusher = self._loop.create_task(self._flush_regularly())

    async def _flush_regularly(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._woken = False
            if self._pending:
                await self.flush()

    async def flush(self) -> None:
        """Write all results that were put so far."""
        async with self._lock:
            if self._pending and not self._begun:
                first = await self._threads.store(self._store.memo_begin, self._flow)
                self._first = self._first and first
                self._begun = True
            while self._pending:
                with self._guard:
                    self._writing, self._pending = self._pending, {}
                try:
                    await self._threads.store(self._store.memo_put_many, list(self._writing.items()))
                except BaseException:
                    with self._guard:
                        self._pending = {**self._writing, **self._pending}
                        self._writing = {}
                    raise
                written = len(self._writing)
                with self._room:
                    self._writing = {}
                    self._room.notify_all()
                self.written += written
                self._emit(MemoWritten(self._flow, written))

    async def close(self, source_id: int = 0) -> None:
        """Stop the writer, write the rest, and release results that no row uses, under the source ``source_id``."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        await self.flush()
        if self._begun:
            with self._guard:
                unused, self._unclaimed = self._unclaimed, set()
            end_run = functools.partial(
                self._store.memo_end, self._flow, source_id, unused, clear=self._first
            )
            await self._threads.store(end_run)


def end(future: asyncio.Future[None]) -> None:
    """Resolve the future unless it is done already."""
    if not future.done():
        future.set_result(None)
