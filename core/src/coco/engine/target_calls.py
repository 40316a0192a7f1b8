"""Calls of target connectors, each with a time limit."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from coco.engine.threads import Threads
from coco.errors import TargetTimeoutError
from coco.kit.interruption import LimitedCall, current_call

INTERRUPT_SECONDS = 20.0
"""Seconds that an interrupted call has to end; then its thread is abandoned."""
AGAIN_SECONDS = 0.5


class TargetCalls:
    """Calls methods of target connectors, sync (in a thread) or async (on the loop).

    limit: seconds without an answer after which a call is interrupted; None: no limit.
    """

    def __init__(self, threads: Threads, limit: float | None) -> None:
        self._threads = threads
        self.limit = limit

    async def __call__(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        """The result. ``what``: for the error, such as "target 'rows' of flow 'Demo', writing 50 rows".

        Raises ``TargetTimeoutError`` after the limit, once the call has ended or ``INTERRUPT_SECONDS`` later.
        """
        call = LimitedCall()
        token = current_call.set(call)
        try:
            running = self._start(function, args)
        finally:
            current_call.reset(token)
        try:
            result = await self._within_limit(what, call, running)
            if inspect.isawaitable(result):  # a sync function that returns a coroutine
                running = asyncio.ensure_future(result)
                result = await self._within_limit(what, call, running)
        except asyncio.CancelledError:
            running.cancel()
            raise
        return result

    def _start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        if inspect.iscoroutinefunction(function):
            task: asyncio.Future[Any] = asyncio.ensure_future(function(*args))
            return task
        submitted: asyncio.Future[Any] = self._threads.submit(lambda: function(*args))
        return submitted

    async def _within_limit(self, what: str, call: LimitedCall, running: asyncio.Future[Any]) -> Any:
        while not running.done():
            left = None if self.limit is None else call.progressed_at + self.limit - time.monotonic()
            if left is not None and left <= 0:
                return await self._interrupt(what, call, running)
            await asyncio.wait({running}, timeout=left)
        return running.result()

    async def _interrupt(self, what: str, call: LimitedCall, running: asyncio.Future[Any]) -> Any:
        started = time.monotonic()
        waited = started - call.progressed_at
        if isinstance(running, asyncio.Task):
            running.cancel()
        stopping = self._threads.submit(call.interrupt)
        while (left := started + INTERRUPT_SECONDS - time.monotonic()) > 0:
            await asyncio.wait({running, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                break
            if stopping.done():  # the thread may not have started the call yet
                await asyncio.wait({running}, timeout=min(left, AGAIN_SECONDS))
                stopping = self._threads.submit(call.interrupt)
        for future in (running, stopping):
            if not future.done():
                self._threads.give_up(future)
        text = f"{what}: no answer for {waited:.0f} s"
        if not running.done():
            raise TargetTimeoutError(
                f"{text}, and the call could not be interrupted; its thread is abandoned. {_ADVICE}",
                left=True,
            )
        if running.cancelled():
            raise TargetTimeoutError(f"{text}; the call was cancelled. {_ADVICE}")
        error = running.exception()
        if error is None:
            return running.result()  # it ended at the last moment
        raise TargetTimeoutError(f"{text}; the call was cancelled. {_ADVICE}") from error


_ADVICE = "Find out what blocks the server, or raise COCO_TARGET_CALL_TIMEOUT (seconds; 0: no limit). The next update retries"
