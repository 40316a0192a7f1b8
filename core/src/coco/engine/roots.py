"""Values computed at the root of a flow: once per pass, and only if a row needs them."""

from __future__ import annotations

from typing import Any

from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.flow.graph import ROOT_SCOPE
from coco.plan.plan import Call, Program


async def root_values(run: Run, program: Program) -> dict[int, Any]:
    """What ``program`` may look up, by slot; empty if it uses none. Raises the error of a failing call."""
    calls = {item.step.slot for item in run.plan.root.instructions if isinstance(item, Call)}
    if not calls & program.used:
        return {}
    async with run.root_lock:
        if run.root_values is None:
            run.root_values = await _evaluate(run)
        return run.root_values


async def _evaluate(run: Run) -> dict[int, Any]:
    root = run.plan.root
    evaluation = Evaluation(run.graph, root, run.steps_for(root), [b""], {})
    collected = await evaluation.run({})
    for problem in collected.problems.values():
        raise problem.error
    columns = evaluation.frames.frame(ROOT_SCOPE).columns
    return {slot: column[0] for slot, column in columns.items() if column}
