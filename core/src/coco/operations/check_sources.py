"""Checks sources before setup creates anything for a flow."""

from __future__ import annotations

from collections.abc import Iterable

from coco.engine.threads import Threads
from coco.errors import SourceError
from coco.flow.graph import Graph


async def check_sources(graphs: Iterable[Graph], threads: Threads) -> None:
    """Ask each source that has a ``check`` method whether the resource of its spec exists.

    Raises ``SourceError`` naming flow and source.
    """
    for graph in graphs:
        for step in graph.sources:
            check = step.source.method("check")
            if check is None:
                continue
            try:
                await threads.call(check, step.spec)
            except Exception as error:
                raise SourceError(
                    f"source '{step.name}' of flow '{graph.full_name}': {error}. Nothing was set up"
                ) from error
