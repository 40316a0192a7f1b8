"""Calling user code that may be sync or async, from sync code, while a flow is being defined."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any


def is_async_callable(function: Any) -> bool:
    """Whether calling it gives something to await."""
    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is wanted
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(call)


def call_blocking(function: Callable[..., Any], *args: Any) -> Any:
    """Call and, if the result is awaitable, wait for it in a thread of its own.

    Safe inside a running event loop; only for the short calls of definition time.
    """
    result = function(*args)
    if not inspect.isawaitable(result):
        return result
    import asyncio

    outcome: list[Any] = []

    async def wait() -> Any:
        return await result

    def work() -> None:
        try:
            outcome.append((True, asyncio.run(wait())))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=work, name="coco-define", daemon=True)
    thread.start()
    thread.join()
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    return value


def accepts(function: Callable[..., Any], count: int) -> bool:
    """Whether ``count`` arguments can be passed by position. ``self`` and ``cls`` must be bound."""
    try:
        inspect.signature(function).bind(*(None,) * count)
    except TypeError:
        return False
    return True
