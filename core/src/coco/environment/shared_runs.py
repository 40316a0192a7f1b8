"""Runs of flows in this process: one at a time for each flow; callers that arrive meanwhile share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco.engine.context import RunOptions
    from coco.engine.stats import IndexUpdateInfo

Begun = Callable[["IndexUpdateInfo"], None]
"""Receives the statistics of a run when it begins; they grow with it."""
RunFlow = Callable[["RunOptions", "list[Begun]"], "Awaitable[IndexUpdateInfo]"]
"""Executes one run."""


class _NextRun:
    """A run that is queued or in progress, and the number of callers that wait for it."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.begun: list[Begun] = []
        self.task: asyncio.Task[IndexUpdateInfo] | None = None
        self.waiters = 0


class _Flow:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next: _NextRun | None = None


class SharedRuns:
    """The runs in this process by full name of the flow. Used on the loop only."""

    def __init__(self) -> None:
        self._flows: dict[str, _Flow] = {}

    def is_running(self, flow: str) -> bool:
        """Whether a run of the flow is in progress."""
        found = self._flows.get(flow)
        return found is not None and found.lock.locked()

    async def alone(
        self, flow: str, options: RunOptions, begun: Begun | None, run: RunFlow
    ) -> IndexUpdateInfo:
        """A run that is not shared."""
        async with self._flow(flow).lock:
            return await run(options, [begun] if begun is not None else [])

    async def share(
        self, flow: str, options: RunOptions, begun: Begun | None, run: RunFlow
    ) -> IndexUpdateInfo:
        """The next run of the flow, with the merged options of all callers. ``run`` of the first caller executes it.

        A caller that is cancelled leaves the run to the others; the last one cancels it.
        """
        shared = self._flow(flow)
        chosen = shared.next
        if chosen is None:
            chosen = shared.next = _NextRun(options)
            chosen.task = asyncio.get_running_loop().create_task(self._start(shared, chosen, run))
        else:
            _merge(chosen.options, options)
        assert chosen.task is not None
        if begun is not None:
            chosen.begun.append(begun)
        chosen.waiters += 1
        try:
            return await asyncio.shield(chosen.task)
        except asyncio.CancelledError:
            if chosen.waiters == 1:  # no other caller wants it
                chosen.task.cancel()
                await asyncio.gather(chosen.task, return_exceptions=True)
            raise
        finally:
            chosen.waiters -= 1

    def _flow(self, flow: str) -> _Flow:
        return self._flows.setdefault(flow, _Flow())

    async def _start(self, shared: _Flow, chosen: _NextRun, run: RunFlow) -> IndexUpdateInfo:
        try:
            async with shared.lock:
                shared.next = None
                return await run(chosen.options, chosen.begun)
        finally:
            if shared.next is chosen:  # cancelled before its turn
                shared.next = None


def _merge(merged: RunOptions, options: RunOptions) -> None:
    merged.reexport = merged.reexport or options.reexport
    merged.reprocess = merged.reprocess or options.reprocess
    merged.allow_deletes = merged.allow_deletes or options.allow_deletes
    merged.retry_quarantined = merged.retry_quarantined or options.retry_quarantined
    merged.patient = merged.patient and options.patient
