"""Evaluation of one batch: runs a program over columns and returns the entries of its collectors.

A row that fails leaves the batch at the step that failed; the other rows continue. Nothing is written here, except that
results of cached calls go to the memo.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from coco.engine.batches import Collected, Entries, RowProblem
from coco.engine.frames import Frame, Frames, Place, RootData
from coco.engine.functions import FunctionStep
from coco.errors import Phase, PrepareError
from coco.flow.graph import CollectStep, GeneratedUuid, Graph
from coco.hot import fingerprint
from coco.plan.plan import Call, Collect, Explode, Program
from coco.types.storage import pack


async def evaluate(
    graph: Graph,
    program: Program,
    steps: Mapping[int, FunctionStep],
    columns: Mapping[int, list[Any]],
    keys: list[bytes],
    roots: RootData,
) -> Collected:
    """Run ``program`` for source rows with packed ``keys``.

    ``columns``: values by row slot. ``steps``: by transform id. ``roots``: results at the root.
    """
    evaluation = Evaluation(graph, program, steps, keys, roots)
    return await evaluation.run(columns)


class Evaluation:
    """The evaluation of one batch. ``frames`` can be read afterwards (``coco evaluate``)."""

    def __init__(
        self,
        graph: Graph,
        program: Program,
        steps: Mapping[int, FunctionStep],
        keys: list[bytes],
        roots: RootData,
    ) -> None:
        self._graph = graph
        self._program = program
        self._steps = steps
        self._keys = keys
        self._seen: dict[tuple[int, int, bytes], int] = {}
        self.frames = Frames(graph, program.row_scope, len(keys), roots)
        self.collected = Collected({})

    async def run(self, columns: Mapping[int, list[Any]]) -> Collected:
        for slot, column in columns.items():
            self.frames.set_column(slot, column)
        for instruction in self._program.instructions:
            if isinstance(instruction, Explode):
                self.frames.explode(instruction.scope)
            elif isinstance(instruction, Call):
                await self._call(self._steps[instruction.step.id])
            elif isinstance(instruction, Collect):
                self._collect(instruction.step)
        return self.collected

    async def _call(self, step: FunctionStep) -> None:
        scope = step.step.scope
        frame = self.frames.frame(scope)
        args = [self.frames.column(arg, scope) for arg in step.step.args]
        problems = self.collected.problems
        live: list[int] | None = None
        owners: list[int] | None = None
        if problems:
            owners = self.frames.owners(scope)
            live = [row for row in range(frame.count) if owners[row] not in problems]
        result = await step.call(args, frame.count, live, self._waves(scope, frame, args))
        frame.columns[step.step.slot] = result.values
        self.collected.calls += result.calls
        self.collected.memo_hits += result.memo_hits
        if result.errors or result.memo:
            owners = owners or self.frames.owners(scope)
        for row, error in result.errors.items():
            assert owners is not None
            phase = Phase.PREPARE if isinstance(error, PrepareError) else Phase.EVALUATE
            if owners[row] not in problems:
                element = self.frames.place(scope).of(row)
                target = step.function.record.target
                problems[owners[row]] = RowProblem(
                    phase.value, step.name, error, step.step.slot, element, target
                )
        if result.memo:
            assert owners is not None
            memo, owner, used = self.collected.memo, -1, []
            for row, fp in result.memo.items():
                if owners[row] != owner:
                    owner = owners[row]
                    used = memo.setdefault(owner, [])
                used.append(fp)

    def _waves(self, scope: int, frame: Frame, args: list[list[Any]]) -> list[list[int]] | None:
        """Groups of rows, so that no limited scope processes too many rows per enclosing row at once."""
        limited = [
            node
            for node in (self._graph.scopes[item] for item in self._graph.scope_chain(scope))
            if (node.max_inflight_rows or node.max_inflight_bytes) and node.id != self._program.row_scope
        ]
        if not limited or frame.count <= 1:
            return None
        wave_of = [0] * frame.count
        for node in limited:
            rows = self.frames.rows_to(scope, node.id)
            here = self.frames.frame(node.id)
            waves = _waves_of_scope(here, node.max_inflight_rows, node.max_inflight_bytes, args, rows)
            for row in range(frame.count):
                wave_of[row] = max(wave_of[row], waves[row if rows is None else rows[row]])
        groups: dict[int, list[int]] = {}
        for row, wave in enumerate(wave_of):
            groups.setdefault(wave, []).append(row)
        return [groups[wave] for wave in sorted(groups)]

    def _collect(self, step: CollectStep) -> None:
        collector = self._graph.collectors[step.collector]
        scope = step.scope
        count = self.frames.frame(scope).count
        owners = self.frames.owners(scope)
        columns: list[Any] = []
        generated: int | None = None
        for position, item in enumerate(step.fields):
            if item is None:
                columns.append([None] * count)
            elif isinstance(item, GeneratedUuid):
                generated = position
                columns.append(None)
            else:
                columns.append(self.frames.column(item, scope))
        problems = self.collected.problems
        live: list[int] | None = None
        if problems:
            live = [row for row in range(count) if owners[row] not in problems]
            owners = [owners[row] for row in live]
            columns = [None if column is None else [column[row] for row in live] for column in columns]
        if generated is not None:
            columns[generated] = self._uuids(collector.id, collector.name, owners, columns)

        place = self.frames.place(scope) if self._program.row_scope != scope else None
        element = None if place is None else _element(place, live)
        entries = Entries(collector.id, owners, columns, element)
        self.collected.entries.setdefault(collector.id, []).append(entries)

    def _uuids(self, collector: int, name: str, owners: list[int], columns: list[Any]) -> list[bytes]:
        """Stable ids from flow, collector, source and key, sibling values and occurrence."""
        siblings = [column for column in columns if column is not None]
        prefix = pack((self._graph.full_name, name, self._program.source or ""))
        result = []
        for position, owner in enumerate(owners):
            content = fingerprint(pack(tuple(column[position] for column in siblings)))
            mark = (collector, owner, content)
            occurrence = self._seen.get(mark, 0)
            self._seen[mark] = occurrence + 1
            digest = fingerprint(prefix + self._keys[owner] + content + occurrence.to_bytes(4, "big"))
            result.append(uuid.UUID(bytes=digest, version=5).bytes)
        return result


def _element(place: Place, live: list[int] | None) -> Callable[[int], str]:
    """A function that names the row of an entry, for messages. ``live``: rows by entry, if some are excluded."""
    return place.of if live is None else lambda entry: place.of(live[entry])


def _waves_of_scope(
    frame: Frame,
    max_rows: int | None,
    max_bytes: int | None,
    args: list[list[Any]],
    rows: list[int] | None,
) -> list[int]:
    """Wave number of each row of a limited scope, counted per enclosing row."""
    weights = [0] * frame.count
    if max_bytes is not None:
        for column in args:
            for row, value in enumerate(column):
                if isinstance(value, (str, bytes)):
                    weights[row if rows is None else rows[row]] += len(value)
    waves = []
    counts: dict[int, tuple[int, int, int]] = {}
    for row in range(frame.count):
        parent = frame.parents[row] if frame.parents is not None else 0
        wave, used, weight = counts.get(parent, (0, 0, 0))
        full = max_rows is not None and used >= max_rows
        heavy = max_bytes is not None and used > 0 and weight + weights[row] > max_bytes
        if full or heavy:
            wave, used, weight = wave + 1, 0, 0
        counts[parent] = (wave, used + 1, weight + weights[row])
        waves.append(wave)
    return waves
