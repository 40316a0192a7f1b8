"""Functions whose ``prepare`` fails: tried once per run, and in live mode after pauses that grow."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from coco.ops.registry import BoundFunction

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0


class ExecutorSource(Protocol):
    """Provides the executors of functions."""

    async def get(self, function: BoundFunction) -> Any:
        """The prepared executor. Raises what its ``prepare`` raised."""


def key_of(function: BoundFunction) -> Hashable:
    """A key that is equal for uses that share an executor."""
    return function.gpu, function.runner, function.executor_key


class _Pause(Struct):
    error: Exception
    seconds: float
    until: float


class Pauses:
    """Errors of executors that could not be prepared, by key. Kept between runs; used on the engine's loop only."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Pause] = {}

    def error(self, key: Hashable) -> Exception | None:
        """The error, until the pause has ended; then None."""
        known = self._known.get(key)
        return known.error if known is not None and time.monotonic() < known.until else None

    def failed(self, key: Hashable, error: Exception) -> None:
        known = self._known.get(key)
        seconds = FIRST_PAUSE_SECONDS if known is None else min(known.seconds * 2, LONGEST_PAUSE_SECONDS)
        self._known[key] = _Pause(error, seconds, time.monotonic() + seconds)

    def succeeded(self, key: Hashable) -> None:
        self._known.pop(key, None)

    def clear(self) -> None:
        self._known.clear()


class RunExecutors:
    """The executors of one run: one that cannot be prepared is tried once, not for each row.

    ``patient``: do not try it while its pause lasts. For runs that live mode starts by itself.
    """

    def __init__(self, inner: ExecutorSource, pauses: Pauses, *, patient: bool = False) -> None:
        self._inner = inner
        self._pauses = pauses
        self._patient = patient
        self._failed: dict[Hashable, Exception] = {}

    async def get(self, function: BoundFunction) -> Any:
        key = key_of(function)
        failed = self._failed.get(key) or (self._pauses.error(key) if self._patient else None)
        if failed is not None:
            raise failed
        try:
            executor = await self._inner.get(function)
        except Exception as error:
            if key not in self._failed:  # batches that waited for one attempt count as one failure
                self._failed[key] = error
                self._pauses.failed(key, error)
            raise
        self._pauses.succeeded(key)
        return executor
