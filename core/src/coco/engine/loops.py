"""Work on another event loop: the engine runs on one of its own, the code of a caller who awaits may belong to another."""

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
"""The loop on which a caller awaits the operation at hand; None where the caller blocks, or is gone."""
LOOK_SECONDS = 1.0
"""How often one that waits for another loop looks whether it still runs."""


def submit(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    context: contextvars.Context | None = None,
) -> concurrent.futures.Future[T]:
    """Start a coroutine on a loop of another thread. Cancelling the future cancels it there.

    context: default is a copy of the present one.
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
    """Loops whose thread waits for the engine in a blocking call, so that nothing runs on them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._calls: collections.Counter[int] = collections.Counter()

    @contextlib.contextmanager
    def by_this_call(self) -> Iterator[None]:
        """As long as this lasts the running loop, if there is one, is held up."""
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
                self._calls += collections.Counter()  # without those that are at zero

    def __contains__(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._calls[id(loop)] > 0


HELD_UP = _HeldUp()


def is_of_use(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop runs the coroutines that it is given."""
    return loop.is_running() and loop not in HELD_UP


def user_loop() -> asyncio.AbstractEventLoop | None:
    """The caller's loop, as long as it is of use and another than this one."""
    loop = USER_LOOP.get()
    if loop is None or loop is asyncio.get_running_loop() or not is_of_use(loop):
        return None
    return loop


async def on_loop(loop: asyncio.AbstractEventLoop | None, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await ``make()`` on a loop; None: on this one.

    If the loop ends meanwhile or is held up, without anybody having cancelled this call, ``make()`` is awaited here
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
