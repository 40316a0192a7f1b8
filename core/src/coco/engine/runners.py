"""Calls user functions for the items of one batch: in a thread, concurrently on the loop, or as batches.

The result is, for each item, an encoded value or an exception. An item that fails does not affect others: a failing batch
is halved until the item is alone, and a call that exceeds its limit is abandoned alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from coco.engine.threads import Threads
from coco.errors import BatchShapeError, FunctionTimeoutError

SLOW_CALL_SECONDS = 0.002
PROBE_SECONDS = 0.05
ASYNC_FAN_OUT = 64
THREAD_FAN_OUT = 8
DEFAULT_BATCH = 256
HAND_ON_SECONDS = 0.0005
HAND_ON_CALLS = 64
"""The memo receives results of quick calls together: at most this many, or those of the time above."""
WATCH_SECONDS = 0.05
"""How long finished results may wait while a slow call runs, in seconds."""


class Outcome:
    """Results and ``errors`` by item position. ``executions``: how often user code ran.

    ``called``: False if the function could not be prepared, so that it was not called.
    """

    __slots__ = ("called", "errors", "executions", "results")

    def __init__(self, count: int) -> None:
        self.results: list[Any] = [None] * count
        self.errors: dict[int, BaseException] = {}
        self.executions = 0
        self.called = True


class Keep(Protocol):
    """Receives the results of calls: item positions, encoded results.

    Called in any thread; blocks a worker thread while too many results wait to be written.
    """

    def __call__(self, items: Sequence[int], values: Sequence[Any], /) -> None: ...

    async def room(self) -> None:
        """The same wait for calls on the loop, before they begin."""


class Calls(Struct):
    """Blocking calls to make: ``encode(call(args[item]))`` for each item; ``keep`` receives the results."""

    call: Callable[[Any], Any]
    args: Sequence[Any]
    encode: Callable[[Any], Any]
    keep: Keep | None = None


class Pace(Struct):
    """The pace of a function's calls, measured batch by batch. ``slow``: whether they were slow the last time."""

    slow: bool = False


class _Stretch:
    """Items ``[next, stop)``, called one after the other in a thread and watched from the loop. ``seconds``: the stretch
    ends when its calls have taken that long.

    Results of quick calls are handed over together, those of slow calls one by one.
    """

    __slots__ = (
        "_calls",
        "_done",
        "_handed_on",
        "_outcome",
        "abandoned",
        "current",
        "next",
        "seconds",
        "started",
        "stop",
    )

    def __init__(self, calls: Calls, outcome: Outcome, start: int, stop: int, seconds: float | None) -> None:
        self._calls = calls
        self._outcome = outcome
        self._done: list[int] = []
        self._handed_on = 0
        self.next = start
        self.stop = stop
        self.current = -1
        self.started = 0.0
        self.seconds = seconds
        self.abandoned = False

    def work(self) -> None:
        try:
            self._work()
        finally:
            self.current = -1  # handing over may block, which must not count as a slow call
            self.hand_on()

    def _work(self) -> None:
        call, args, encode = self._calls.call, self._calls.args, self._calls.encode
        results, errors = self._outcome.results, self._outcome.errors
        clock, done = time.monotonic, self._done
        handed_on = now = clock()
        deadline = None if self.seconds is None else now + self.seconds
        while (item := self.next) < self.stop:
            self.started = now
            self.current = item
            try:
                value = encode(call(args[item]))
            except Exception as error:
                if self.abandoned:
                    return
                errors[item] = error
            else:
                if self.abandoned:
                    return
                results[item] = value
                done.append(item)
            self.next = item + 1
            now = clock()
            if now - handed_on > HAND_ON_SECONDS or item % HAND_ON_CALLS == 0:
                self.current = -1
                self.hand_on()
                handed_on = clock()
                if deadline is not None:
                    deadline += handed_on - now  # time blocked by the memo does not count as time of calls
                now = handed_on
            if deadline is not None and now > deadline:
                return

    def hand_on(self) -> None:
        """Called by the worker thread, or by the watcher while a call lasts. Handing over an item twice is harmless."""
        keep = self._calls.keep
        if keep is None:
            return
        end = len(self._done)
        done = self._done[self._handed_on : end]
        if done:
            results = self._outcome.results
            keep(done, [results[item] for item in done])
            self._handed_on = end


