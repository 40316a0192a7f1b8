"""Targets that are gone: said with the way out, or made again, so that their rows can be written again."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from coco.engine.context import Run
from coco.engine.exports import ExportRun
from coco.errors import DriftError
from coco.events import SetupStepDone
from coco.flow.graph import Graph
from coco.operations.verify_report import TargetCheck
from coco.setup.again import make_again
from coco.setup.desired import desired_targets

Look = Callable[[], Awaitable[None]]

MADE_AGAIN = "MADE AGAIN"
"""What the event about such a target says was done."""


def _call(run: Run) -> Callable[..., Awaitable[object]]:
    return functools.partial(run.target_calls, f"setup of flow '{run.flow}'")


async def restore_declarations(run: Run, graph: Graph) -> list[TargetCheck]:
    """Make again what is declared without an export, which targets may need; returns what could not be made.

    Nobody can be asked whether it is there, and making it again does no harm if it is.
    """
    problems = []
    for wanted in desired_targets(graph):
        if wanted.export is not None or wanted.setup_by_user:
            continue
        try:
            await make_again(wanted, _call(run))
        except Exception as error:
            problem = f"it could not be made again: {type(error).__name__}: {error}"
            problems.append(TargetCheck(f"declaration {wanted.name}", problem=problem))
    return problems


async def look_or_restore(
    run: Run, graph: Graph, export: ExportRun, check: TargetCheck, look: Look, *, repair: bool
) -> bool:
    """Look at a target; with ``repair`` make it again where it cannot be read or is empty, and look again.

    Returns whether all its rows have to be written again because it cannot tell which ones it lacks.
    """
    port = run.ports[export.name]
    gone = False
    try:
        await look()
    except Exception as error:
        gone, cause = True, port.closed_door or error
        text = f"{cause}" if isinstance(cause, DriftError) else f"{type(cause).__name__}: {cause}"
        sure = isinstance(cause, DriftError)
        check.problem = f"{'is gone or altered' if sure else 'cannot be read'}: {text}"
        if not repair or export.step.setup_by_user:
            check.problem += f"; {'' if sure else 'if it is gone, '}{port.way_out}"
    if not repair or export.step.setup_by_user:
        return False
    target = export.step.target
    lists, counts = (target.method(name) is not None for name in ("list_keys", "count_rows"))
    if not gone and not (check.expected and check.actual == 0 and (lists or counts)):
        return not lists and counts and check.actual < check.expected
    wanted = next(item for item in desired_targets(graph) if item.export is export.step)
    try:
        title = await make_again(wanted, _call(run))  # an empty one may be one that is not there
        if gone:
            await port.reopen()
            check.problem, check.restored = "", True
            await look()
    except Exception as error:
        check.problem = f"{check.problem or 'it is empty'}; it could not be made again: {error}"
        return False
    if gone:
        run.emit(SetupStepDone(run.flow, title, MADE_AGAIN))
    if not lists:
        check.problem = ""
    return not lists
