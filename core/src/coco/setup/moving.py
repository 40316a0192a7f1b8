"""Adapts records of a project that was moved or copied as a whole, with the files in its folder.

A resource in files is identified by its absolute path. Without this, a copied project would find the path of the original
on record, and would drop that resource to create its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from coco.setup.changes import ChangeKind, ResourceChange
from coco.setup.states import FLOW_RESOURCE, TargetState, encode_key
from coco.state.protocol import SetupRecord


class Moved(Struct):
    """Adapted records. ``records``: with paths in the present folder. ``before``: (resource type, key) -> key on record."""

    records: list[SetupRecord]
    before: dict[tuple[str, str], str]

    @classmethod
    def of(
        cls, records: Iterable[SetupRecord], old: str, new: str, wanted: Collection[tuple[str, str]] = ()
    ) -> Moved:
        """Records of a flow whose project was in the folder ``old`` and is in ``new``; "" if that is not known.

        ``wanted``: (resource type, key) of what the flow names where it was, which stayed.
        """
        found = cls([], {})
        move = old and new and old != new and os.path.dirname(old) != old
        for record in records:
            if move and record.resource_type != FLOW_RESOURCE:
                key = encode_key(_elsewhere(json.loads(record.key), old, new))
                if key != record.key and (record.resource_type, record.key) not in wanted:
                    found.before[(record.resource_type, key)] = record.key
                    record = replace(record, key=key)
            found.records.append(record)
        return found

    def note(self, changes: Iterable[ResourceChange]) -> None:
        """Add the adaption of the records to a plan."""
        for change in changes:
            before = self.before.get((change.resource_type, change.stored_key or change.key))
            if before is None:
                continue
            change.stored_key = before
            current = change.existing.current
            kept = change.kind in (ChangeKind.NONE, ChangeKind.USER_MANAGED, ChangeKind.UNKNOWN)
            if kept and change.state is None and not change.forget and current is not None:
                change.state = TargetState.from_json(current)

    def words(self, flow: str, old: str, new: str) -> Sequence[str]:
        """Return a remark for the plan; empty text if nothing was moved."""
        if not self.before:
            return ()
        text = f"flow '{flow}': the project was in {old} and is in {new} now, so coco looks for its targets in files here too"
        return (text,)


def _elsewhere(data: Any, old: str, new: str) -> Any:
    """Return data with each path in the folder ``old`` replaced by the one in ``new``."""
    if isinstance(data, str):
        inside = data == old or data.startswith(os.path.join(old, ""))
        return new + data[len(old) :] if inside else data
    if isinstance(data, list):
        return [_elsewhere(item, old, new) for item in data]
    if isinstance(data, dict):
        return {name: _elsewhere(item, old, new) for name, item in data.items()}
    return data
