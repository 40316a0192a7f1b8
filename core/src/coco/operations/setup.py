"""``flow.setup()``: creates or changes state and targets as the definition requires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coco.operations.setup_bundle import SetupChangeBundle
from coco.operations.setup_work import SetupWork

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import Graph


async def setup(
    environment: Environment,
    graph: Graph,
    *,
    report_to_stdout: bool = False,
    allow_destructive: bool = False,
) -> None:
    """See ``Flow.setup``."""
    bundle = SetupChangeBundle(SetupWork(environment, [graph], None))
    await bundle.carried_out(report_to_stdout, allow_destructive)
