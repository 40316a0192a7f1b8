"""Live updates: an initial run, then runs that timers and change streams ask for, until aborted."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from typing import TYPE_CHECKING

from coco.engine.context import RunOptions
from coco.engine.loops import USER_LOOP
from coco.engine.stats import MAX_ERRORS, IndexUpdateInfo, SourceUpdateInfo, UpdateStats
from coco.engine.targets import KeptTargets
from coco.environment.own_paths import own_paths
from coco.environment.preparation import check_setup, max_delete_share, stored_flow_state
from coco.errors import ApiError, StateStoreError
from coco.events import LiveIdle
from coco.flow.options import FlowUpdaterStatusUpdates
from coco.operations.live_source import Followed
from coco.operations.update import progress_on_stdout, raise_unwritten, run_flow
from coco.ops.error_text import describe

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import Graph
    from coco.flow.options import FlowLiveUpdaterOptions
    from coco.state.protocol import Failure

LOG = logging.getLogger("coco.live")
HEARTBEAT_SECONDS = 60.0
"""Seconds between two counts of the rows in targets while single changes arrive: counting a large target takes longer
than writing a row."""


class LiveUpdate:
    """One running updater. Its state is used on the environment's loop only."""

    def __init__(self, environment: Environment, graph: Graph, options: FlowLiveUpdaterOptions) -> None:
        self.flow = graph.full_name
        self.environment = environment
        self._graph = graph
        self._options = options
        self._names = [step.name for step in graph.sources]
        self._active = list(self._names)
        self._updated: set[str] = set()
        self._unseen = False
        self._info = IndexUpdateInfo([SourceUpdateInfo(name) for name in self._names])
        self._running: IndexUpdateInfo | None = None
        self._task: asyncio.Task[None] | None = None
        self._aborting = False
        self._cancelled = False
        self._error: BaseException | None = None
        self._finished = asyncio.Event()
        self._changed = asyncio.Event()
        self._reader = asyncio.Lock()
        self._wake = asyncio.Event()
        self._followed: list[Followed] = []
        self._deleted: dict[str, dict[bytes, int]] = {}
        self._kept: KeptTargets | None = None
        self._looked = -HEARTBEAT_SECONDS

    # -- control ----------------------------------------------------------------------------------
    @property
    def is_started(self) -> bool:
        return self._task is not None

    @property
    def is_finished(self) -> bool:
        return self._finished.is_set()

    async def begin(self, here: bool = False) -> None:
        """Start in the background; raises ``SetupRequiredError`` if the setup is pending.

        ``here``: the caller awaits the end too, so async functions of users may run on the caller's loop.
        """
        environment = self.environment
        store = await environment.threads.store(environment.store)
        note = await environment.threads.store(check_setup, store, self._graph)
        if note:
            self._info.warnings.append(note)
        context = contextvars.copy_context()
        if not here:
            context.run(USER_LOOP.set, None)
        self._task = asyncio.get_running_loop().create_task(self._run(), context=context)

    def abort(self) -> None:
        """Ask the updater to stop. Does not block; the next update processes staged rows."""
        self._aborting = True
        self.environment.loop.notify(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled and not self._task.done():
            self._cancelled = True
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the updater has ended."""
        await self._finished.wait()

    def raise_error(self) -> None:
        """After the end: raise the error of a run that failed as a whole."""
        if self._error is not None:
            raise self._error

    # -- status -----------------------------------------------------------------------------------
    def update_stats(self) -> IndexUpdateInfo:
        """A snapshot of the statistics since the start, including the current run."""
        total = IndexUpdateInfo()
        for info in (self._info, self._running):
            if info is not None:
                _add(total, info)
        return total

    async def next_report(self) -> FlowUpdaterStatusUpdates:
        """Wait until something has changed; changes in between are one report. Returns at once after the end."""
        async with self._reader:
            while not (self._unseen or self.is_finished):
                self._changed.clear()
                await self._changed.wait()
            return self.report()

    def report(self) -> FlowUpdaterStatusUpdates:
        """Changes since the last report."""
        self._unseen = False
        names = [name for name in self._names if name in self._updated]
        self._updated.clear()
        return FlowUpdaterStatusUpdates(list(self._active), names)

    def _tell(self) -> None:
        self._unseen = True
        self._changed.set()

    def _set_active(self, names: list[str]) -> None:
        if names != self._active:
            self._active = names
            self._tell()

    # -- work -------------------------------------------------------------------------------------
    async def _run(self) -> None:
        try:
            if not self._aborting:
                with progress_on_stdout(self.environment, self.flow, self._options.print_stats):
                    await self._update_and_follow()
        except asyncio.CancelledError:
            pass  # asked for by abort()
        except BaseException as error:
            self._error = error
        finally:
            for item in self._followed:
                await item.stop()
            if self._kept is not None:
                await self._kept.close()
            self._active = []
            self._finished.set()
            self._tell()

    async def _update_and_follow(self) -> None:
        options = RunOptions(
            reexport=self._options.reexport_targets or self._options.full_reprocess,
            reprocess=self._options.full_reprocess,
            allow_deletes=self._options.allow_deletes,
            retry_quarantined=self._options.full_reprocess,
            max_delete_share=max_delete_share(),
            kind="initial update" if self._options.live_mode else "",
        )
        if self._options.live_mode:
            threads = self.environment.threads
            self._kept = options.kept = KeptTargets(threads)
            store = await threads.store(self.environment.store)
            ours = await threads.store(own_paths, store, self._graph)
            self._followed = [Followed(step, threads, self._wake.set, ours) for step in self._graph.sources]
            for item in self._followed:
                item.start()
        try:
            await self._run_sources(options, None)
        except Exception as error:
            if not self._survives(error):
                raise
            self._again(error, {name: [] for name in self._names}, set(self._names))
        else:
            await self._after_run(set(self._names), set(self._names))
        if self._options.live_mode:
            await self._follow()
        else:
            raise_unwritten(self.flow, self._info)

    def _survives(self, error: Exception) -> bool:
        """Whether following continues after a failed run: not without a store or a current setup."""
        return not isinstance(error, (StateStoreError, ApiError)) and any(
            item.is_active for item in self._followed
        )

    async def _follow(self) -> None:
        """Start runs as timers and streams ask for them; ends when no source is left to follow."""
        while True:
            now = time.monotonic()
            self._wake.clear()
            ready = [item for item in self._followed if item.look(now)]
            if ready:
                await self._catch_up(ready)
                continue
            active = [item for item in self._followed if item.is_active]
            self._set_active([item.name for item in active])
            if not active:
                return
            times = [at for at in (item.next_look(now) for item in active) if at is not None]
            pause = max(min(times) - now, 0.0) if times else None
            self.environment.emit(LiveIdle(self.flow, pause))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _catch_up(self, ready: list[Followed]) -> None:
        """One run for keys from change streams, and one for sources that must be listed."""
        whole = {item.name for item in ready if item.due}
        keys = {item.name: item.take() for item in ready}
        named = {name: found for name, found in keys.items() if found and name not in whole}
        share = max_delete_share()
        try:
            if named:
                quick = RunOptions(only_keys=named, force_keys=False, deleted=self._deleted, patient=True)
                quick.kind = "change stream"
                quick.heartbeat = time.monotonic() - self._looked >= HEARTBEAT_SECONDS
                quick.kept = self._kept
                await self._run_sources(quick, set(named))
            if whole:
                options = RunOptions(max_delete_share=share, patient=True, kept=self._kept)
                options.kind = "interval update"
                await self._run_sources(options, whole)
        except Exception as error:
            if not self._survives(error):
                raise
            self._again(error, keys, whole)
        else:
            await self._after_run(whole, set(keys))

    def _again(self, error: Exception, keys: dict[str, list[bytes]], whole: set[str]) -> None:
        now = time.monotonic()
        pauses = [
            item.failed(now, keys[item.name], whole=item.name in whole)
            for item in self._followed
            if item.name in keys and item.is_active
        ]
        pause = min(pauses, default=0.0)
        LOG.error("a run of flow '%s' failed, next attempt in %g s: %s", self.flow, pause, describe(error))

    async def _after_run(self, whole: set[str], looked_at: set[str]) -> None:
        now = time.monotonic()
        for item in self._followed:
            if item.name in whole:
                self._deleted.pop(item.name, None)
            if item.name in looked_at:
                await item.after_run(now, await self._failures(item.name), whole=item.name in whole)
        if self._updated:  # reported only now, so that a reported change has been acknowledged
            self._tell()

    async def _failures(self, source: str) -> dict[bytes, Failure]:
        threads = self.environment.threads
        store = await threads.store(self.environment.store)
        record = (await threads.store(stored_flow_state, store, self.flow)).sources.get(source)
        if record is None:
            return {}
        return await threads.store(store.get_failures, record.source_id)

    async def _run_sources(self, options: RunOptions, sources: set[str] | None) -> None:
        def begun(info: IndexUpdateInfo) -> None:
            self._running = info

        if options.heartbeat:
            self._looked = time.monotonic()
        chosen = None if sources is None or len(sources) == len(self._names) else sources
        if options.only_keys is not None:
            chosen = sources
        try:
            info = await run_flow(self.environment, self._graph, options, chosen, begun)
        except BaseException:
            if self._running is not None:  # count what was done before the failure
                _add(self._info, self._running)
            raise
        finally:
            self._running = None
        _add(self._info, info)
        stale = {item.source_name for item in info.sources if item.stats.num_stale}
        for followed in self._followed:
            followed.due = followed.due or followed.name in stale  # a listing shows the current version
        changed = [item for item in info.sources if item.stats.has_any_change]
        self._updated.update(item.source_name for item in changed)
        if changed and self._options.print_stats:
            print(info)  # noqa: T201  asked for by print_stats


def _add(total: IndexUpdateInfo, info: IndexUpdateInfo) -> None:
    """Add ``info`` to ``total``; sources keep their order, messages come once."""
    for item in info.sources:
        try:
            stats = total[item.source_name]
        except KeyError:
            stats = UpdateStats()
            total.sources.append(SourceUpdateInfo(item.source_name, stats))
        stats.add(item.stats)
    total.warnings = list(dict.fromkeys([*total.warnings, *info.warnings]))
    total.errors += info.errors[: max(MAX_ERRORS - len(total.errors), 0)]
    total.failed_targets |= info.failed_targets
    total.drifted = list(dict.fromkeys([*total.drifted, *info.drifted]))
