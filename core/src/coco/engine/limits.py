"""Limits on rows and bytes in flight, per source and for the whole process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Limiter:
    """Limits the rows and bytes in flight; requests are admitted in order. ``None``: no limit.

    A request above the limit is reduced to it. So a row larger than ``max_bytes`` is processed alone and does not wait
    forever.
    """

    def __init__(self, max_rows: int | None = None, max_bytes: int | None = None) -> None:
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self._rows = 0
        self._bytes = 0
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    @property
    def rows_in_flight(self) -> int:
        return self._rows

    @property
    def bytes_in_flight(self) -> int:
        return self._bytes

    def capped(self, rows: int, size: int) -> tuple[int, int]:
        """The rows and bytes that a request reserves."""
        return (
            rows if self.max_rows is None else min(rows, self.max_rows),
            size if self.max_bytes is None else min(size, self.max_bytes),
        )

    def _fits(self, rows: int, size: int) -> bool:
        return (self.max_rows is None or self._rows + rows <= self.max_rows) and (
            self.max_bytes is None or self._bytes + size <= self.max_bytes
        )

    async def acquire(self, rows: int, size: int, *, first: bool = False) -> tuple[int, int]:
        """Block until admitted; returns what was reserved, for ``release``. ``first``: ahead of waiting requests."""
        rows, size = self.capped(rows, size)
        if (first or not self._waiting) and self._fits(rows, size):
            self._rows += rows
            self._bytes += size
            return rows, size
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (rows, size, future)
        if first:
            self._waiting.appendleft(entry)
        else:
            self._waiting.append(entry)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(rows, size)
            else:
                self._waiting.remove(entry)
                self._admit()
            raise
        return rows, size

    def release(self, rows: int, size: int) -> None:
        self._rows -= rows
        self._bytes -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            rows, size, future = self._waiting[0]
            if future.cancelled():
                self._waiting.popleft()
                continue
            if not self._fits(rows, size):
                return
            self._waiting.popleft()
            self._rows += rows
            self._bytes += size
            future.set_result(None)


def weight_of(value: Any) -> int:
    """Approximate bytes of an inline value; 0 if unknown."""
    if value is None:
        return 0
    if hasattr(value, "__dict__"):
        return sum(size_of(item) for item in vars(value).values())
    return size_of(value)


def size_of(value: Any) -> int:
    """Approximate bytes of a value."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return sum(size_of(item) for item in value) if isinstance(value, (tuple, list)) else 8


class Permits:
    """Permits of one batch from several limiters; the source's come before those of the process."""

    def __init__(self, limiters: list[Limiter]) -> None:
        self._limiters = limiters
        self._held: list[tuple[Limiter, int, int]] = []
        self._rows = 0

    async def acquire(self, rows: int, size: int, *, first: bool = False) -> None:
        self._rows = rows
        try:
            for limiter in self._limiters:
                held = await limiter.acquire(rows, size, first=first)
                self._held.append((limiter, *held))
        except BaseException:
            self.release()
            raise

    async def resize(self, size: int) -> None:
        """Adjust the permits to the real size of the batch in bytes, which is known once its rows are read.

        A batch that needs more permits first releases all that it holds, then queues ahead of batches that have not
        started. So a batch that holds permits of the last limiter never blocks, and there is no deadlock.
        """
        if all(limiter.capped(0, size)[1] <= held for limiter, _, held in self._held):
            for place, (limiter, rows, held) in enumerate(self._held):
                less = limiter.capped(0, size)[1]
                self._held[place] = (limiter, rows, less)
                limiter.release(0, held - less)
            return
        self.release()
        await self.acquire(self._rows, size, first=True)

    def release(self) -> None:
        while self._held:
            limiter, rows, size = self._held.pop()
            limiter.release(rows, size)
