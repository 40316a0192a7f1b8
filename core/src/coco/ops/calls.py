"""Calls sync or async user code from sync code, while a flow is being defined."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any


def is_async_callable(function: Any) -> bool:
    """Return whether a call of it returns an awaitable."""
    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is wanted
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(call)


def call_blocking(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function. If the result is awaitable, await it in a new thread.

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
    """Return whether a function takes ``count`` positional arguments. ``self`` and ``cls`` must be bound."""
    try:
        inspect.signature(function).bind(*(None,) * count)
    except TypeError:
        return False
    return True
