"""``flow.update()``: updates targets from their sources once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from coco.engine.context import Run, RunOptions
from coco.engine.pipeline import run_update
from coco.engine.stats import IndexUpdateInfo
from coco.environment.preparation import (
    check_setup,
    make_run,
    max_delete_share,
    narrowed,
    note_run_done,
)
from coco.errors import UnwrittenTargetError
from coco.operations.cache import expire_results
from coco.operations.gc_threshold import rare_collections

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.environment.shared_runs import Begun
    from coco.flow.graph import Graph
    from coco.state.protocol import StateStore


async def update(
    environment: Environment,
    graph: Graph,
    *,
    reexport_targets: bool = False,
    full_reprocess: bool = False,
    print_stats: bool = False,
    allow_deletes: bool = False,
    retry_quarantined: bool = False,
) -> IndexUpdateInfo:
    """See ``Flow.update``. ``retry_quarantined``: also process quarantined rows."""
    options = RunOptions(
        reexport=reexport_targets or full_reprocess,
        reprocess=full_reprocess,
        allow_deletes=allow_deletes,
        retry_quarantined=retry_quarantined or full_reprocess,
        max_delete_share=max_delete_share(),
    )
    with progress_on_stdout(environment, graph.full_name, print_stats):
        info = await run_flow(environment, graph, options)
    if print_stats:
        print(info)  # noqa: T201  asked for by print_stats
    raise_unwritten(graph.full_name, info)
    return info


@contextlib.contextmanager
def progress_on_stdout(environment: Environment, flow: str, wanted: bool) -> Iterator[None]:
    """Show the progress of runs of a flow (full name) on standard output if ``wanted``."""
    if not wanted or sys.stdout is None:
        yield
        return
    from coco.operations.progress import shown_on

    with shown_on(sys.stdout, print, flow) as listener:
        remove = environment.add_listener(listener)
        try:
            yield
        finally:
            remove()


def raise_unwritten(flow: str, info: IndexUpdateInfo) -> None:
    """Raise ``UnwrittenTargetError`` if every write of an update to a target failed."""
    if not info.failed_targets:
        return
    reasons = "; ".join(
        f"every write to target '{name}' of flow '{flow}' failed: {reason}"
        for name, reason in info.failed_targets.items()
    )
    raise UnwrittenTargetError(
        f"{reasons}. The next update writes these rows again; `coco errors` and flow.errors() list them", info
    )


async def run_flow(
    environment: Environment,
    graph: Graph,
    options: RunOptions,
    sources: Collection[str] | None = None,
    begun: Begun | None = None,
) -> IndexUpdateInfo:
    """One run, shared with other callers if it covers all sources.

    ``sources``: update only these (and sources that feed the same targets). ``begun``: receives the statistics when the
    run begins; they grow with it.
    """

    async def run(options: RunOptions, begun: Iterable[Begun]) -> IndexUpdateInfo:
        try:
            return await _leased_run(environment, graph, options, sources, begun)
        except Exception as error:  # a live updater ends after an error of the state, and continues otherwise
            better = await environment.explained(error)
            if better is not None:
                raise better from error
            raise

    runs = environment.runs
    start = runs.share if options.only_keys is None and sources is None else runs.alone
    return await start(graph.full_name, options, begun, run)


async def _leased_run(
    environment: Environment,
    graph: Graph,
    options: RunOptions,
    sources: Collection[str] | None,
    begun: Iterable[Begun],
) -> IndexUpdateInfo:
    async with environment.leased(graph.full_name, "an update") as in_doubt:
        threads = environment.threads
        store = await threads.store(environment.store)
        note = await threads.store(check_setup, store, graph)
        run = await threads.store(make_run, environment, store, graph, options, environment.emit)
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
            await threads.store(note_run_done, store, graph, run.removed_sources)
        await threads.store(_expire_results, environment, store, run)
        return run.info


def _expire_results(environment: Environment, store: StateStore, run: Run) -> None:
    environment.memo_left = expire_results(
        store, environment.settings, run.flow, run.home_source_id, environment.memo_left
    )
