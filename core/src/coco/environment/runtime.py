"""What flows and the command line can ask for: every method in a blocking and an async form.

All work runs on one background loop, so that blocking calls work from notebooks and web handlers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from coco.engine.context import Run, RunOptions
from coco.engine.pipeline import run_update
from coco.engine.stats import IndexUpdateInfo, RowError
from coco.environment.environment import ENVIRONMENT, Environment
from coco.environment.leases import HeldLease, lease
from coco.environment.loop import BackgroundLoop
from coco.environment.preparation import (
    check_setup,
    make_run,
    max_delete_share,
    narrowed,
    note_pass_done,
)
from coco.events import EmitFn, FlowEvent
from coco.flow.places import definition_place
from coco.operations.cache import cache_figures, expire_results, prune_results
from coco.operations.check_sources import check_sources
from coco.operations.errors import list_errors, raise_unwritten
from coco.operations.gc_threshold import rare_collections
from coco.operations.setup import BundleWork
from coco.setup.bundle import SetupChangeBundle

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.flow.graph import DefinitionPlace, Graph, InlineGraph
    from coco.flow.options import EvaluateAndDumpOptions, FlowLiveUpdaterOptions
    from coco.operations.live import LiveUpdate
    from coco.operations.plan import UpdatePlan
    from coco.operations.verify_report import VerifyReport
    from coco.state.protocol import Lease, StateStore
    from coco.types.schema import EngineValue

T = TypeVar("T")

Begun = Callable[[IndexUpdateInfo], None]
PLAN_READS = 1_000
"""Rows of each source that a plan reads, at most."""


class _Pass:
    """A pass that waits for its turn or runs, and how many callers wait for it."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.begun: list[Begun] = []
        self.task: asyncio.Task[IndexUpdateInfo] | None = None
        self.waiters = 0


