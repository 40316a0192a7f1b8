"""What flows and the command line can ask for: every method in a blocking and an async form.

All work runs on one background loop, so that blocking calls work from notebooks and web handlers too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from coco.engine.context import RunOptions
from coco.engine.pipeline import run_update
from coco.engine.stats import IndexUpdateInfo
from coco.environment.environment import ENVIRONMENT, Environment
from coco.environment.leases import lease
from coco.environment.loop import BackgroundLoop
from coco.environment.preparation import check_setup, flow_change, make_run, max_delete_share, note_pass_done
from coco.errors import LifecycleError, SetupConflictError
from coco.events import EmitFn, FlowEvent
from coco.setup.apply import Applier
from coco.setup.bundle import SetupChangeBundle
from coco.setup.diff import FlowChange, diff_drop

if TYPE_CHECKING:
    from coco.environment.inspection import UpdatePlan, VerifyReport
    from coco.environment.live import LiveUpdate
    from coco.flow.flow import Flow
    from coco.flow.graph import Graph, InlineGraph
    from coco.flow.options import EvaluateAndDumpOptions, FlowLiveUpdaterOptions
    from coco.types.schema import EngineValue


class _Shared:
    """Passes of one flow in this process: one runs, callers that come meanwhile share the next (F-175)."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next: asyncio.Task[IndexUpdateInfo] | None = None
        self.options: RunOptions | None = None
        self.waiters = 0


