"""``flow.retry()``: an update that also processes quarantined rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coco.operations.update import update

if TYPE_CHECKING:
    from coco.engine.stats import IndexUpdateInfo
    from coco.environment.environment import Environment
    from coco.flow.graph import Graph


async def retry(environment: Environment, graph: Graph, *, print_stats: bool = False) -> IndexUpdateInfo:
    """See ``Flow.retry``."""
    return await update(environment, graph, print_stats=print_stats, retry_quarantined=True)