class _Shared:
    """Passes of one flow in this process: one runs, callers that come meanwhile share the next."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next: _Pass | None = None


class Runtime:
    """The port behind ``coco.flow``. ``RUNTIME`` is the process's own."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.loop = BackgroundLoop(self._explained)
        self._shared: dict[str, _Shared] = {}
        self._live: list[LiveUpdate] = []
        self._listeners: list[EmitFn] = []
        self._connected = False
        self._memo_left: tuple[int, int] | None = None

    # -- events -----------------------------------------------------------------------------------
    def add_listener(self, listener: EmitFn) -> Callable[[], None]:
        """Every event of every run in this process; returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: FlowEvent) -> None:
        from coco.plugins import plugin_host

        for listener in list(self._listeners):
            listener(event)
        host = plugin_host()
        if host.has_observers():
            host.emit(event)

    def _connect(self) -> None:
        if not self._connected:
            from coco.plugins import connect_registry

            connect_registry()
            self._connected = True

    async def _explained(self, error: Exception) -> Exception | None:
        from coco.environment.damage import explained

        return await explained(error, self.environment)

    def full_name(self, name: str) -> str:
        namespace = self.environment.namespace
        return f"{namespace}.{name}" if namespace else name

    # -- update -----------------------------------------------------------------------------------
    def update(self, flow: Flow, **options: Any) -> IndexUpdateInfo:
        """One pass; see ``Flow.update``."""
        graph = self._graph(flow)
        return self.loop.run(self._update(graph, options), "update_async()")

    async def update_async(self, flow: Flow, **options: Any) -> IndexUpdateInfo:
        graph = await asyncio.to_thread(self._graph, flow)
        return await self.loop.run_async(self._update(graph, options))

    def retry(self, flow: Flow, *, print_stats: bool = False) -> IndexUpdateInfo:
        """An update that also takes up quarantined rows."""
        return self.update(flow, retry_quarantined=True, print_stats=print_stats)

    async def retry_async(self, flow: Flow, *, print_stats: bool = False) -> IndexUpdateInfo:
        return await self.update_async(flow, retry_quarantined=True, print_stats=print_stats)

    def _graph(self, flow: Flow) -> Graph:
        self._connect()
        return flow.graph

    async def _update(self, graph: Graph, given: dict[str, Any]) -> IndexUpdateInfo:
        print_stats = given.pop("print_stats", False)
        listener = given.pop("on_event", None)
        remove = self.add_listener(listener) if listener is not None else None
        options = RunOptions(
            reexport=given.pop("reexport_targets", False) or given.get("full_reprocess", False),
            reprocess=given.get("full_reprocess", False),
            allow_deletes=given.pop("allow_deletes", False),
            retry_quarantined=given.pop("retry_quarantined", False) or given.pop("full_reprocess", False),
            only_keys=given.pop("only_keys", None),
            max_delete_share=max_delete_share(),
        )
        if given:
            raise TypeError(f"update() does not take {', '.join(given)}")
        try:
            with self.showing(graph.full_name, print_stats):
                info = await self.join_pass(graph, options)
        finally:
            if remove is not None:
                remove()
        if print_stats:
            print(info)  # noqa: T201  asked for by print_stats
        raise_unwritten(graph.full_name, info)
        return info

    @contextlib.contextmanager
    def showing(self, flow: str, wanted: bool) -> Iterator[None]:
        """With progress of runs of a flow (full name) on standard output, if that is wanted."""
        if not wanted or sys.stdout is None:
            yield
            return
        from coco.operations.progress import shown_on

        with shown_on(sys.stdout, print, flow) as listener:
            remove = self.add_listener(listener)
            try:
                yield
            finally:
                remove()

    async def join_pass(
        self,
        graph: Graph,
        options: RunOptions,
        sources: Collection[str] | None = None,
        begun: Begun | None = None,
    ) -> IndexUpdateInfo:
        """One pass, shared with other callers if it is one over everything. Runs on the loop.

        ``sources``: only these (and those that feed the same targets) are looked at. ``begun``: gets the
        statistics when the pass begins; they grow with it.
        """
        shared = self._shared.setdefault(graph.full_name, _Shared())
        if options.only_keys is not None or sources is not None:
            async with shared.lock:
                return await self._one_pass(graph, options, sources, [begun] if begun is not None else [])
        chosen = shared.next
        if chosen is None:
            chosen = shared.next = _Pass(options)
            chosen.task = asyncio.get_running_loop().create_task(self._next_pass(graph, shared, chosen))
        else:
            merged = chosen.options
            merged.reexport = merged.reexport or options.reexport
            merged.reprocess = merged.reprocess or options.reprocess
            merged.allow_deletes = merged.allow_deletes or options.allow_deletes
            merged.retry_quarantined = merged.retry_quarantined or options.retry_quarantined
            merged.patient = merged.patient and options.patient
        assert chosen.task is not None
        if begun is not None:
            chosen.begun.append(begun)
        chosen.waiters += 1
        try:
            return await asyncio.shield(chosen.task)
        except asyncio.CancelledError:
            if chosen.waiters == 1:  # nobody else wants it
                chosen.task.cancel()
                await asyncio.gather(chosen.task, return_exceptions=True)
            raise
        finally:
            chosen.waiters -= 1

    async def _next_pass(self, graph: Graph, shared: _Shared, chosen: _Pass) -> IndexUpdateInfo:
        try:
            async with shared.lock:
                shared.next = None
                return await self._one_pass(graph, chosen.options, None, chosen.begun)
        finally:
            if shared.next is chosen:  # cancelled before its turn
                shared.next = None

    async def _one_pass(
        self,
        graph: Graph,
        options: RunOptions,
        sources: Collection[str] | None,
        begun: Iterable[Begun],
    ) -> IndexUpdateInfo:
        try:
            return await self._leased_pass(graph, options, sources, begun)
        except Exception as error:  # a live updater ends where the state is at fault, and goes on otherwise
            better = await self._explained(error)
            if better is not None:
                raise better from error
            raise

    async def _leased_pass(
        self,
        graph: Graph,
        options: RunOptions,
        sources: Collection[str] | None,
        begun: Iterable[Begun],
    ) -> IndexUpdateInfo:
        async with self.leased(graph.full_name, "an update") as in_doubt:
            environment = self.environment
            threads = environment.threads
            store = await threads.store(environment.store)
            note = await threads.store(check_setup, store, graph)
            run = await threads.store(make_run, environment, store, graph, options, self.emit)
            run.in_doubt = in_doubt
            run.fencing.confirm = in_doubt.confirm
            if note:
                run.warn(note)
            if sources is not None:
                run.plan = narrowed(run.plan, sources)
            for tell in begun:
                tell(run.info)
            with rare_collections():
                await run_update(run)
            if options.only_keys is None and sources is None:
                await threads.store(note_pass_done, store, graph, run.removed_sources)
            await threads.store(self._expire_results, store, run)
            return run.info

    def _expire_results(self, store: StateStore, run: Run) -> None:
        settings = self.environment.settings
        self._memo_left = expire_results(store, settings, run.flow, run.home_source_id, self._memo_left)

    @contextlib.asynccontextmanager
    async def leased(self, flow: str, what: str) -> AsyncIterator[HeldLease]:
        """Alone with a flow; tells whether it may have been for a part of the time only. Runs on the loop."""
        threads = self.environment.threads
        store = await threads.store(self.environment.store)
        async with lease(store, threads, flow, what, emit=self.emit) as in_doubt:
            yield in_doubt

    def is_updating(self, flow: str) -> bool:
        """Whether a pass over the flow runs in this process."""
        shared = self._shared.get(flow)
        return shared is not None and shared.lock.locked()

    def is_followed(self, flow: str) -> bool:
        """Whether an updater over the flow was started in this process and has not ended."""
        return any(item.flow == flow and item.is_started and not item.is_finished for item in self._live)

    # -- setup ------------------------------------------------------------------------------------
    def setup(self, flow: Flow, report: bool, allow_destructive: bool = False) -> None:
        self.make_setup_bundle([flow]).describe_and_apply(report, allow_destructive)

    async def setup_async(self, flow: Flow, report: bool, allow_destructive: bool = False) -> None:
        bundle = await self.make_setup_bundle_async([flow])
        await bundle.describe_and_apply_async(report, allow_destructive)

    def drop(self, flow: Flow, report: bool) -> None:
        self.make_drop_bundle([flow]).describe_and_apply(report)

    async def drop_async(self, flow: Flow, report: bool) -> None:
        await (await self.make_drop_bundle_async([flow])).describe_and_apply_async(report)

    def check_sources(self, flows: Iterable[Flow]) -> None:
        """Raise ``SourceError`` for a source that says that what it is to read is not there."""
        graphs = [self._graph(flow) for flow in flows]
        self.loop.run(check_sources(graphs, self.environment.threads), "check_sources_async()")

    def make_setup_bundle(self, flows: Iterable[Flow], *, forget: bool = False) -> SetupChangeBundle:
        """Setup of flows. ``forget``: of what they no longer export, what nobody can drop is forgotten and stays."""
        graphs = [self._graph(flow) for flow in flows]
        return SetupChangeBundle(BundleWork(self, graphs, None, forget=forget))

    async def make_setup_bundle_async(self, flows: Iterable[Flow]) -> SetupChangeBundle:
        return await asyncio.to_thread(self.make_setup_bundle, flows)

    def make_drop_bundle(
        self,
        flows: Iterable[Flow],
        names: Iterable[str] = (),
        *,
        keep_results: bool = False,
        forget: bool = False,
    ) -> SetupChangeBundle:
        """Drop of flows by object, and by short name for flows that the app no longer defines.

        ``keep_results``: what functions returned stays in the memo for a flow that is set up again. ``forget``: targets
        whose plugin is not installed are forgotten and stay as they are.
        """
        self._connect()
        wanted: dict[str, DefinitionPlace | None] = {
            flow.full_name: definition_place(flow.function) for flow in flows
        }
        wanted |= {self.full_name(name): None for name in names}
        return SetupChangeBundle(BundleWork(self, [], wanted, keep_results=keep_results, forget=forget))

    async def make_drop_bundle_async(self, flows: Iterable[Flow]) -> SetupChangeBundle:
        return await asyncio.to_thread(self.make_drop_bundle, flows)

    def flow_names_with_setup(self) -> list[str]:
        """Short names of the flows of this namespace with persisted setup."""
        if not self.environment.store_exists():
            return []
        return self.loop.run(self._names(), "flow_names_with_setup_async()")

    async def flow_names_with_setup_async(self) -> list[str]:
        if not self.environment.store_exists():
            return []
        return await self.loop.run_async(self._names())

    async def _names(self) -> list[str]:
        threads = self.environment.threads
        store = await threads.store(self.environment.store)
        namespace = self.environment.namespace
        names = []
        for full in await threads.store(store.flows):
            prefix, dot, name = full.rpartition(".")
            if (prefix if dot else "") == namespace:
                names.append(name)
        return names

    # -- in memory --------------------------------------------------------------------------------
    def eval_inline(self, inline: InlineGraph, columns: list[list[EngineValue]]) -> list[EngineValue]:
        self._connect()
        return self.loop.run(self._eval(inline, columns), "eval_async()")

    async def eval_inline_async(
        self, inline: InlineGraph, columns: list[list[EngineValue]]
    ) -> list[EngineValue]:
        self._connect()
        return await self.loop.run_async(self._eval(inline, columns))

    async def _eval(self, inline: InlineGraph, columns: list[list[EngineValue]]) -> list[EngineValue]:
        from coco.engine.inline import evaluate_inline

        return await evaluate_inline(inline, columns, self.environment.executors, self.environment.threads)

    def evaluate_and_dump(self, flow: Flow, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        graph = self._graph(flow)
        return self.loop.run(self._dump(graph, options), "evaluate_and_dump_async()")

    async def evaluate_and_dump_async(self, flow: Flow, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        graph = await asyncio.to_thread(self._graph, flow)
        return await self.loop.run_async(self._dump(graph, options))

    async def _dump(self, graph: Graph, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        from coco.operations.evaluate import dump_flow

        return await dump_flow(self.environment, graph, options, self.emit)

    # -- looking ----------------------------------------------------------------------------------
    def plan_update(self, flow: Flow, read: int = PLAN_READS) -> UpdatePlan:
        """What an update would do, without a paid call and without a write.

        ``read``: how many rows of each source are read, at most, to say which calls and writes they cause.
        """
        return self.loop.run(self._plan(self._graph(flow), read), "plan_update_async()")

    async def plan_update_async(self, flow: Flow, read: int = PLAN_READS) -> UpdatePlan:
        graph = await asyncio.to_thread(self._graph, flow)
        return await self.loop.run_async(self._plan(graph, read))

    async def _plan(self, graph: Graph, read: int) -> UpdatePlan:
        from coco.operations.plan import plan_update

        return await plan_update(self.environment, graph, read)

    def verify(self, flow: Flow, repair: bool = False, sample: int | None = None) -> VerifyReport:
        """Compare sources, state and targets by keys and values; with ``repair`` bring targets back.

        ``sample``: compare at most so many rows of each source and target by value; all keys are compared.
        """
        return self.loop.run(self._verify(self._graph(flow), repair, sample), "verify_async()")

    async def verify_async(self, flow: Flow, repair: bool = False, sample: int | None = None) -> VerifyReport:
        graph = await asyncio.to_thread(self._graph, flow)
        return await self.loop.run_async(self._verify(graph, repair, sample))

    async def _verify(self, graph: Graph, repair: bool, sample: int | None) -> VerifyReport:
        from coco.operations.verify import verify

        async def update(only_keys: dict[str, list[bytes]]) -> IndexUpdateInfo:
            return await self.join_pass(
                graph,
                RunOptions(only_keys=only_keys, allow_deletes=True, retry_quarantined=True, heartbeat=False),
            )

        def alone(what: str) -> contextlib.AbstractAsyncContextManager[Any]:
            return self.leased(graph.full_name, what)

        return await verify(
            self.environment, graph, repair=repair, sample=sample, update=update, alone=alone, emit=self.emit
        )

    def errors(self, flow: Flow) -> list[RowError]:
        """Rows that could not be brought up to date."""
        return self.loop.run(self._errors(self._graph(flow)), "errors_async()")

    async def errors_async(self, flow: Flow) -> list[RowError]:
        graph = await asyncio.to_thread(self._graph, flow)
        return await self.loop.run_async(self._errors(graph))

    async def _errors(self, graph: Graph) -> list[RowError]:
        return await list_errors(self.environment, graph)

    def leases(self) -> list[Lease]:
        """Who works on which flow of the state, or was killed at it; by full flow name."""
        return self.loop.run(self._leases(), "leases_async()")

    async def _leases(self) -> list[Lease]:
        return await self._in_store(lambda store: store.leases())

    def take_lease_away(self, lease: Lease) -> None:
        """End a lease. A holder that still works notices within a third of its length."""
        self.loop.run(self._take_lease_away(lease), "take_lease_away_async()")

    async def _take_lease_away(self, lease: Lease) -> None:
        await self._in_store(lambda store: store.release_lease(lease.flow, lease.holder))

    def cache_stats(self) -> dict[str, Any]:
        """See ``coco.cache_stats``."""
        return self.loop.run(self._cache_stats(), "cache_stats_async()")

    async def cache_stats_async(self) -> dict[str, Any]:
        return await self.loop.run_async(self._cache_stats())

    async def _cache_stats(self) -> dict[str, Any]:
        return await self._in_store(functools.partial(cache_figures, self.environment))

    def prune_cache(self) -> dict[str, int]:
        """See ``coco.prune_cache``."""
        return self.loop.run(self._prune_cache(), "prune_cache_async()")

    async def prune_cache_async(self) -> dict[str, int]:
        return await self.loop.run_async(self._prune_cache())

    async def _prune_cache(self) -> dict[str, int]:
        return await self._in_store(prune_results)

    async def _in_store(self, function: Callable[[StateStore], T]) -> T:
        """``function(store)`` in the store's thread; opens the store at first use."""
        threads = self.environment.threads
        return await threads.store(function, await threads.store(self.environment.store))

    # -- live -------------------------------------------------------------------------------------
    def live(self, flow: Flow, options: FlowLiveUpdaterOptions) -> LiveUpdate:
        from coco.operations.live import LiveUpdate

        self._live = [item for item in self._live if not item.is_finished]
        handle = LiveUpdate(self, self._graph(flow), options)
        self._live.append(handle)
        return handle

    def close_flow(self, flow: Flow) -> None:
        """End the updaters of a flow that is closed."""
        for handle in [item for item in self._live if flow.is_built and item.flow == flow.full_name]:
            self._end(handle)
            self._live.remove(handle)

    def _end(self, handle: LiveUpdate) -> None:
        handle.abort()
        if handle.is_started:
            with contextlib.suppress(Exception):  # whoever waits for the updater is told of its error
                handle.wait()

    def stop(self) -> None:
        """End everything; the next use starts anew."""
        for handle in self._live:
            self._end(handle)
        self._live.clear()
        if self.environment._executors is not None:
            self.loop.run(self.environment.executors.close(), "stop()")
        self.loop.stop()
        self.environment.close()
        self._shared.clear()


RUNTIME = Runtime(ENVIRONMENT)
