"""``flow.drop()``: remove a flow's state and all its targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from coco.operations.setup_bundle import SetupChangeBundle
from coco.operations.setup_work import SetupWork

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import DefinitionPlace


async def drop(
    environment: Environment,
    flows: Mapping[str, DefinitionPlace | None],
    *,
    report_to_stdout: bool = False,
) -> None:
    """See ``Flow.drop``. ``flows``: full names, with where each is defined, if it is."""
    bundle = SetupChangeBundle(SetupWork(environment, [], flows))
    await bundle.carried_out(report_to_stdout, allow_destructive=True)
