"""Where blocking work runs: one thread for the state store, a pool for everything else (O-005, EN-18)."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """The thread pools of one environment. ``workers``: threads for blocking user and connector code."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or min(32, (os.cpu_count() or 1) + 8)
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="coco-work")
        self._store = ThreadPoolExecutor(1, thread_name_prefix="coco-store")

    async def store(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a state store method; calls are serialised."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._store, lambda: function(*args, **kwargs))

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run blocking code with the caller's context variables (FFI-09)."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(self._pool, lambda: context.run(function, *args, **kwargs))

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Start blocking code; the caller watches the future."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return loop.run_in_executor(self._pool, lambda: context.run(function))

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a connector method that may be sync (in a thread) or async (on the loop)."""
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        result = await self.run(function, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._store.shutdown(wait=True)
