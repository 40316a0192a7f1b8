"""Values computed at the root of a flow: once per run, and only if a row needs them."""

from __future__ import annotations

from coco.engine.batches import RootValues, RowProblem
from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.engine.frames import RootData
from coco.plan.plan import Call, Program


async def root_values(run: Run, program: Program) -> tuple[RootData, RowProblem | None]:
    """The root values that ``program`` uses. With a problem, the rows of the program cannot be evaluated."""
    needed = {item.step.slot for item in run.plan.root.instructions if isinstance(item, Call)} & program.used
    if not needed:
        return RootData(), None
    async with run.root_lock:
        if run.root_values is None:
            run.root_values = await _evaluate(run)
            await _hold(run, run.root_values.memo)
        found = run.root_values
    failed = sorted(needed & found.problems.keys())
    return found.data, found.problems[failed[0]] if failed else None


async def _hold(run: Run, calls: list[bytes]) -> None:
    """Results of calls at the root belong to no row, so the flow's first source holds them."""
    if run.memo.writes:
        await run.threads.store(run.store.memo_hold, run.home_source_id, list(dict.fromkeys(calls)))
        run.memo.claim([calls])


async def _evaluate(run: Run) -> RootValues:
    """Evaluate all root calls together. If one fails, evaluate each alone, so that only its dependants fail."""
    found, problem = await _run(run, run.plan.root)
    if problem is None:
        return found
    found = RootValues()
    for item in run.plan.root.instructions:
        if isinstance(item, Call):
            slot = item.step.slot
            one, problem = await _run(run, run.planner.root_program(slot))
            if problem is None:
                found.data.values.update(one.data.values)
                found.memo += one.memo
            else:
                found.problems[slot] = problem
    for whole in run.plan.root.wholes:
        one, problem = await _run(run, run.planner.whole_program(whole))
        if problem is None:
            found.data.wholes.update(one.data.wholes)
            found.memo += one.memo
    return found


async def _run(run: Run, program: Program) -> tuple[RootValues, RowProblem | None]:
    evaluation = Evaluation(run.graph, program, run.steps_for(program), [b""], RootData())
    collected = await evaluation.run({})
    if collected.problems:
        return RootValues(), next(iter(collected.problems.values()))
    calls = list(dict.fromkeys(fp for used in collected.memo.values() for fp in used))
    return RootValues(evaluation.frames.root_data(program.wholes), calls), None
