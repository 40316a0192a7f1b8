"""Live updates: an initial pass, then polling sources and their change streams until aborted (L-1 to L-34)."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from coco.engine.context import RunOptions
from coco.engine.stats import IndexUpdateInfo
from coco.errors import LifecycleError
from coco.flow.options import FlowUpdaterStatusUpdates

if TYPE_CHECKING:
    from coco.environment.runtime import Runtime
    from coco.flow.graph import Graph, SourceStep
    from coco.flow.options import FlowLiveUpdaterOptions

LOG = logging.getLogger("coco.live")
MIN_RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 60.0


class LiveUpdate:
    """One running updater. All state is touched on the runtime's loop only, but for the condition."""

    def __init__(self, runtime: Runtime, graph: Graph, options: FlowLiveUpdaterOptions) -> None:
        self.flow = graph.full_name
        self._runtime = runtime
        self._graph = graph
        self._options = options
        self._changed = threading.Condition()
        self._active = [step.name for step in graph.sources]
        self._updated: set[str] = set()
        self._unseen = False
        self._info = IndexUpdateInfo()
        self._task: Any = None
        self._finished = threading.Event()
        self._aborting = False
        self._error: BaseException | None = None
        self._reader = threading.Lock()

    # -- control ----------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin in the background; refuses when setup is pending."""
        self._runtime.loop.run(self._check(), "start_async()")
        self._task = self._runtime.loop.submit(self._run())

    async def start_async(self) -> None:
        await self._runtime.loop.run_async(self._check())
        self._task = self._runtime.loop.submit(self._run())

    async def _check(self) -> None:
        from coco.environment.preparation import check_setup

        environment = self._runtime.environment
        store = await environment.threads.store(environment.store)
        await environment.threads.store(check_setup, store, self._graph)

    def abort(self) -> None:
        """Ask everything to stop; rows that are staged are finished."""
        self._aborting = True
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def wait(self) -> None:
        """Until all has ended; raises the error of a run that failed as a whole."""
        if self._task is None:
            raise LifecycleError("Live updater is not started")
        self._finished.wait()
        if self._error is not None:
            raise self._error

    async def wait_async(self) -> None:
        await asyncio.to_thread(self.wait)

    def update_stats(self) -> IndexUpdateInfo:
        """Statistics since the start."""
        return self._info

    def next_status_updates(self) -> FlowUpdaterStatusUpdates:
        """Block until something changed; what happened in between is one report."""
        with self._reader, self._changed:
            self._changed.wait_for(lambda: self._unseen or self._finished.is_set())
            self._unseen = False
            names = [step.name for step in self._graph.sources if step.name in self._updated]
            self._updated.clear()
            if self._error is not None and not names:
                raise self._error
            return FlowUpdaterStatusUpdates(list(self._active), names)

    async def next_status_updates_async(self) -> FlowUpdaterStatusUpdates:
        return await asyncio.to_thread(self.next_status_updates)

    # -- work -------------------------------------------------------------------------------------
    async def _run(self) -> None:
        try:
            info = await self._pass(
                RunOptions(
                    reexport=self._options.reexport_targets or self._options.full_reprocess,
                    reprocess=self._options.full_reprocess,
                    allow_deletes=self._options.allow_deletes,
                )
            )
            self._note(info)
            if self._options.live_mode:
                await self._follow()
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._active = []
                self._finished.set()
                self._unseen = True
                self._changed.notify_all()

    async def _pass(self, options: RunOptions) -> IndexUpdateInfo:
        return await self._runtime._join_pass(self._graph, options)

    def _note(self, info: IndexUpdateInfo) -> None:
        with self._changed:
            for item in info.sources:
                try:
                    self._info[item.source_name].add(item.stats)
                except KeyError:
                    self._info.sources.append(item)
                if item.stats.has_any_change:
                    self._updated.add(item.source_name)
                    self._unseen = True
            self._info.warnings = list(dict.fromkeys([*self._info.warnings, *info.warnings]))
            self._changed.notify_all()
        if self._options.print_stats and any(item.stats.has_any_change for item in info.sources):
            print(info)  # noqa: T201  asked for by print_stats

    async def _follow(self) -> None:
        """All timers and streams at once; ends when none is left."""
        wake = asyncio.Event()
        watchers: dict[str, list[asyncio.Task[None]]] = {}
        loop = asyncio.get_running_loop()
        for step in self._graph.sources:
            tasks = []
            if step.refresh_interval is not None:
                tasks.append(loop.create_task(self._tick(step.refresh_interval.total_seconds(), wake)))
            if step.source.method("change_stream") is not None:
                tasks.append(loop.create_task(self._stream(step, wake)))
            if tasks:
                watchers[step.name] = tasks
        try:
            while watchers:
                with self._changed:
                    self._active = [step.name for step in self._graph.sources if step.name in watchers]
                    self._changed.notify_all()
                waiting = loop.create_task(wake.wait())
                everything = [task for tasks in watchers.values() for task in tasks]
                await asyncio.wait({waiting, *everything}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if wake.is_set():
                    wake.clear()
                    try:
                        self._note(await self._pass(RunOptions()))
                    except Exception:
                        LOG.exception("a pass over flow '%s' failed; live mode goes on", self.flow)
                for name in list(watchers):
                    watchers[name] = [task for task in watchers[name] if not task.done()]
                    if not watchers[name]:
                        del watchers[name]
        finally:
            for tasks in watchers.values():
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _tick(self, seconds: float, wake: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(seconds)
            wake.set()

    async def _stream(self, step: SourceStep, wake: asyncio.Event) -> None:
        """A source's own feed; every batch of changes asks for a pass, which reads only what changed."""
        pause = MIN_RETRY_SECONDS
        while True:
            connector = await self._runtime.environment.threads.call(step.source.create, step.spec)
            try:
                async for _ in connector.change_stream():
                    pause = MIN_RETRY_SECONDS
                    wake.set()
                return
            except Exception:
                LOG.warning(
                    "change stream of source '%s' failed; next try in %g s", step.name, pause, exc_info=True
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_RETRY_SECONDS)
