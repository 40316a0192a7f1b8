"""One run of a flow: all sources concurrently, then deletions, then rows that must be written again.

Deletions come last, over all sources, so that a row that moved to another key is written before its old one is deleted.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from coco.engine.context import Run
from coco.engine.exports import ExportRun
from coco.engine.ownership import prepare_ownership, settle_ownership, uncertain_rows
from coco.engine.process import BatchProcessor, SourceState
from coco.engine.sizing import LARGEST_BATCH
from coco.engine.source_run import SourceRun, deleted_row, load_heads
from coco.engine.stats import SourceUpdateInfo
from coco.errors import DriftError, StateStoreError, TargetError
from coco.events import DriftNoticed, RunFinished, RunStarted
from coco.ops.error_text import describe
from coco.plan.plan import SourcePlan

MAX_ROUNDS = 100
"""Most rounds of exporting rows again. A round is needed only for rows that the previous one released."""


async def run_update(run: Run) -> None:
    """Update all sources. Raises the first error of a whole source or of the state store."""
    started = time.monotonic()
    names = tuple(plan.name for plan in run.plan.sources)
    run.emit(RunStarted(run.flow, run.options.mode, names, run.options.kind))
    failed = True
    run.memo.start()
    shared_lock = asyncio.Lock()
    states: list[SourceRun] = []
    try:
        run.row_counts = await run.threads.store(
            run.store.row_counts, [export.target_id for export in run.exports.values()]
        )
        for name, export in run.exports.items():
            run.guard.begin(name, run.row_counts.get(export.target_id, 0))
        if run.options.heartbeat:
            run.heartbeat = asyncio.ensure_future(heartbeat(run))
        await run.threads.store(prepare_ownership, run)
        for plan in run.plan.sources:
            states.append(SourceRun(run, plan, shared_lock))
        run.info.sources = [SourceUpdateInfo(item.plan.name, item.stats) for item in states]
        errors = await _gather_all([item.update() for item in states])
        # A row may have moved to another source: it is written before its old key is deleted.
        errors += await _gather_all([item.delete() for item in states])
        if run.covers_all and not errors:  # last, so that replacements are written first
            for source_id in run.removed_sources:
                errors += await purge_source(run, source_id, shared_lock)
        errors += await _reexport_waiting(run, states)
        if run.heartbeat is not None:
            errors += [error for error in await _gather_all([run.heartbeat]) if error not in errors]
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"also: {describe(other)}")
            raise errors[0]
        if run.covers_all and not run.info.has_errors:
            await run.threads.store(settle_ownership, run)
        failed = False
    finally:
        run.end()
        try:
            await run.memo.close(run.home_source_id)
        finally:
            if run.heartbeat is not None:
                run.heartbeat.cancel()
                await asyncio.gather(run.heartbeat, return_exceptions=True)
            for item in states:
                await item.close()
            for port in run.ports.values():
                await port.close()
            run.emit(RunFinished(run.flow, time.monotonic() - started, failed))


async def _gather_all(coroutines: list[Any]) -> list[BaseException]:
    """Run all to their end, even if some fail, and return the errors. On cancellation, cancel all and wait."""
    tasks = [asyncio.ensure_future(item) for item in coroutines]
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [item for item in results if isinstance(item, BaseException)]
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _reexport_waiting(run: Run, states: list[SourceRun]) -> list[BaseException]:
    """Export rows again whose target row belonged to a row that was deleted now.

    Rows that cannot be exported stay marked in state, and the next run processes them.
    """
    by_id = {item.state.source_id: item for item in states}
    errors: list[BaseException] = []
    for _ in range(MAX_ROUNDS):
        waiting, run.waiting = run.waiting, set()
        keys: dict[int, list[bytes]] = {}
        for source_id, key in sorted(waiting):
            # A row that failed in this run, or is quarantined, stays marked until it can be evaluated.
            if source_id in by_id and key not in by_id[source_id].state.left:
                keys.setdefault(source_id, []).append(key)
        if not keys:
            break
        for source_id, chosen in keys.items():
            try:
                await by_id[source_id].process_keys(chosen, forced=False, again=True)
            except Exception as error:
                errors.append(error)
    return errors


async def heartbeat(run: Run) -> None:
    """Compare the row count of each target, and the epoch of the last run that wrote, with state. Targets that cannot
    count are skipped. A difference is reported and never repaired.

    Runs while sources are listed, since a target may be remote and large; the first write waits for it.
    """

    async def one(name: str) -> None:
        export = run.exports[name]
        count = export.step.target.method("count_rows")
        expected = run.row_counts.get(export.target_id, 0)
        epoch, port = run.epochs[name], run.ports[name]
        actual: int | None = None
        problem: BaseException | None = None
        try:
            doubt = await epoch.compare()
            if doubt:
                run.warn(doubt)
            if count is None or expected == 0 or export.step.setup_by_user:
                return
            actual = await port.call("counting rows", count, await port.prepare())
        except StateStoreError:
            raise
        except Exception as error:
            problem = port.closed_door or error
        if actual is not None and actual >= expected:
            if actual > expected and not epoch.kept:
                await _warn_of_more(run, export, expected, actual)
            return
        if actual is not None and actual >= expected - await run.threads.store(uncertain_rows, run, export):
            return  # an unfinished attempt may have deleted the missing rows
        known = f"state has {expected} rows on record"
        if isinstance(problem, DriftError):
            message = f"target '{name}' is missing or altered: {problem}; {known}; {port.way_out}"
        elif problem is not None:
            message = f"target '{name}' cannot be read: {problem}; {known}; if it is missing, {port.way_out}"
        else:
            message = (
                f"target '{name}' holds {actual} rows, and state has {expected} on record; "
                "run `coco verify --repair APP` to repair it"
            )
        run.emit(DriftNoticed(run.flow, name, expected, actual, message))
        run.info.drifted.append(name)
        run.warn(message)
        if problem is not None and port.down is not None:
            run.log_down(name, port.down)

    await asyncio.gather(*(one(name) for name in run.exports))


async def _warn_of_more(run: Run, export: ExportRun, expected: int, actual: int) -> None:
    """Warn of rows that state has not on record, if no epoch shows which of the two sides is older."""
    if actual > expected + await run.threads.store(partial(uncertain_rows, run, export, written=True)):
        run.warn(
            f"target '{export.name}' holds {actual} rows, and state has {expected} on record. If the state is older "
            "than the target (a restored backup, a copied project), or another program writes there, run `coco verify "
            "--repair APP`, which deletes rows that do not belong to this flow"
        )


async def purge_source(run: Run, source_id: int, shared_lock: asyncio.Lock) -> list[BaseException]:
    """Remove the target rows of a source that left the flow, then its tracking."""
    ghost = SourcePlan(None, {}, {}, alias=f"(removed source {source_id})")
    run.source_ids[ghost.name] = source_id
    state = SourceState(run, ghost, None, {})
    processor = BatchProcessor(state, shared_lock)
    heads = await run.threads.store(load_heads, run.store, source_id)
    keys = list(heads)
    try:
        for start in range(0, len(keys), LARGEST_BATCH):
            part = keys[start : start + LARGEST_BATCH]
            await processor.process([deleted_row(key, (), heads[key]) for key in part])
    except Exception as error:
        return [error]
    if keys:
        run.info.sources.append(SourceUpdateInfo(ghost.name, state.stats))
    if state.stats.num_errors:
        return [
            TargetError(
                f"{state.stats.num_errors} rows of a source that left flow '{run.flow}' could not be deleted from "
                "their targets; the next update retries them"
            )
        ]
    await run.threads.store(run.store.drop_sources, [source_id])
    return []
