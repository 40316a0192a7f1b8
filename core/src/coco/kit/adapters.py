"""Sync and async code calling each other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

from coco.errors import LifecycleError

T = TypeVar("T")
P = ParamSpec("P")


async def maybe_await(value: T | Awaitable[T]) -> T:
    """The value, or what it stands for if it can be awaited."""
    if inspect.isawaitable(value):
        awaited: T = await value
        return awaited
    return value


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call blocking code in a thread, with the caller's context variables, and wait without blocking the loop.

    Cancelling the wait does not stop the call: a thread cannot be stopped.
    """
    return await asyncio.to_thread(function, *args, **kwargs)


async def call_any(function: Callable[P, T | Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what may be sync (in a thread) or async (on the loop): how the engine calls connectors."""
    if inspect.iscoroutinefunction(function):
        return await maybe_await(function(*args, **kwargs))
    return await maybe_await(await run_blocking(function, *args, **kwargs))


def iterate_blocking(items: AsyncIterable[T]) -> Iterator[T]:
    """Items of an async iterator, one by one, for sync code. Closing the iterator closes the async one.

    Runs it on an event loop of its own in the calling thread; raises ``LifecycleError`` if one runs there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _iterate_blocking(items)
    raise LifecycleError("iterate_blocking would block the event loop of this thread; use `async for`")


def _iterate_blocking(items: AsyncIterable[T]) -> Iterator[T]:
    with asyncio.Runner() as runner:
        iterator = aiter(items)
        try:
            while True:
                try:
                    item = runner.run(_next(iterator))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                runner.run(_finish(close))


async def _next(iterator: AsyncIterator[T]) -> T:
    return await anext(iterator)


async def _finish(close: Callable[[], Awaitable[object]]) -> None:
    await close()


async def iterate_in_thread(items: Iterable[T], *, chunk: int = 100) -> AsyncIterator[T]:
    """Items of a blocking iterable, for async code; ``chunk`` of them are fetched per visit to a thread.

    A generator is closed when the async iterator is.
    """
    iterator = iter(items)

    def take() -> list[T]:
        taken = []
        for item in iterator:
            taken.append(item)
            if len(taken) >= chunk:
                break
        return taken

    try:
        while True:
            part = await run_blocking(take)
            for item in part:
                yield item
            if len(part) < chunk:
                return
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await run_blocking(close)
