"""Work on another event loop: the engine has its own, and a caller that awaits an operation may use another one."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

USER_LOOP: contextvars.ContextVar[asyncio.AbstractEventLoop | None] = contextvars.ContextVar(
    "coco_user_loop", default=None
)
"""The loop on which a caller awaits the current operation; None if the caller blocks or has stopped awaiting."""
LOOK_SECONDS = 1.0
"""How often a call that waits for another loop checks that the loop still runs, in seconds."""


def submit(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    context: contextvars.Context | None = None,
) -> concurrent.futures.Future[T]:
    """Start a coroutine on a loop of another thread. Cancelling the future cancels the coroutine.

    context: default is a copy of the current one.
    """
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    chosen = context if context is not None else contextvars.copy_context()

    def begin() -> None:
        if result.cancelled():
            coroutine.close()
            return
        task = loop.create_task(coroutine, context=chosen)

        def finish(done: asyncio.Task[T]) -> None:
            if result.cancelled():
                return
            if done.cancelled():
                result.cancel()
                result.set_running_or_notify_cancel()
            elif (error := done.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(done.result())

        def abandon(future: concurrent.futures.Future[T]) -> None:
            if future.cancelled() and not task.done():
                loop.call_soon_threadsafe(task.cancel)

        task.add_done_callback(finish)
        result.add_done_callback(abandon)

    loop.call_soon_threadsafe(begin)
    return result


class _HeldUp:
    """Loops whose thread is blocked in a call of the engine, so that nothing can run on them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._calls: collections.Counter[int] = collections.Counter()

    @contextlib.contextmanager
    def by_this_call(self) -> Iterator[None]:
        """Register the running loop, if there is one, as blocked while the context lasts."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            yield
            return
        with self._guard:
            self._calls[id(loop)] += 1
        try:
            yield
        finally:
            with self._guard:
                self._calls[id(loop)] -= 1
                self._calls += collections.Counter()  # drops entries that are zero

    def __contains__(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._calls[id(loop)] > 0


HELD_UP = _HeldUp()


def is_of_use(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop executes coroutines: it runs, and its thread is not blocked."""
    return loop.is_running() and loop not in HELD_UP


def user_loop() -> asyncio.AbstractEventLoop | None:
    """The caller's loop, if it differs from the running one and executes coroutines; else None."""
    loop = USER_LOOP.get()
    if loop is None or loop is asyncio.get_running_loop() or not is_of_use(loop):
        return None
    return loop


async def on_loop(loop: asyncio.AbstractEventLoop | None, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await ``make()`` on a loop; None: on the running one.

    If that loop ends or is blocked meanwhile, and this call was not cancelled, ``make()`` is awaited on the running loop
    instead.
    """
    if loop is None or not is_of_use(loop):
        return await make()
    coroutine = make()
    try:
        future = asyncio.wrap_future(submit(loop, coroutine))
    except RuntimeError:  # closed since
        coroutine.close()
        return await make()
    try:
        while True:
            done, _ = await asyncio.wait({future}, timeout=LOOK_SECONDS)
            if done and not future.cancelled():
                return future.result()
            if done or not is_of_use(loop):
                break
    except asyncio.CancelledError:
        future.cancel()
        raise
    future.cancel()
    return await make()
