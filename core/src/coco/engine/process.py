"""One batch of one source, from keys to committed rows (I-33 to I-44)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from coco.engine.batches import Collected, RowProblem, TargetRows, WorkRow
from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.engine.failures import next_failure, version_of
from coco.engine.functions import FunctionStep
from coco.engine.read import ReadOutcome, SourcePort
from coco.engine.reconcile import Delta, RowInput, reconcile
from coco.engine.stats import UpdateStats
from coco.errors import Phase, StateStoreError
from coco.events import (
    DuplicateKeys,
    GuardStopped,
    RowsCollapsed,
    RowsCommitted,
    RowsRead,
    RowsStaged,
    TargetMutated,
)
from coco.hot.merge_cy import MAYBE
from coco.plan.fingerprints import fingerprint_json
from coco.plan.plan import SourcePlan
from coco.state.protocol import CollapseRow, CommitRow, Failure, Owner, OwnerChange, Tracked, unfinished


class SourceState:
    """What the batches of one source share. ``logic_fp``: all exports together; ``logic``: by export."""

    def __init__(
        self, run: Run, plan: SourcePlan, port: SourcePort | None, failures: dict[bytes, Failure]
    ) -> None:
        self.run = run
        self.plan = plan
        self.port = port
        self.name = plan.name
        self.source_id = run.source_ids[plan.name]
        self.failures = failures
        self.stats = UpdateStats()
        self.logic = {
            name: export.logic[plan.name] for name, export in run.exports.items() if plan.name in export.logic
        }
        self.logic_fp = logic_fingerprint(run, plan.name)
        self.reexport: set[tuple[int, bytes]] = set()
        self._steps: dict[frozenset[str], dict[int, FunctionStep]] = {}
        self._shared = [export for export in run.exports.values() if export.shared]

    def steps(self, exports: frozenset[str]) -> dict[int, FunctionStep]:
        known = self._steps.get(exports)
        if known is None:
            known = self.run.steps_for(self.run.planner.program(self.plan, exports))
            self._steps[exports] = known
        return known

    @property
    def shares_keys(self) -> bool:
        return bool(self._shared)


def logic_fingerprint(run: Run, source: str) -> bytes:
    """One fingerprint over all exports that a source feeds, with their ids."""
    return fingerprint_json(
        sorted(
            [export.target_id, export.logic[source]]
            for export in run.exports.values()
            if source in export.logic
        )
    )


class BatchProcessor:
    """Processes batches of one source. Instances keep no state between batches."""

    def __init__(self, state: SourceState, shared_lock: asyncio.Lock) -> None:
        self._state = state
        self._run = state.run
        self._shared_lock = shared_lock

    async def process(self, rows: list[WorkRow]) -> None:
        """Bring ``rows`` up to date; rows marked ``gone`` are removed."""
        run, state = self._run, self._state
        stats = state.stats
        stats.num_starts += len(rows)
        try:
            gone = [row for row in rows if row.gone]
            present = [row for row in rows if not row.gone]
            outcome: ReadOutcome | None = None
            if present:
                outcome = await self._read(present)
                gone = [*gone, *(row for row in outcome.vanished if row.head is not None)]
                stats.num_no_change += sum(row.head is None for row in outcome.vanished)
                for row, problem in outcome.problems:
                    await self._fail([(row, problem)])
                await self._drop_unchanged(outcome)
            work = outcome.rows if outcome is not None else []
            if work or gone:
                await self._bring_up_to_date(work, outcome, gone)
        finally:
            stats.num_ends += len(rows)
            if run.on_progress is not None:
                run.on_progress(state.name, stats)

    # -- read -------------------------------------------------------------------------------------
    async def _read(self, rows: list[WorkRow]) -> ReadOutcome:
        state = self._state
        if state.port is None:  # entries at the root: one row, no fields
            for row in rows:
                row.content_fp = b"root"
            return ReadOutcome(rows, [], [], [], time.time_ns() // 1_000)
        return await state.port.read(rows)

    async def _drop_unchanged(self, outcome: ReadOutcome) -> None:
        """Level 2: equal content and current logic end the work; only the ordinal is noted (I-18)."""
        run, state = self._run, self._state
        keep: list[int] = []
        collapse: list[CollapseRow] = []
        for position, row in enumerate(outcome.rows):
            head = row.head
            if (
                row.code == MAYBE
                and not row.forced
                and head is not None
                and head.content_fp == row.content_fp
                and head.logic_fp == state.logic_fp
                and not unfinished(head)
            ):
                collapse.append(
                    CollapseRow(
                        row.key, head.process_ordinal, row.ordinal, row.content_fp, outcome.read_at, row.size
                    )
                )
            else:
                keep.append(position)
        run.emit(
            RowsRead(
                run.flow,
                state.name,
                len(outcome.rows) + len(outcome.vanished) + len(outcome.problems),
                len(collapse),
                len(outcome.vanished),
                len(outcome.problems),
            )
        )
        if not collapse:
            return
        await run.threads.store(run.store.collapse, state.source_id, collapse)
        run.emit(RowsCollapsed(run.flow, state.name, len(collapse)))
        state.stats.num_no_change += len(collapse)
        outcome.rows = [outcome.rows[position] for position in keep]
        outcome.columns = [[column[position] for position in keep] for column in outcome.columns]

    # -- evaluate ---------------------------------------------------------------------------------
    async def _bring_up_to_date(
        self, work: list[WorkRow], outcome: ReadOutcome | None, gone: list[WorkRow]
    ) -> None:
        run, state = self._run, self._state
        rows = [*work, *gone]
        known_keys = [row.key for row in rows if row.head is not None]
        tracked: dict[bytes, Tracked] = {}
        if known_keys:
            tracked = await run.threads.store(run.store.get_many, state.source_id, known_keys)
        wanted = [self._wanted_exports(row, tracked.get(row.key)) for row in work]
        groups: dict[frozenset[str], list[int]] = {}
        for position, names in enumerate(wanted):
            groups.setdefault(names, []).append(position)
        produced: list[dict[str, TargetRows | None]] = [{} for _ in rows]
        memo: list[tuple[bytes, ...]] = [()] * len(rows)
        problems: dict[int, RowProblem] = {}
        for names, positions in groups.items():
            assert outcome is not None
            columns = [[column[position] for position in positions] for column in outcome.columns]
            collected = await self._evaluate(names, [work[position] for position in positions], columns)
            self._take_rows(names, positions, collected, produced, problems)
            state.stats.num_function_calls += collected.calls
            state.stats.num_memo_hits += collected.memo_hits
            for place, fps in collected.memo.items():
                memo[positions[place]] = tuple(fps)
        for position in range(len(work), len(rows)):
            produced[position] = dict.fromkeys(run.exports)
        if problems:
            await self._fail([(rows[position], problem) for position, problem in problems.items()])
        alive = [position for position in range(len(rows)) if position not in problems]
        if not alive:
            return
        await run.memo.flush()
        lock: Any = self._shared_lock if state.shares_keys else contextlib.nullcontext()
        async with lock:
            await self._write(
                [rows[position] for position in alive],
                [produced[position] for position in alive],
                [memo[position] for position in alive],
                tracked,
                outcome.read_at if outcome is not None else time.time_ns() // 1_000,
            )

    def _wanted_exports(self, row: WorkRow, tracked: Tracked | None) -> frozenset[str]:
        """Exports to evaluate: all, unless only the logic of some changed since the row was committed."""
        run, state = self._run, self._state
        everything = frozenset(state.logic)
        if (
            tracked is None
            or row.forced
            or unfinished(tracked.head)
            or tracked.head.failed
            or tracked.head.content_fp != row.content_fp
        ):
            return everything
        stale = set()
        for name in everything:
            export = run.exports[name]
            kept = tracked.targets.get(export.target_id)
            if kept is None or kept.logic_fp != export.logic[state.name]:
                stale.add(name)
        return frozenset(stale)

    async def _evaluate(
        self, names: frozenset[str], rows: list[WorkRow], columns: list[list[Any]]
    ) -> Collected:
        run, state = self._run, self._state
        program = run.planner.program(state.plan, names)
        slots: dict[int, list[Any]] = {}
        if state.plan.step is not None:
            scope = run.graph.scopes[state.plan.step.row_scope]
            for position, slot in enumerate(scope.key_slots):
                slots[slot] = [row.parts[position] for row in rows]
            for slot, column in zip(scope.value_slots, columns, strict=True):
                slots[slot] = column
        evaluation = Evaluation(
            run.graph, program, state.steps(names), [row.key for row in rows], run.root_values
        )
        return await evaluation.run(slots)

    def _take_rows(
        self,
        names: frozenset[str],
        positions: list[int],
        collected: Collected,
        produced: list[dict[str, TargetRows | None]],
        problems: dict[int, RowProblem],
    ) -> None:
        run, state = self._run, self._state
        for place, problem in collected.problems.items():
            problems[positions[place]] = problem
        for name in names:
            export = run.exports[name]

            def on_duplicates(count: int, example: str, name: str = name) -> None:
                state.stats.num_duplicate_keys += count
                run.emit(DuplicateKeys(run.flow, name, count, example))
                run.warn(
                    f"export '{name}': several collected rows had one key (for example {example}); the later one was kept"
                )

            rows, bad = export.rows_of(collected, len(positions), on_duplicates)
            for place, problem in bad.items():
                problems.setdefault(positions[place], problem)
            for place, target_rows in enumerate(rows):
                produced[positions[place]][name] = target_rows
        # Exports that this source no longer feeds lose its rows.
        for name in run.exports:
            if name not in state.logic:
                for position in positions:
                    produced[position][name] = None

    # -- stage, apply, commit ---------------------------------------------------------------------
    async def _write(
        self,
        rows: list[WorkRow],
        produced: list[dict[str, TargetRows | None]],
        memo: list[tuple[bytes, ...]],
        tracked: Mapping[bytes, Tracked],
        read_at: int,
    ) -> None:
        run, state = self._run, self._state
        inputs = []
        for row, targets in zip(rows, produced, strict=True):
            known = tracked.get(row.key)
            inputs.append(
                RowInput(
                    row.key,
                    known,
                    run.next_process_ordinal(known.head.max_process_ordinal if known is not None else 0),
                    targets,
                    row.forced and not row.gone,
                )
            )
        exports = list(run.exports.values())
        owners = await self._owners(inputs)
        delta = reconcile(state.source_id, inputs, exports, state.name, owners)
        for name, example in delta.conflicts.items():
            run.emit(DuplicateKeys(run.flow, name, 1, example))
            run.warn(
                f"export '{name}': several source rows yield one key (for example {example}); the latest one wins"
            )
        if run.options.only_keys is None:
            self._guard(delta)
        accepted = await run.threads.store(run.store.stage, state.source_id, delta.stage)
        refused = {position for position, fine in enumerate(accepted) if not fine}
        run.emit(RowsStaged(run.flow, state.name, len(rows) - len(refused), len(refused)))
        state.stats.num_no_change += len(refused)  # someone newer took the row up
        failed = await self._apply(delta, refused)
        await self._commit(rows, inputs, delta, memo, read_at, refused, failed)

    async def _owners(self, inputs: Sequence[RowInput]) -> dict[int, dict[bytes, list[Owner]]]:
        run = self._run
        result: dict[int, dict[bytes, list[Owner]]] = {}
        for export in run.exports.values():
            if not export.shared:
                continue
            keys: set[bytes] = set()
            for item in inputs:
                if export.name not in item.rows:
                    continue
                rows = item.rows[export.name]
                if rows is not None:
                    keys.update(rows.keys)
                if item.tracked is not None:
                    for part in (item.tracked.targets, item.tracked.staged):
                        known = part.get(export.target_id)
                        if known is not None:
                            keys.update(key for key, _ in known.rows)
            if keys:
                result[export.target_id] = await run.threads.store(
                    run.store.get_owners, export.target_id, sorted(keys)
                )
        return result

    def _guard(self, delta: Delta) -> None:
        run = self._run
        for name, target in delta.targets.items():
            try:
                run.guard.check(run.flow, name, sum(target.net.values()))
            except Exception as error:
                run.emit(GuardStopped(run.flow, f"target:{name}", str(error)))
                raise

    async def _apply(self, delta: Delta, refused: set[int]) -> dict[int, BaseException]:
        """Write all targets side by side; one failing target does not stop the others (I-44)."""
        run, state = self._run, self._state
        failed: dict[int, BaseException] = {}

        async def one(name: str) -> None:
            target = delta.targets[name]
            if refused:
                target = _without(target, refused)
            if not target:
                if target.unchanged:
                    state.stats.num_target_unchanged += target.unchanged
                return
            problems = await run.ports[name].apply(target)
            ups = sum(owner not in problems for owner in target.upsert_owners)
            downs = sum(owner not in problems for owner in target.delete_owners)
            state.stats.num_target_upserts += ups
            state.stats.num_target_deletes += downs
            state.stats.num_target_unchanged += target.unchanged
            run.emit(
                TargetMutated(
                    run.flow,
                    name,
                    ups,
                    sum(item is not None for item in target.changed),
                    downs,
                    target.unchanged,
                    len(problems),
                )
            )
            for owner, error in problems.items():
                failed.setdefault(owner, error)

        if len(delta.targets) == 1:
            await one(next(iter(delta.targets)))
        else:
            async with asyncio.TaskGroup() as group:
                for name in delta.targets:
                    group.create_task(one(name))
        return failed

    async def _commit(
        self,
        rows: list[WorkRow],
        inputs: list[RowInput],
        delta: Delta,
        memo: list[tuple[bytes, ...]],
        read_at: int,
        refused: set[int],
        failed: dict[int, BaseException],
    ) -> None:
        run, state = self._run, self._state
        commits: list[CommitRow] = []
        removed: list[tuple[bytes, int]] = []
        done: set[bytes] = set()
        for position, row in enumerate(rows):
            if position in refused or position in failed:
                continue
            done.add(row.key)
            if row.gone:
                removed.append((row.key, inputs[position].process_ordinal))
                continue
            known = inputs[position].tracked
            refs = memo[position]
            if known is not None and len(inputs[position].rows) < len(run.exports):
                refs = tuple(dict.fromkeys((*known.memo, *refs)))  # parts that were not evaluated keep theirs
            commits.append(
                CommitRow(
                    row.key,
                    inputs[position].process_ordinal,
                    row.ordinal,
                    row.content_fp,
                    state.logic_fp,
                    read_at,
                    row.size,
                    delta.next[position],
                    refs,
                )
            )
        counts: dict[int, int] = {}
        left_out = refused | failed.keys()
        for name, target in delta.targets.items():
            change = sum(net for owner, net in target.net.items() if owner not in left_out)
            if change:
                counts[run.exports[name].target_id] = change
        owner_changes: list[OwnerChange] = [item for item in delta.owner_changes if item.source_key in done]
        await run.threads.store(
            run.store.commit,
            state.source_id,
            commits,
            removed=removed,
            owners=owner_changes,
            row_counts=counts,
        )
        run.emit(RowsCommitted(run.flow, state.name, len(commits), len(removed)))
        state.reexport.update(delta.reexport)
        for position, row in enumerate(rows):
            if position in refused or position in failed:
                continue
            state.failures.pop(row.key, None)
            self._count(row)
        if failed:
            await self._fail(
                [
                    (rows[position], RowProblem(Phase.APPLY.value, "target", error))
                    for position, error in failed.items()
                ]
            )

    def _count(self, row: WorkRow) -> None:
        stats = self._state.stats
        head = row.head
        if row.gone:
            stats.num_deletions += 1
        elif head is None:
            stats.num_insertions += 1
        elif row.forced or (head.logic_fp is not None and head.logic_fp != self._state.logic_fp):
            stats.num_reprocesses += 1
        elif head.logic_fp is None:
            stats.num_insertions += 1
        else:
            stats.num_updates += 1

    # -- failures ---------------------------------------------------------------------------------
    async def _fail(self, problems: list[tuple[WorkRow, RowProblem]]) -> None:
        run, state = self._run, self._state
        records = []
        for row, problem in problems:
            if isinstance(problem.error, StateStoreError):
                raise problem.error
            record = next_failure(
                state.source_id,
                row.key,
                problem,
                state.failures.get(row.key),
                version=version_of(row.ordinal, row.content_fp),
                logic_fp=state.logic_fp,
                park_after=run.options.park_after,
            )
            state.failures[row.key] = record
            records.append(record)
            state.stats.num_errors += 1
            run.report_failure(state.name, readable_key(row.parts), problem.phase, problem.op, problem.error)
        await run.threads.store(run.store.put_failures, records)


def readable_key(parts: tuple[Any, ...]) -> str:
    """A key for messages: the single part, or all of them."""
    return str(parts[0]) if len(parts) == 1 else str(parts)


def _without(target: Any, refused: set[int]) -> Any:
    """The delta without the rows of some source rows."""
    from coco.engine.batches import TargetDelta

    ups = [i for i, owner in enumerate(target.upsert_owners) if owner not in refused]
    downs = [i for i, owner in enumerate(target.delete_owners) if owner not in refused]
    return TargetDelta(
        upsert_keys=[target.upsert_keys[i] for i in ups],
        upsert_rows=[target.upsert_rows[i] for i in ups],
        changed=[target.changed[i] for i in ups],
        upsert_owners=[target.upsert_owners[i] for i in ups],
        delete_keys=[target.delete_keys[i] for i in downs],
        delete_owners=[target.delete_owners[i] for i in downs],
        unchanged=target.unchanged,
        net=target.net,
    )
