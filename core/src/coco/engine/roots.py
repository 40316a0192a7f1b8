"""Values computed at the root of a flow: once per pass, and only if a row needs them."""

from __future__ import annotations

from typing import Any

from coco.engine.batches import RootValues, RowProblem
from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.flow.graph import ROOT_SCOPE
from coco.plan.plan import Call, Program


async def root_values(run: Run, program: Program) -> tuple[dict[int, Any], RowProblem | None]:
    """What ``program`` may look up, by slot; empty if it uses none. With a problem, its rows cannot be evaluated."""
    needed = {item.step.slot for item in run.plan.root.instructions if isinstance(item, Call)} & program.used
    if not needed:
        return {}, None
    async with run.root_lock:
        if run.root_values is None:
            run.root_values = await _evaluate(run)
        found = run.root_values
    failed = sorted(needed & found.problems.keys())
    return found.values, found.problems[failed[0]] if failed else None


async def _evaluate(run: Run) -> RootValues:
    """All calls at the root; if one of them fails, each alone, so that it costs only what it leads to."""
    values, problem = await _run(run, run.plan.root)
    if problem is None:
        return RootValues(values)
    found = RootValues()
    for item in run.plan.root.instructions:
        if isinstance(item, Call):
            slot = item.step.slot
            values, problem = await _run(run, run.planner.root_program(slot))
            if problem is None:
                found.values[slot] = values[slot]
            else:
                found.problems[slot] = problem
    return found


async def _run(run: Run, program: Program) -> tuple[dict[int, Any], RowProblem | None]:
    evaluation = Evaluation(run.graph, program, run.steps_for(program), [b""], {})
    collected = await evaluation.run({})
    columns = evaluation.frames.frame(ROOT_SCOPE).columns
    values = {slot: column[0] for slot, column in columns.items() if column}
    return values, next(iter(collected.problems.values()), None)
