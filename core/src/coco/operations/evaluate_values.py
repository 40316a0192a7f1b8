"""``transform_flow.eval()`` and ``spec.execute()``: functions on values in memory, without a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coco.engine.inline import evaluate_inline

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import InlineGraph
    from coco.types.schema import EngineValue


async def evaluate_values(
    environment: Environment, inline: InlineGraph, columns: list[list[EngineValue]]
) -> list[EngineValue]:
    """Results for columns of engine values, one column per parameter."""
    return await evaluate_inline(inline, columns, environment.executors, environment.threads)
