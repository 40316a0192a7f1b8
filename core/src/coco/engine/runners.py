"""Running user functions over the items of one batch: inline in a thread, fanned out on the loop, or batched.

A runner takes decoded-on-demand argument columns and gives, per item, an encoded result or an exception.
One bad item never costs another its result: exceptions stay with their item, a failing batch is halved
until the culprit stands alone (X-036), a call that exceeds its limit is given up alone (X-040).
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from coco.engine.threads import Threads
from coco.errors import BatchShapeError, FunctionTimeoutError

SLOW_CALL_SECONDS = 0.002
PROBE_SECONDS = 0.05
ASYNC_FAN_OUT = 64
THREAD_FAN_OUT = 8
DEFAULT_BATCH = 256


class Outcome:
    """Results by item position; ``errors`` holds those that failed. ``executions``: times user code ran.

    ``called``: False if it could not be prepared for any call.
    """

    __slots__ = ("called", "errors", "executions", "results")

    def __init__(self, count: int) -> None:
        self.results: list[Any] = [None] * count
        self.errors: dict[int, BaseException] = {}
        self.executions = 0
        self.called = True


InvokeItem = Callable[[int], Any]
"""Calls the user function for item i and encodes the result (sync)."""


class _Stretch:
    """Items ``[start, stop)`` run one after the other in a thread; watched from the loop."""

    __slots__ = ("abandoned", "current", "deadline", "next", "started", "stop")

    def __init__(self, start: int, stop: int, deadline: float | None) -> None:
        self.next = start
        self.stop = stop
        self.current = -1
        self.started = 0.0
        self.deadline = deadline
        self.abandoned = False

    def work(self, invoke: InvokeItem, outcome: Outcome) -> None:
        results, errors = outcome.results, outcome.errors
        clock = time.monotonic
        deadline = self.deadline
        while self.next < self.stop:
            item = self.next
            self.started = clock()
            self.current = item
            try:
                value = invoke(item)
            except Exception as error:
                if self.abandoned:
                    return
                errors[item] = error
            else:
                if self.abandoned:
                    return
                results[item] = value
            outcome.executions += 1
            self.next = item + 1
            if deadline is not None and clock() > deadline:
                return


async def run_sync(
    threads: Threads,
    invoke: InvokeItem,
    count: int,
    timeout: float,
    op: str,
    fan_out: int = THREAD_FAN_OUT,
) -> Outcome:
    """Blocking calls. Quick ones share one thread; slow ones spread over up to ``fan_out`` threads."""
    outcome = Outcome(count)
    probe = _Stretch(0, count, time.monotonic() + PROBE_SECONDS)
    await _watch(threads, probe, invoke, outcome, timeout, op)
    first = probe.next
    if first >= count:
        return outcome
    slow = PROBE_SECONDS / max(first, 1) > SLOW_CALL_SECONDS
    lanes = min(fan_out, count - first) if slow else 1
    size = -(-(count - first) // lanes)
    stretches = [_Stretch(start, min(start + size, count), None) for start in range(first, count, size)]
    await asyncio.gather(*(_watch(threads, item, invoke, outcome, timeout, op) for item in stretches))
    return outcome


async def _watch(
    threads: Threads,
    stretch: _Stretch,
    invoke: InvokeItem,
    outcome: Outcome,
    timeout: float,
    op: str,
) -> None:
    """Run a stretch; when one call exceeds its limit, fail it alone and go on with the rest in another thread."""
    end = stretch.stop
    part = stretch
    while True:
        part.started = time.monotonic()
        future = threads.submit(functools.partial(part.work, invoke, outcome))
        try:
            while not future.done():
                await asyncio.wait({future}, timeout=max(part.started + timeout - time.monotonic(), 0.001))
                if part.current >= 0 and time.monotonic() - part.started >= timeout:
                    break
        except asyncio.CancelledError:
            part.abandoned = True
            part.stop = part.next
            raise
        if future.done():
            future.result()
            stretch.next = part.next
            return
        stuck = part.current
        part.abandoned = True
        part.stop = stuck  # the lost thread ends after its call
        threads.give_up(future)
        outcome.errors[stuck] = _timed_out(op, timeout)
        stretch.next = stuck + 1
        if stretch.next >= end:
            return
        part = _Stretch(stuck + 1, end, stretch.deadline)


def _timed_out(op: str, timeout: float) -> FunctionTimeoutError:
    return FunctionTimeoutError(
        f"{op} took longer than its limit of {timeout:g} s; raise `timeout` of the function or give it less to do"
    )


async def run_async(
    call: Callable[[int], Awaitable[Any]],
    count: int,
    timeout: float,
    op: str,
    fan_out: int = ASYNC_FAN_OUT,
) -> Outcome:
    """Coroutine calls that give encoded results, at most ``fan_out`` at a time; each is cancelled at its own limit."""
    outcome = Outcome(count)
    gate = asyncio.Semaphore(fan_out)

    async def one(item: int) -> None:
        outcome.executions += 1
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                outcome.results[item] = await call(item)
        except TimeoutError as error:
            outcome.errors[item] = error
            if limit.expired():
                outcome.errors[item] = _timed_out(op, timeout)
        except Exception as error:
            outcome.errors[item] = error
        finally:
            gate.release()

    async with asyncio.TaskGroup() as group:
        for item in range(count):
            await gate.acquire()  # before there is a task: those of all items at once would need much memory
            if count == 1:
                await one(item)
            else:
                group.create_task(one(item))
    return outcome


class BatchRunner:
    """A batching function: lists in, lists out, halved on failure.

    ``invoke``: takes the decoded list, gives the raw result list; ``is_async`` tells its nature.
    ``timeout``: limit of one call in seconds; None: ``invoke`` keeps one of its own.
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
        keep: Callable[[int, Any], None] | None = None,
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
        for item in range(start, stop):
            try:
                outcome.results[item] = encode(results[item - start])
            except Exception as error:
                outcome.errors[item] = error
            else:
                if self._keep is not None:
                    self._keep(item, outcome.results[item])

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
