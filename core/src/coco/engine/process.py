"""One batch of one source, from keys to committed rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from coco.engine.batches import Collected, RowProblem, TargetRows, WorkRow
from coco.engine.evaluate import Evaluation
from coco.engine.failures import is_quarantined, version_of
from coco.engine.read import ReadOutcome
from coco.engine.roots import root_values
from coco.engine.sizing import BatchSizer
from coco.engine.source_state import SourceState, readable_key
from coco.engine.staleness import leave_older
from coco.engine.write import Evaluated, Writer
from coco.errors import Phase
from coco.events import BatchEnded, BatchStarted, DuplicateKeys, RowsCollapsed, RowsRead
from coco.hot.merge_cy import MAYBE
from coco.state.protocol import CollapseRow, Tracked, unfinished

__all__ = ["BatchProcessor", "SourceState", "readable_key"]

OnRead = Callable[[ReadOutcome], Awaitable[None]]
"""Called when a batch has been read, for the limits on bytes in flight."""


LONGEST_KEY = 200
"""Most characters of a key in an event."""


class BatchProcessor:
    """Processes batches of one source. Instances keep no state between batches."""

    def __init__(
        self, state: SourceState, shared_lock: asyncio.Lock, sizer: BatchSizer | None = None
    ) -> None:
        self._state = state
        self._sizer = sizer or BatchSizer()
        self._run = state.run
        self._writer = Writer(state, shared_lock)

    async def process(self, rows: list[WorkRow], on_read: OnRead | None = None) -> None:
        """Bring ``rows`` up to date; rows marked ``deleted`` leave the targets."""
        run, state = self._run, self._state
        stats = state.stats
        stats.num_starts += len(rows)
        batch = state.next_batch()
        first = readable_key(rows[0].parts)[:LONGEST_KEY] if rows and state.port is not None else ""
        run.emit(BatchStarted(run.flow, state.name, batch, len(rows), first))
        try:
            deleted = [row for row in rows if row.deleted]
            present = [row for row in rows if not row.deleted]
            outcome: ReadOutcome | None = None
            if present:
                outcome = await self._read(present)
                stats.num_read += len(outcome.rows)
                leave_older(run, state, outcome)
                deleted += await self._deleted_since(outcome)
                if outcome.problems:
                    await state.fail(outcome.problems)
                await self._drop_unchanged(outcome)
                self._drop_quarantined(outcome)
                if on_read is not None:
                    await on_read(outcome)
            work = outcome.rows if outcome is not None else []
            if work or deleted:
                await self._bring_up_to_date(work, outcome, deleted)
        finally:
            stats.num_ends += len(rows)
            run.emit(BatchEnded(run.flow, state.name, batch))
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

    async def _deleted_since(self, outcome: ReadOutcome) -> list[WorkRow]:
        """Rows deleted since they were listed. Those that state tracks leave the targets."""
        run, state = self._run, self._state
        deleted = []
        for row in outcome.deleted:
            if row.head is not None:
                row.deleted = True
                deleted.append(row)
            else:
                state.stats.num_no_change += 1
        forgotten = [row.key for row in outcome.deleted if state.failures.pop(row.key, None) is not None]
        if forgotten:
            await run.threads.store(run.store.clear_failures, state.source_id, forgotten)
        return deleted

    def _drop_quarantined(self, outcome: ReadOutcome) -> None:
        """Drop quarantined rows of sources without ordinals: only their content shows the version."""
        state = self._state
        if not state.failures or self._run.options.retry_quarantined:
            return
        keep = []
        for position, row in enumerate(outcome.rows):
            failure = state.failures.get(row.key)
            version = version_of(row.ordinal, row.content_fp)
            if not row.forced and is_quarantined(failure, version, state.logic_fp):
                state.skip_quarantined(row.key)
            else:
                keep.append(position)
        outcome.keep(keep)

    async def _drop_unchanged(self, outcome: ReadOutcome) -> None:
        """Level 2: drop rows with equal content and current logic; state stores their new ordinal."""
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
                len(outcome.rows) + len(outcome.deleted) + len(outcome.problems),
                len(collapse),
                len(outcome.deleted),
                len(outcome.problems),
            )
        )
        if not collapse:
            return
        await run.threads.store(run.store.collapse, state.source_id, collapse)
        run.emit(RowsCollapsed(run.flow, state.name, len(collapse)))
        state.stats.num_no_change += len(collapse)
        outcome.keep(keep)

    # -- evaluate ---------------------------------------------------------------------------------
    async def _bring_up_to_date(
        self, work: list[WorkRow], outcome: ReadOutcome | None, deleted: list[WorkRow]
    ) -> None:
        run, state = self._run, self._state
        rows = [*work, *deleted]
        known_keys = [row.key for row in rows if row.head is not None]
        tracked: dict[bytes, Tracked] = {}
        if known_keys:
            tracked = await run.threads.store(run.store.get_many, state.source_id, known_keys)
        wanted = [self.wanted_exports(row, tracked.get(row.key)) for row in work]
        groups: dict[frozenset[str], list[int]] = {}
        for position, names in enumerate(wanted):
            groups.setdefault(names, []).append(position)
        produced: list[dict[str, TargetRows | None]] = [{} for _ in rows]
        memo: list[tuple[bytes, ...]] = [()] * len(rows)
        problems: dict[int, RowProblem] = {}
        held: dict[bytes, RowProblem] = {}
        todo = list(groups.items())
        while todo:
            names, positions = todo.pop()
            assert outcome is not None
            columns = [[column[position] for position in positions] for column in outcome.columns]
            started, computed = time.monotonic(), time.process_time()
            collected = await self._evaluate(names, [work[position] for position in positions], columns)
            self._sizer.learn(len(positions), time.monotonic() - started, time.process_time() - computed)
            self.take_rows(names, positions, collected, produced, problems)
            state.stats.num_function_calls += collected.calls
            state.stats.num_memo_hits += collected.memo_hits
            for place, fps in collected.memo.items():
                memo[positions[place]] = tuple(fps)
            for rest, spared in self._spared(names, positions, collected).items():
                for position in spared:
                    held.setdefault(rows[position].key, problems.pop(position))
                    produced[position] = {}
                todo.append((rest, spared))
        for position in range(len(work), len(rows)):
            produced[position] = dict.fromkeys(run.exports)
        if problems:
            await state.fail([(rows[position], problem) for position, problem in problems.items()])
        alive = [position for position in range(len(rows)) if position not in problems]
        if not alive:
            return
        await run.memo.flush()
        await self._writer.write(
            Evaluated(
                [rows[position] for position in alive],
                [produced[position] for position in alive],
                [memo[position] for position in alive],
                tracked,
                outcome.read_at if outcome is not None else time.time_ns() // 1_000,
                held,
            )
        )

    def _spared(
        self, names: frozenset[str], positions: list[int], collected: Collected
    ) -> dict[frozenset[str], list[int]]:
        """Rows that need a function that could not be prepared, by the exports that do not need it."""
        run, state = self._run, self._state
        found: dict[frozenset[str], list[int]] = {}
        known: dict[int | None, frozenset[str]] = {}
        for place, problem in collected.problems.items():
            if problem.phase != Phase.PREPARE.value:
                continue
            if problem.slot not in known:
                known[problem.slot] = frozenset(
                    name
                    for name in names
                    if problem.slot not in run.planner.program(state.plan, frozenset({name})).used
                )
            if known[problem.slot]:
                found.setdefault(known[problem.slot], []).append(positions[place])
        return found

    def wanted_exports(self, row: WorkRow, tracked: Tracked | None) -> frozenset[str]:
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
        roots, problem = await root_values(run, program)
        if problem is not None:
            return Collected({}, dict.fromkeys(range(len(rows)), problem))
        evaluation = Evaluation(run.graph, program, state.steps(names), [row.key for row in rows], roots)
        return await evaluation.run(slots)

    def take_rows(
        self,
        names: frozenset[str],
        positions: list[int],
        collected: Collected,
        produced: list[dict[str, TargetRows | None]],
        problems: dict[int, RowProblem],
    ) -> None:
        """Assign the entries collected for the exports ``names`` to the rows at ``positions``: their target rows go to
        ``produced``, their errors to ``problems``. Also used by operations that write nothing.
        """
        run, state = self._run, self._state
        for place, problem in collected.problems.items():
            problems[positions[place]] = problem
        for name in names:
            export = run.exports[name]

            def on_duplicates(count: int, example: str, name: str = name) -> None:
                state.stats.num_duplicate_keys += count
                run.emit(DuplicateKeys(run.flow, name, count, example))
                run.warn(
                    f"export '{name}': several collected rows had one key (for example {example}); the last one was kept"
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