class Runtime:
    """The port behind ``coco.flow``. ``RUNTIME`` is the process's own."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.loop = BackgroundLoop()
        self._shared: dict[str, _Shared] = {}
        self._live: list[LiveUpdate] = []
        self._listeners: list[EmitFn] = []
        self._connected = False

    # -- events -----------------------------------------------------------------------------------
    def add_listener(self, listener: EmitFn) -> Callable[[], None]:
        """Every event of every run in this process; returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: FlowEvent) -> None:
        from coco.plugins import plugin_host

        for listener in self._listeners:
            listener(event)
        host = plugin_host()
        if host.has_observers():
            host.emit(event)

    def _connect(self) -> None:
        if not self._connected:
            from coco.plugins import connect_registry

            connect_registry()
            self._connected = True

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

    def _graph(self, flow: Flow) -> Graph:
        self._connect()
        return flow.graph

    async def _update(self, graph: Graph, given: dict[str, Any]) -> IndexUpdateInfo:
        print_stats = given.pop("print_stats", False)
        listener = given.pop("on_event", None)
        remove = self.add_listener(listener) if listener is not None else None
        options = RunOptions(
            reexport=given.pop("reexport_targets", False) or given.get("full_reprocess", False),
            reprocess=given.pop("full_reprocess", False),
            allow_deletes=given.pop("allow_deletes", False),
            retry_parked=given.pop("retry_parked", False),
            only_keys=given.pop("only_keys", None),
            max_delete_share=max_delete_share(),
        )
        if given:
            raise TypeError(f"update() does not take {', '.join(given)}")
        try:
            info = await self._join_pass(graph, options)
        finally:
            if remove is not None:
                remove()
        if print_stats:
            print(info)  # noqa: T201  asked for by print_stats
        return info

    async def _join_pass(self, graph: Graph, options: RunOptions) -> IndexUpdateInfo:
        shared = self._shared.setdefault(graph.full_name, _Shared())
        if options.only_keys is not None:
            async with shared.lock:
                return await self._one_pass(graph, options)
        if shared.next is not None and shared.options is not None:
            merged = shared.options
            merged.reexport = merged.reexport or options.reexport
            merged.reprocess = merged.reprocess or options.reprocess
            merged.allow_deletes = merged.allow_deletes or options.allow_deletes
            merged.retry_parked = merged.retry_parked or options.retry_parked
        else:
            shared.options = options
            shared.next = asyncio.get_running_loop().create_task(self._next_pass(graph, shared))
        task = shared.next
        shared.waiters += 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if shared.waiters == 1 or task is not shared.next:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            shared.waiters -= 1

    async def _next_pass(self, graph: Graph, shared: _Shared) -> IndexUpdateInfo:
        async with shared.lock:
            options = shared.options
            shared.next = shared.options = None
            assert options is not None
            return await self._one_pass(graph, options)

    async def _one_pass(self, graph: Graph, options: RunOptions) -> IndexUpdateInfo:
        async with self._leased(graph.full_name, "an update"):
            environment = self.environment
            threads = environment.threads
            store = await threads.store(environment.store)
            await threads.store(check_setup, store, graph)
            run = await threads.store(make_run, environment, store, graph, options, self.emit)
            await run_update(run)
            if options.only_keys is None:
                await threads.store(note_pass_done, store, graph, run.removed_sources)
                await threads.store(_collect_memo, store)
            return run.info

    @contextlib.asynccontextmanager
    async def _leased(self, flow: str, what: str) -> AsyncIterator[None]:
        threads = self.environment.threads
        store = await threads.store(self.environment.store)
        async with lease(store, threads, flow, what):
            yield

    # -- setup ------------------------------------------------------------------------------------
    def setup(self, flow: Flow, report: bool) -> None:
        self.make_setup_bundle([flow]).describe_and_apply(report)

    async def setup_async(self, flow: Flow, report: bool) -> None:
        await (await self.make_setup_bundle_async([flow])).describe_and_apply_async(report)

    def drop(self, flow: Flow, report: bool) -> None:
        self.make_drop_bundle([flow]).describe_and_apply(report)

    async def drop_async(self, flow: Flow, report: bool) -> None:
        await (await self.make_drop_bundle_async([flow])).describe_and_apply_async(report)

    def make_setup_bundle(self, flows: Iterable[Flow]) -> SetupChangeBundle:
        return SetupChangeBundle(_BundleWork(self, [self._graph(flow) for flow in flows], None))

    async def make_setup_bundle_async(self, flows: Iterable[Flow]) -> SetupChangeBundle:
        return await asyncio.to_thread(self.make_setup_bundle, flows)

    def make_drop_bundle(self, flows: Iterable[Flow], names: Iterable[str] = ()) -> SetupChangeBundle:
        """Drop of flows by object, and by short name for flows that the app no longer defines (SU-47)."""
        self._connect()
        wanted = [flow.full_name for flow in flows] + [self.full_name(name) for name in names]
        return SetupChangeBundle(_BundleWork(self, [], wanted))

    async def make_drop_bundle_async(self, flows: Iterable[Flow]) -> SetupChangeBundle:
        return await asyncio.to_thread(self.make_drop_bundle, flows)

    def flow_names_with_setup(self) -> list[str]:
        """Short names of the flows of this namespace with persisted setup (SU-12)."""
        if not self.environment.store_exists():
            return []
        return self.loop.run(self._names(), "flow_names_with_setup_async()")

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
        from coco.environment.dump import dump_flow

        return await dump_flow(self.environment, graph, options, self.emit)

    # -- looking ----------------------------------------------------------------------------------
    def plan_update(self, flow: Flow) -> UpdatePlan:
        """What an update would do, without a paid call and without a write."""
        from coco.environment.inspection import plan_update

        graph = self._graph(flow)
        return self.loop.run(plan_update(self.environment, graph), "plan_update()")

    def verify(self, flow: Flow, repair: bool = False, sample: int | None = None) -> VerifyReport:
        """Compare targets with state by keys and values; with ``repair`` bring them back."""
        from coco.environment.inspection import verify

        graph = self._graph(flow)

        async def update(only_keys: dict[str, list[bytes]]) -> IndexUpdateInfo:
            return await self._join_pass(
                graph, RunOptions(only_keys=only_keys, allow_deletes=True, retry_parked=True)
            )

        return self.loop.run(
            verify(self.environment, graph, repair=repair, sample=sample, update=update, emit=self.emit),
            "verify()",
        )

    def errors(self, flow: Flow) -> list[dict[str, Any]]:
        """Rows that could not be brought up to date."""
        from coco.environment.inspection import list_errors

        graph = self._graph(flow)
        return self.loop.run(list_errors(self.environment, graph), "errors()")

    # -- live -------------------------------------------------------------------------------------
    def live(self, flow: Flow, options: FlowLiveUpdaterOptions) -> LiveUpdate:
        from coco.environment.live import LiveUpdate

        handle = LiveUpdate(self, self._graph(flow), options)
        self._live.append(handle)
        return handle

    def close_flow(self, flow: Flow) -> None:
        """End the updaters of a flow that is closed."""
        for handle in [item for item in self._live if flow.is_built and item.flow == flow.full_name]:
            handle.abort()
            handle.wait()
            self._live.remove(handle)

    def stop(self) -> None:
        """End everything; the next use starts anew."""
        for handle in self._live:
            handle.abort()
            handle.wait()
        self._live.clear()
        if self.environment._executors is not None:
            self.loop.run(self.environment.executors.close(), "stop()")
        self.loop.stop()
        self.environment.close()
        self._shared.clear()


