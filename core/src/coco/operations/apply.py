"""``flow.apply()``: carries out a plan if it is still valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coco.errors import CallShapeError, PlanOutdatedError
from coco.operations.plan import UpdatePlan, plan
from coco.operations.setup import setup
from coco.operations.update import update

if TYPE_CHECKING:
    from coco.engine.stats import IndexUpdateInfo
    from coco.environment.environment import Environment
    from coco.flow.graph import Graph


async def apply(
    environment: Environment,
    graph: Graph,
    planned: UpdatePlan | Mapping[str, Any],
    *,
    print_stats: bool = False,
    allow_deletes: bool = False,
) -> IndexUpdateInfo:
    """See ``Flow.apply``."""
    before = _plain(planned)
    now = await plan(environment, graph, read=0)
    moved = differences(graph.name, before, now.to_dict())
    if moved:
        raise PlanOutdatedError(
            f"the plan of flow '{graph.full_name}' is no longer valid, so nothing was done: {'; '.join(moved)}. Make a new "
            "one with flow.plan()",
            moved,
        )
    await setup(environment, graph, allow_destructive=True)
    return await update(environment, graph, print_stats=print_stats, allow_deletes=allow_deletes)


def _plain(planned: Any) -> Mapping[str, Any]:
    if isinstance(planned, UpdatePlan):
        return planned.to_dict()
    if not isinstance(planned, Mapping):
        raise CallShapeError(
            f"apply() takes a plan from flow.plan(), or its to_dict(); got {type(planned).__name__}"
        )
    missing = [name for name in ("flow", "setup", "update") if name not in planned]
    if missing:
        raise CallShapeError(
            f"apply() takes a plan from flow.plan(), or its to_dict(); this one lacks {', '.join(missing)}"
        )
    return planned


def differences(name: str, planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The reasons why a plan of a flow is no longer valid; empty if it is.

    ``planned``, ``now``: as ``UpdatePlan.to_dict()`` gives them.
    """
    found = []
    if planned.get("flow") != now["flow"]:
        found.append(f"flow {name} is in another app namespace: {now['flow']}")
    if planned.get("setup") != now["setup"]:
        found.append(f"the setup of flow {name} differs from the plan")
    return found + [f"{text} of flow {name}" for text in _moved(planned, now)]


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changes in what an update of one flow depends on. Its actions are not compared, since they follow from it."""
    old, new = before.get("update") or {}, after["update"] or {}
    marks, now = old.get("marks", {}), new.get("marks", {})
    found = [
        text
        for mark, text in (
            ("listing", "the sources changed"),
            ("state", "another update changed the state"),
            ("logic", "the definition changed"),
        )
        if marks.get(mark) != now.get(mark)
    ]
    if not found and before.get("state_version") != after["state_version"]:
        found.append("the sources or the state changed")
    return found
