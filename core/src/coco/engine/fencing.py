"""Fencing tokens: increasing numbers by which a target refuses writes of earlier runs."""

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
    """The token of one run, drawn when a target first needs it.

    confirm: whether this run holds the lease of the flow and has held it all the time. The token is used only if
    ``confirm`` is true after the token was drawn; so a later holder of the lease draws a higher one.
    """

    def __init__(self, store: StateStore, threads: Threads, flow: str) -> None:
        self._store = store
        self._threads = threads
        self._flow = flow
        self._number = 0
        self._lock = asyncio.Lock()
        self.confirm: Callable[[], Awaitable[bool]] = _always

    async def token(self) -> FencingToken:
        """The token of this run. Raises ``FencedError`` if another process has taken over the flow."""
        async with self._lock:
            if not self._number:
                (drawn,) = await self._threads.store(self._store.allocate_ids, 1)
                await self._check(drawn)
                self._number = drawn
            return FencingToken(self._flow, self._number)

    async def token_above(self, number: int) -> FencingToken:
        """A token above ``number``, which the target has seen. Raises ``FencedError`` like ``token``.

        Needed if state is older than the target: it is a backup, or another state store wrote to the same target.
        """
        async with self._lock:
            await self._check(number)
            self._number = max(self._number, number + 1)
            return FencingToken(self._flow, self._number)

    async def _check(self, number: int) -> None:
        if not await self.confirm():
            raise FencedError(
                f"another process took over flow '{self._flow}'; what this one had not written yet, the other one writes",
                number,
            )
