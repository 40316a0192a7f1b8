"""Rows of targets that have no resource to drop: deleted by the keys that state tracks."""

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
    """Packed keys of all rows that state knows in a target, or that an interrupted update may have written.

    Blocking: runs where the store may be called.
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
    """Sources that have fed the flow's targets: those of today and those that the next update takes out."""
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
    """Have a connector with ``delete_rows`` delete the rows of a resource that goes, of all its possible versions.

    tracked: gives the packed keys of a target, by its id.
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
    """From a packed key to what ``mutate`` gets."""
    fields = [FieldSchema.decode(json.loads(json.dumps(data))) for data in version.key_fields]
    unpack, decode = unpacker(fields), record.key_decoder(fields)
    return lambda packed: decode(unpack(packed))