def _collect_memo(store: Any) -> None:
    """Reclaim results that no row refers to, when they have become many."""
    entries, size = store.memo_stats()
    if entries > MEMO_ENTRIES_KEPT or size > MEMO_BYTES_KEPT:
        store.memo_collect(MEMO_BYTES_KEPT // 2)


MEMO_ENTRIES_KEPT = 5_000_000
MEMO_BYTES_KEPT = 8 << 30


class _BundleWork:
    """Computes and applies the changes of a bundle; ``drop`` names flows to drop."""

    def __init__(self, runtime: Runtime, graphs: list[Graph], drop: list[str] | None) -> None:
        self._runtime = runtime
        self._graphs = graphs
        self._drop = drop

    def compute_changes(self) -> list[FlowChange]:
        return self._runtime.loop.run(self._compute(), "describe_async()")

    async def compute_changes_async(self) -> list[FlowChange]:
        return await self._runtime.loop.run_async(self._compute())

    async def _compute(self) -> list[FlowChange]:
        environment = self._runtime.environment
        store = await environment.threads.store(environment.store)
        return await environment.threads.store(self._changes, store)

    def _changes(self, store: Any) -> list[FlowChange]:
        if self._drop is None:
            return [flow_change(store, graph) for graph in self._graphs]
        changes = []
        for flow in self._drop:
            records = store.setup_records(flow)
            ids = [item.state["target_id"] for item in records if item.state and "target_id" in item.state]
            changes.append(
                diff_drop(flow, store.setup_version(flow), records, store.row_counts(ids) if ids else {})
            )
        return changes

    def apply_changes(self, changes: list[FlowChange], report: Callable[[str], None]) -> list[str]:
        return self._runtime.loop.run(self._apply(changes, report), "apply_async()")

    async def apply_changes_async(
        self, changes: list[FlowChange], report: Callable[[str], None]
    ) -> list[str]:
        return await self._runtime.loop.run_async(self._apply(changes, report))

    async def _apply(self, changes: list[FlowChange], report: Callable[[str], None]) -> list[str]:
        environment = self._runtime.environment
        threads = environment.threads
        store = await threads.store(environment.store)
        warnings: list[str] = []
        for change in changes:
            shared = self._runtime._shared.get(change.flow)
            if shared is not None and shared.lock.locked():
                raise LifecycleError(
                    f"flow '{change.flow}' is being updated in this process; wait for it or stop it"
                )
            async with self._runtime._leased(change.flow, "drop" if change.drop else "setup"):
                if await threads.store(store.setup_version, change.flow) != change.version:
                    raise SetupConflictError(
                        f"the setup of flow '{change.flow}' was changed by someone else; describe it again"
                    )
                applier = Applier(
                    store,
                    threads.call,
                    threads.store,
                    self._runtime.emit,
                    report,
                    environment.settings.ignore_target_drop_failures,
                )
                warnings += await applier.apply(change)
        return warnings


RUNTIME = Runtime(ENVIRONMENT)
