"""``flow.errors()``: the failed rows of a flow."""

from __future__ import annotations

from typing import Any

from coco.engine.source_state import row_error
from coco.engine.stats import RowErrors
from coco.engine.unlisted import is_unlisted, unlisted_name
from coco.environment.environment import Environment
from coco.environment.preparation import stored_flow_state
from coco.flow.graph import Graph
from coco.types.storage import unpacker


async def errors(environment: Environment, graph: Graph) -> RowErrors:
    """Recorded failures of a flow, by source and key, with their tracebacks. See ``Flow.errors``."""
    threads = environment.threads
    store = await threads.store(environment.store)
    state = await threads.store(stored_flow_state, store, graph.full_name)
    readers = {step.name: unpacker(list(step.table.key_fields)) for step in graph.sources}
    found = []
    for name, record in state.sources.items():
        failures = await threads.store(store.get_failures, record.source_id, tracebacks=True)
        for key, item in failures.items():
            if is_unlisted(key):
                parts: tuple[Any, ...] = (unlisted_name(key),)
            else:
                parts = readers[name](key) if name in readers else (key.hex(),)
            found.append(row_error(name, parts, item))
    return RowErrors(sorted(found, key=lambda item: (item.source, item.key)))