async def run_sync(
    threads: Threads,
    calls: Calls,
    timeout: float,
    op: str,
    fan_out: int = THREAD_FAN_OUT,
    pace: Pace | None = None,
) -> Outcome:
    """Make blocking calls. Quick calls share one thread; slow ones use up to ``fan_out`` threads.

    ``pace``: that of the function, updated with each batch. Calls that were quick before count as slow after two checks:
    on a busy machine any call may be slow once, and each further thread keeps memory.
    """
    count = len(calls.args)
    outcome = Outcome(count)
    pace = pace if pace is not None else Pace()
    first, slow = 0, False
    for _ in range(1 if pace.slow else 2):
        probe = _Stretch(calls, outcome, first, count, PROBE_SECONDS)
        await _watch(threads, probe, timeout, op)
        made, first = probe.next - first, probe.next
        slow = first < count and SLOW_CALL_SECONDS * made < PROBE_SECONDS
        if not slow:
            break
    if first < count:
        pace.slow = slow
        lanes = min(fan_out, count - first) if slow else 1
        size = -(-(count - first) // lanes)
        stretches = [
            _Stretch(calls, outcome, start, min(start + size, count), None)
            for start in range(first, count, size)
        ]
        await asyncio.gather(*(_watch(threads, item, timeout, op) for item in stretches))
    outcome.executions = count
    return outcome


async def _watch(threads: Threads, stretch: _Stretch, timeout: float, op: str) -> None:
    """Run a stretch. If one call exceeds its limit, fail it alone and continue with the rest in another thread."""
    end = stretch.stop
    part = stretch
    calls, outcome = stretch._calls, stretch._outcome
    look = timeout if calls.keep is None else WATCH_SECONDS
    while True:
        part.started = time.monotonic()
        future = threads.submit(part.work)
        try:
            while not future.done():
                left = part.started + timeout - time.monotonic()
                await asyncio.wait({future}, timeout=min(max(left, 0.001), look))
                stuck, lasts = part.current, time.monotonic() - part.started
                if stuck < 0:
                    continue
                if lasts > WATCH_SECONDS and not future.done():
                    part.hand_on()  # others may wait for these results
                if lasts >= timeout:
                    break
        except asyncio.CancelledError:
            part.abandoned = True
            part.stop = part.next
            raise
        if future.done():
            future.result()
            stretch.next = part.next
            return
        part.abandoned = True
        part.stop = stuck  # the abandoned thread ends after its call
        part.hand_on()
        threads.give_up(future)
        outcome.errors[stuck] = _timed_out(op, timeout)
        stretch.next = stuck + 1
        if stretch.next >= end or stretch.seconds is not None:
            return  # the first check was conclusive
        part = _Stretch(calls, outcome, stuck + 1, end, None)


def _timed_out(op: str, timeout: float) -> FunctionTimeoutError:
    return FunctionTimeoutError(
        f"{op} took longer than its limit of {timeout:g} s; raise `timeout` of the function or give it less to do"
    )


async def run_async(
    call: Callable[[int], Awaitable[Any]],
    count: int,
    timeout: float,
    op: str,
    keep: Keep | None = None,
    fan_out: int = ASYNC_FAN_OUT,
) -> Outcome:
    """Await coroutine calls, at most ``fan_out`` at a time; each is cancelled at its own limit."""
    outcome = Outcome(count)
    gate = asyncio.Semaphore(fan_out)

    async def one(item: int) -> None:
        outcome.executions += 1
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                value = outcome.results[item] = await call(item)
            if keep is not None:
                keep((item,), (value,))
        except TimeoutError as error:
            outcome.errors[item] = error
            if limit.expired():
                outcome.errors[item] = _timed_out(op, timeout)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome.errors[item] = RuntimeError(f"{op} was cancelled by what it called")
            outcome.errors[item].__cause__ = error
        except Exception as error:
            outcome.errors[item] = error
        finally:
            gate.release()

    async with asyncio.TaskGroup() as group:
        for item in range(count):
            if keep is not None:
                await keep.room()
            await (
                gate.acquire()
            )  # before the task is created: tasks of all items at once would need much memory
            if count == 1:
                await one(item)
            else:
                group.create_task(one(item))
    return outcome


class BatchRunner:
    """A batching function: lists in, lists out, halved on failure.

    ``invoke``: takes the decoded list, returns the raw list of results; ``is_async``: it is a coroutine function.
    ``timeout``: limit of one call in seconds; None: ``invoke`` applies its own.
    """

    def __init__(
        self,
        threads: Threads,
        invoke: Callable[[list[Any]], Any],
        encode: Callable[[Any], Any],
        *,
        is_async: bool,
        max_batch_size: int | None,
        timeout: float | None,
        op: str,
        on_bisect: Callable[[int, BaseException], None],
        keep: Keep | None = None,
    ) -> None:
        self._threads = threads
        self._invoke = invoke
        self._encode = encode
        self._is_async = is_async
        self._size = max_batch_size or DEFAULT_BATCH
        self._timeout = timeout
        self._op = op
        self._on_bisect = on_bisect
        self._keep = keep

    async def run(self, items: Sequence[Any], fan_out: int = 8) -> Outcome:
        outcome = Outcome(len(items))
        ranges = [(start, min(start + self._size, len(items))) for start in range(0, len(items), self._size)]
        if not self._is_async or len(ranges) == 1:
            for start, stop in ranges:
                await self._range(items, start, stop, outcome)
            return outcome
        gate = asyncio.Semaphore(fan_out)

        async def one(start: int, stop: int) -> None:
            async with gate:
                await self._range(items, start, stop, outcome)

        async with asyncio.TaskGroup() as group:
            for start, stop in ranges:
                group.create_task(one(start, stop))
        return outcome

    async def _range(
        self,
        items: Sequence[Any],
        start: int,
        stop: int,
        outcome: Outcome,
    ) -> None:
        if self._keep is not None:
            await self._keep.room()
        outcome.executions += 1
        try:
            results = await self._call(list(items[start:stop]))
            if not isinstance(results, list):
                results = list(results)
            if len(results) != stop - start:
                raise BatchShapeError(
                    f"{self._op}: expected {stop - start} results, got {len(results)}; "
                    "a batching function returns one result per input, in order"
                )
        except BatchShapeError as error:
            for item in range(start, stop):
                outcome.errors[item] = error
            return
        except Exception as error:
            if stop - start == 1 or isinstance(error, FunctionTimeoutError):
                for item in range(start, stop):
                    outcome.errors[item] = error
                return
            self._on_bisect(stop - start, error)
            middle = (start + stop) // 2
            await self._range(items, start, middle, outcome)
            await self._range(items, middle, stop, outcome)
            return
        encode = self._encode
        done = []
        for item in range(start, stop):
            try:
                outcome.results[item] = encode(results[item - start])
            except Exception as error:
                outcome.errors[item] = error
            else:
                done.append(item)
        if self._keep is not None:
            self._keep(done, [outcome.results[item] for item in done])

    async def _call(self, batch: list[Any]) -> Any:
        if self._is_async:
            limit = asyncio.timeout(self._timeout)
            try:
                async with limit:
                    return await self._invoke(batch)
            except TimeoutError as error:
                if limit.expired() and self._timeout is not None:
                    raise _timed_out(self._op, self._timeout) from error
                raise
        future = self._threads.submit(lambda: self._invoke(batch))
        finished, _ = await asyncio.wait({future}, timeout=self._timeout)
        if not finished and self._timeout is not None:
            self._threads.give_up(future)
            raise _timed_out(self._op, self._timeout)
        return future.result()
