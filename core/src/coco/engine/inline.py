"""Transform flows: a graph evaluated in memory, without store, targets or memo."""

from __future__ import annotations

from coco.engine.evaluate import Evaluation
from coco.engine.frames import RootData
from coco.engine.functions import Executors, FunctionStep
from coco.engine.threads import Threads
from coco.errors import PrepareError
from coco.events import ignore_event
from coco.flow.graph import ROOT_SCOPE, InlineGraph
from coco.plan.plan import Call, Planner
from coco.types.schema import EngineValue


async def evaluate_inline(
    inline: InlineGraph, columns: list[list[EngineValue]], executors: Executors, threads: Threads
) -> list[EngineValue]:
    """One result per row of the parameter columns. The first failing row's error is raised, with its position."""
    graph = inline.graph
    program = Planner(graph).inline_program(inline.result)
    count = len(columns[0]) if columns else 1
    steps = {
        item.step.id: FunctionStep(
            item.step, executors, threads, None, ignore_event, flow=inline.name, source=None
        )
        for item in program.instructions
        if isinstance(item, Call)
    }
    keys = [index.to_bytes(8, "big") for index in range(count)]
    evaluation = Evaluation(graph, program, steps, keys, RootData())
    collected = await evaluation.run(dict(zip(inline.params, columns, strict=True)))
    if collected.problems:
        index = min(collected.problems)
        error = collected.problems[index].error
        if isinstance(error, PrepareError):  # errors of user code are raised unchanged
            error = error.reason
        if count > 1:
            error.add_note(f"while evaluating {inline.name}, element {index}")
        raise error
    return evaluation.frames.column(inline.result, ROOT_SCOPE)
