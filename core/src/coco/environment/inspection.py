"""Rows that could not be brought up to date, as users see them."""

from __future__ import annotations

from typing import Any

from coco.engine.process import readable_key
from coco.environment.environment import Environment
from coco.environment.preparation import stored_flow_state
from coco.flow.graph import Graph
from coco.types.storage import unpacker


async def list_errors(environment: Environment, graph: Graph) -> list[dict[str, Any]]:
    """Recorded failures of a flow, by source and key."""
    threads = environment.threads
    store = await threads.store(environment.store)
    state = await threads.store(stored_flow_state, store, graph.full_name)
    readers = {step.name: unpacker(list(step.table.key_fields)) for step in graph.sources}
    found = []
    for name, record in state.sources.items():
        failures = await threads.store(store.get_failures, record.source_id)
        for key, item in failures.items():
            parts = readers[name](key) if name in readers else (key.hex(),)
            found.append(
                {
                    "source": name,
                    "key": readable_key(parts),
                    "phase": item.phase,
                    "op": item.op,
                    "error_type": item.error_type,
                    "message": item.message,
                    "attempts": item.attempts,
                    "first_at": item.first_at,
                    "last_at": item.last_at,
                    "parked": item.parked,
                }
            )
    return sorted(found, key=lambda item: (item["source"], str(item["key"])))
