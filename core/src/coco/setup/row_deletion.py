"""Deletes the rows of targets that have no resource to drop, by the keys that the state tracks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from coco.setup.changes import ChangeKind, ResourceChange, rebuild_state
from coco.setup.states import FLOW_RESOURCE, FlowState, TargetState
from coco.state.protocol import StateStore
from coco.types.schema import FieldSchema
from coco.types.storage import unpacker

KEYS_PER_CALL = 5_000


def tracked_keys(store: StateStore, flow: str, target_id: int) -> list[bytes]:
    """Return the packed keys of all rows that the state tracks in a target, or that an update may have written.

    Blocks, so call it on the thread of the store.
    """
    found: set[bytes] = set()
    for source in _source_ids(store, flow):
        keys = [key for rows in store.scan(source) for key, _ in rows]
        for start in range(0, len(keys), KEYS_PER_CALL):
            for tracked in store.get_many(source, keys[start : start + KEYS_PER_CALL]).values():
                for part in (tracked.targets.get(target_id), tracked.staged.get(target_id)):
                    if part is not None:
                        found.update(key for key, _ in part.rows)
    return sorted(found)


def _source_ids(store: StateStore, flow: str) -> list[int]:
    """Return the ids of the sources of the flow, and of former ones whose rows are not deleted yet."""
    for record in store.setup_records(flow):
        if record.resource_type == FLOW_RESOURCE:
            for data in (record.state, *(item.get("upsert") for item in record.staging)):
                if data is not None:
                    state = FlowState.from_json(data)
                    return sorted({*(item.source_id for item in state.sources.values()), *state.removed})
    return []


async def delete_tracked_rows(
    item: ResourceChange,
    key: Any,
    tracked: Callable[[int], Awaitable[Sequence[bytes]]],
    call: Callable[..., Awaitable[Any]],
) -> None:
    """Delete the rows of all possible versions of a resource, by the connector's ``delete_rows``.

    tracked: returns the packed keys of a target, by its id.
    """
    delete = item.record.method("delete_rows")
    if delete is None or item.kind not in (ChangeKind.DELETE, ChangeKind.REBUILD):
        return
    for version in item.existing.states():
        state, keys = rebuild_state(item.record, version.connector), _keys(item.record, version)
        packed = await tracked(version.target_id)
        for start in range(0, len(packed), KEYS_PER_CALL):
            await call(delete, key, state, [keys(one) for one in packed[start : start + KEYS_PER_CALL]])


def _keys(record: Any, version: TargetState) -> Callable[[bytes], Any]:
    """Return a function from a packed key to the key that ``mutate`` receives."""
    fields = [FieldSchema.decode(json.loads(json.dumps(data))) for data in version.key_fields]
    unpack, decode = unpacker(fields), record.key_decoder(fields)
    return lambda packed: decode(unpack(packed))
