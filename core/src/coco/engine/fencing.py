"""Numbers by which a target tells the writes of a run from those of earlier and later ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coco.engine.threads import Threads
from coco.errors import FencedError
from coco.ops.targets import FencingToken
from coco.state.protocol import StateStore


async def _always() -> bool:
    return True


class Fencing:
    """The token of one run, made when a target first asks for it.

    confirm: whether the lease of the flow is held by this run and was all the time. A number is given out only when that
    was so after it was drawn, so a later holder of the lease draws a higher one.
    """

    def __init__(self, store: StateStore, threads: Threads, flow: str) -> None:
        self._store = store
        self._threads = threads
        self._flow = flow
        self._number = 0
        self._lock = asyncio.Lock()
        self.confirm: Callable[[], Awaitable[bool]] = _always

    async def token(self) -> FencingToken:
        """Raises ``FencedError`` if another process has taken over the flow."""
        async with self._lock:
            if not self._number:
                (drawn,) = await self._threads.store(self._store.allocate_ids, 1)
                await self._check(drawn)
                self._number = drawn
            return FencingToken(self._flow, self._number)

    async def token_above(self, number: int) -> FencingToken:
        """After a target said that it has seen ``number``: a higher one, if this run still has the right to write.

        So it is where state is older than the target: a backup, or another state store that fed the same target.
        """
        async with self._lock:
            await self._check(number)
            self._number = max(self._number, number + 1)
            return FencingToken(self._flow, self._number)

    async def _check(self, number: int) -> None:
        if not await self.confirm():
            raise FencedError(
                f"another process took over flow '{self._flow}'; what this one still had to write is left to it",
                number,
            )
