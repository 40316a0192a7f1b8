"""Evaluation without calls: results come from the memo; results that it lacks are unknown.

A value computed from an unknown result is unknown too. Functions whose executor class has ``runs_in_plan = True``, which
declares that a call is quick and free, are called nevertheless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coco.engine.batches import Collected, RowProblem, TargetRows, WorkRow
from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.engine.frames import RootData
from coco.engine.functions import CallResult, FunctionStep
from coco.engine.process import BatchProcessor
from coco.engine.runners import Keep, Outcome
from coco.engine.source_run import SourceRun
from coco.events import ignore_event
from coco.flow.graph import StructRef, TableRef
from coco.operations.report import Record
from coco.plan.plan import Call, Program
from coco.state.protocol import Tracked


class _Unknown(tuple[Any, ...]):
    """A result that was not computed. As a table it has no rows; each part of it is unknown too."""

    __slots__ = ()

    def __getitem__(self, position: Any) -> Any:
        return self

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def has_unknown(value: Any) -> bool:
    """Whether an engine value is unknown in any of its parts."""
    if value is UNKNOWN:
        return True
    return isinstance(value, tuple) and any(has_unknown(item) for item in value)


@dataclass
class CallCount(Record):
    """Calls of one function that an update would make."""

    function: str
    """The function, with the field that it fills."""
    cached: bool
    """Whether its results are memoised."""
    calls: int = 0
    """Calls that the update would make."""
    memo_hits: int = 0
    """Calls whose results the memo has."""
    unknown: int = 0
    """Calls whose arguments depend on calls that the plan did not make."""
    open_ended: bool = False
    """Whether the number of calls depends on calls that the plan did not make."""

    @property
    def at_least(self) -> bool:
        """Whether there may be more calls than ``calls``."""
        return self.open_ended or self.unknown > 0


@dataclass
class Evaluated:
    """Target rows of source rows, by position and export. ``unknown``: positions that depend on calls not made."""

    produced: list[dict[str, TargetRows | None]]
    unknown: set[int] = field(default_factory=set)
    problems: dict[int, RowProblem] = field(default_factory=dict)


class _MemoStep(FunctionStep):
    """A step that counts calls instead of making them. ``watch`` is set for each evaluation."""

    def __init__(self, *args: Any, count: CallCount, call: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count = count
        self._may_call = call or bool(getattr(self.function.record.target, "runs_in_plan", False))
        self._regroups = any(isinstance(arg, (TableRef, StructRef)) for arg in self.step.args)
        self.watch: Callable[[int, list[int]], bool] = lambda scope, rows: False
        self.hidden: Callable[[int], list[int]] = lambda scope: []

    async def call(
        self,
        args: Sequence[list[Any]],
        count: int,
        live: Sequence[int] | None,
        waves: list[list[int]] | None = None,
    ) -> CallResult:
        rows = range(count) if live is None else live
        blind = {row for row in rows if any(has_unknown(column[row]) for column in args)}
        if self._regroups:  # a regrouped table does not show which of its rows are unknown
            blind.update(self.hidden(self.step.scope))
        seen = [row for row in rows if row not in blind] if blind else rows
        result = await super().call(args, count, seen, waves)
        for row in blind:
            result.values[row] = UNKNOWN
        self._count.calls += result.calls
        self._count.memo_hits += result.memo_hits
        self._count.unknown += len(blind)
        missing = [row for row in seen if result.values[row] is UNKNOWN]
        self._count.open_ended |= self.watch(self.step.scope, [*blind, *missing])
        return result

    async def _run(self, args: Sequence[list[Any]], rows: list[int], keep: Keep | None) -> Outcome:
        if self._may_call:
            return await super()._run(args, rows, None)
        outcome = Outcome(len(rows))
        outcome.results = [UNKNOWN] * len(rows)
        return outcome


class MemoEvaluator:
    """Evaluates rows with results from the memo, and writes nothing. ``call=True``: also makes calls that it lacks."""

    def __init__(self, run: Run, *, call: bool = False) -> None:
        self.run = run
        self.calls: dict[int, CallCount] = {}
        self._call = call
        self._roots = RootData()

    async def start(self) -> None:
        """Evaluate the root of the flow with results from the memo."""
        program = self.run.plan.root
        steps = self.steps(program)
        tables: set[int] = set()

        def watch_for(step: _MemoStep) -> Callable[[int, list[int]], bool]:
            def watch(scope: int, missing: list[int]) -> bool:
                if missing:
                    tables.add(step.step.slot)
                return any(slot in tables for slot in _tables_above(self.run, scope))

            return watch

        for step in steps.values():
            step.watch = watch_for(step)
        evaluation = Evaluation(self.run.graph, program, steps, [b""], RootData())
        failed = bool((await evaluation.run({})).problems)
        frames = evaluation.frames
        unknown = failed or any(
            has_unknown(value)
            for item in program.instructions
            if isinstance(item, Call)
            for value in frames.frame(item.step.scope).columns[item.step.slot]
        )
        self._roots = frames.root_data(program.wholes if not unknown else ())
        if failed:
            self._roots.values = dict.fromkeys(self._roots.values, UNKNOWN)
        if unknown:
            self._roots.wholes = {id(whole): UNKNOWN for whole in program.wholes}

    def steps(self, program: Program) -> dict[int, _MemoStep]:
        """The steps of a program, by transform id; their counts are in ``calls``."""
        run = self.run
        found = {}
        for item in program.instructions:
            if not isinstance(item, Call):
                continue
            count = self.calls.get(item.step.id)
            if count is None:
                function = item.step.function
                count = CallCount(f"{function.kind} ({item.step.path})", function.enable_cache)
                self.calls[item.step.id] = count
            found[item.step.id] = _MemoStep(
                item.step,
                run.executors,
                run.threads,
                run.memo,
                ignore_event,
                flow=run.flow,
                source=program.source,
                namespace=run.namespace,
                count=count,
                call=self._call,
            )
        return found

    async def evaluate(
        self,
        source: SourceRun,
        rows: list[WorkRow],
        columns: list[list[Any]],
        tracked: dict[bytes, Tracked] | None,
    ) -> Evaluated:
        """Evaluate ``rows`` (with values in ``columns``). ``tracked``: evaluate stale exports only; None: all."""
        processor = BatchProcessor(source.state, asyncio.Lock())
        result = Evaluated([{} for _ in rows])
        groups: dict[frozenset[str], list[int]] = {}
        for position, row in enumerate(rows):
            names = (
                frozenset(source.state.logic)
                if tracked is None
                else processor.wanted_exports(row, tracked.get(row.key))
            )
            groups.setdefault(names, []).append(position)
        for names, positions in groups.items():
            part = [[column[position] for position in positions] for column in columns]
            collected, unknown = await self._group(
                source, names, [rows[position] for position in positions], part
            )
            processor.take_rows(names, positions, collected, result.produced, result.problems)
            result.unknown.update(positions[place] for place in unknown)
        return result

    async def _group(
        self, source: SourceRun, names: frozenset[str], rows: list[WorkRow], columns: list[list[Any]]
    ) -> tuple[Collected, set[int]]:
        run, plan = self.run, source.plan
        program = run.planner.program(plan, names)
        slots: dict[int, list[Any]] = {}
        if plan.step is not None:
            scope = run.graph.scopes[plan.step.row_scope]
            slots = {slot: [row.parts[i] for row in rows] for i, slot in enumerate(scope.key_slots)}
            slots.update(zip(scope.value_slots, columns, strict=True))
        steps = self.steps(program)
        evaluation = Evaluation(run.graph, program, steps, [row.key for row in rows], self._roots)
        unknown: set[int] = set()
        tables: set[int] = set()

        def watch_for(step: _MemoStep) -> Callable[[int, list[int]], bool]:
            def watch(scope: int, missing: list[int]) -> bool:
                if missing:
                    owners = evaluation.frames.owners(scope)
                    unknown.update(owners[row] for row in missing)
                    tables.add(step.step.slot)
                return any(slot in tables for slot in _tables_above(run, scope))

            return watch

        def hidden(scope: int) -> list[int]:
            return [row for row, owner in enumerate(evaluation.frames.owners(scope)) if owner in unknown]

        for step in steps.values():
            step.watch, step.hidden = watch_for(step), hidden
        collected = await evaluation.run(slots)
        for entries in (part for parts in collected.entries.values() for part in parts):
            for place, owner in enumerate(entries.owners):
                if any(has_unknown(column[place]) for column in entries.columns):
                    unknown.add(owner)
        return collected, unknown


def _tables_above(run: Run, scope: int) -> list[int]:
    """Slots of the tables that the scope and its enclosing scopes iterate over."""
    found = []
    for item in run.graph.scope_chain(scope):
        table = run.graph.scopes[item].table
        if table is not None:
            found.append(table.slot)
    return found
