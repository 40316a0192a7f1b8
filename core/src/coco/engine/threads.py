"""Threads for blocking work: one for the state store, a pool for everything else."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import inspect
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]


class Threads:
    """The thread pools of one environment. ``workers``: threads for blocking user and connector code."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or min(32, (os.cpu_count() or 1) + 8)
        self._pool = _Pool(self.workers, "coco-work")
        self._store = ThreadPoolExecutor(1, thread_name_prefix="coco-store")

    async def store(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a method of the state store; calls run one after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._store, lambda: function(*args, **kwargs))

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run blocking code with the caller's context variables."""
        return await self.submit(lambda: function(*args, **kwargs))

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Start blocking code; the caller handles the future."""
        context = contextvars.copy_context()
        return asyncio.wrap_future(self._pool.submit(lambda: context.run(function)))

    def give_up(self, future: asyncio.Future[Any]) -> None:
        """Abandon a call. Its thread cannot be stopped, so the pool may start another one until it ends."""
        self._pool.grow(1)

        def ended(done: asyncio.Future[Any]) -> None:
            self._pool.grow(-1)
            if not done.cancelled():
                done.exception()

        future.add_done_callback(ended)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a connector method that may be sync (in a thread) or async (on the loop)."""
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        result = await self.run(function, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def dispose(self, thing: Any) -> None:
        """Call ``aclose`` or ``close`` of what a connector made, if it has one."""
        await self.call(dispose, thing)

    def close(self) -> None:
        self._pool.close()
        self._store.shutdown(wait=True)


def dispose(thing: Any) -> Any:
    """Call ``aclose`` or ``close`` of what a connector made, if it has one; returns the awaitable, if any."""
    for name in ("aclose", "close"):
        method = getattr(thing, name, None)
        if method is not None:
            return method()
    return None


class _Pool:
    """Daemon threads that start when needed, up to a limit that may change. A call that hangs does not keep the process
    running.

    Jobs use as few threads as possible (last in, first out), since the allocator keeps memory for each thread that has
    run. A thread counts as free before the result of its job is delivered.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._guard = threading.Lock()
        self._waiting: collections.deque[_Job] = collections.deque()
        self._free: list[queue.SimpleQueue[_Job | None]] = []
        """Inboxes of idle threads."""
        self._threads = 0
        self._closed = False

    def submit(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("coco was stopped during this call")
            if self._free:
                self._free.pop().put((future, function))
            else:
                self._waiting.append((future, function))
                self._start_if_needed()
        return future

    def grow(self, change: int) -> None:
        with self._guard:
            self._limit += change
            self._start_if_needed()

    def close(self) -> None:
        """Drop jobs that have not started; calls that run end by themselves."""
        with self._guard:
            self._closed = True
            for future, _ in self._waiting:
                future.cancel()
            self._waiting.clear()
            for inbox in self._free:
                inbox.put(None)
            self._free.clear()

    def _start_if_needed(self) -> None:
        if self._waiting and self._threads < self._limit and not self._closed:
            inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
            inbox.put(self._waiting.popleft())
            name = f"{self._name}_{self._threads}"
            self._threads += 1
            threading.Thread(target=self._work, args=(inbox,), name=name, daemon=True).start()

    def _work(self, inbox: queue.SimpleQueue[_Job | None]) -> None:
        while (job := inbox.get()) is not None:
            self._do(*job, inbox)
            del job  # an idle thread must not keep objects of its last job

    def _do(
        self, future: Future[Any], function: Callable[[], Any], inbox: queue.SimpleQueue[_Job | None]
    ) -> None:
        """Run one job, then jobs from ``inbox``."""
        if not future.set_running_or_notify_cancel():
            self._next(inbox)
            return
        try:
            result = function()
        except BaseException as error:
            self._next(inbox)
            future.set_exception(error)
            del future  # it references the error, which references this frame
        else:
            self._next(inbox)
            future.set_result(result)

    def _next(self, inbox: queue.SimpleQueue[_Job | None]) -> None:
        with self._guard:
            if self._closed:
                inbox.put(None)
            elif self._waiting:
                inbox.put(self._waiting.popleft())
            else:
                self._free.append(inbox)
