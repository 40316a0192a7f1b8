"""Missing targets: reported with advice, or recreated so that their rows can be written."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from coco.engine.context import Run
from coco.engine.exports import ExportRun
from coco.errors import DriftError
from coco.events import SetupStepDone
from coco.flow.graph import Graph
from coco.operations.verify_report import TargetCheck
from coco.setup.desired import desired_targets
from coco.setup.recreate import recreate

Look = Callable[[], Awaitable[None]]

RECREATED = "RECREATED"
"""The action that ``SetupStepDone`` names for such a target."""


def _call(run: Run) -> Callable[..., Awaitable[object]]:
    return functools.partial(run.target_calls, f"setup of flow '{run.flow}'")


async def recreate_declarations(run: Run, graph: Graph) -> list[TargetCheck]:
    """Recreate resources declared without an export, which targets may need; returns those that failed.

    Connectors cannot tell whether such a resource exists; recreating an existing one does nothing.
    """
    problems = []
    for wanted in desired_targets(graph):
        if wanted.export is not None or wanted.setup_by_user:
            continue
        try:
            await recreate(wanted, _call(run))
        except Exception as error:
            problem = f"it could not be recreated: {type(error).__name__}: {error}"
            problems.append(TargetCheck(f"declaration {wanted.name}", problem=problem))
    return problems


async def look_or_recreate(
    run: Run, graph: Graph, export: ExportRun, check: TargetCheck, look: Look, *, repair: bool
) -> bool:
    """Compare a target; with ``repair``, recreate it if it cannot be read or is empty, and compare again.

    Returns whether all its rows must be written because the target cannot list which ones are missing.
    """
    port = run.ports[export.name]
    missing = False
    try:
        await look()
    except Exception as error:
        missing, cause = True, port.closed_door or error
        text = f"{cause}" if isinstance(cause, DriftError) else f"{type(cause).__name__}: {cause}"
        sure = isinstance(cause, DriftError)
        check.problem = f"{'is missing or altered' if sure else 'cannot be read'}: {text}"
        if not repair or export.step.setup_by_user:
            check.problem += f"; {'' if sure else 'if it is missing, '}{port.way_out}"
    if not repair or export.step.setup_by_user:
        return False
    target = export.step.target
    lists, counts = (target.method(name) is not None for name in ("list_keys", "count_rows"))
    if not missing and not (check.expected and check.actual == 0 and (lists or counts)):
        return not lists and counts and check.actual < check.expected
    wanted = next(item for item in desired_targets(graph) if item.export is export.step)
    try:
        title = await recreate(wanted, _call(run))  # an empty one may be one that is not there
        if missing:
            await port.reopen()
            check.problem, check.recreated = "", True
            await look()
    except Exception as error:
        check.problem = f"{check.problem or 'it is empty'}; it could not be recreated: {error}"
        return False
    if missing:
        run.emit(SetupStepDone(run.flow, title, RECREATED))
    if not lists:
        check.problem = ""
    return not lists
