"""Upgrades records of earlier releases to the form of this one.

If a class gains a field with a default, or a connector renames one, the resource is the same and only its stored form
differs. Records are read in today's form, and written in it by the next setup. No resource is dropped or recreated.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from coco.engine_object import plain_data
from coco.setup.changes import rebuild_key, rebuild_state
from coco.setup.states import encode_key
from coco.state.protocol import SetupRecord

_UNREADABLE = (TypeError, ValueError, KeyError)


def respelled(record: SetupRecord, known: Any) -> SetupRecord:
    """Return the record with key and connector states in today's form.

    known: the registered target or declaration; None if its plugin is not installed. Data that the plugin cannot read stays
    unchanged, and the plan says so.
    """
    if known is None:
        return record
    try:
        key = encode_key(plain_data(rebuild_key(known, record.key)))
    except _UNREADABLE:
        key = record.key
    state = None if record.state is None else _state(record.state, known)
    staging = tuple(
        {**item, "upsert": _state(item["upsert"], known)} if "upsert" in item else item
        for item in record.staging
    )
    return replace(record, key=key, state=state, staging=staging)


def _state(data: dict[str, Any], known: Any) -> dict[str, Any]:
    if "connector" not in data:
        return data
    try:
        connector = plain_data(rebuild_state(known, data["connector"]))
    except _UNREADABLE:
        return data
    return data if connector == data["connector"] else {**data, "connector": connector}
