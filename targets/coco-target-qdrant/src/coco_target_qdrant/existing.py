"""A collection that is there before a flow was set up: taken over if it fits, refused if not."""

from __future__ import annotations

from collections.abc import Sequence

from coco.op import Adoption
from coco.typing import EnrichedValueType, FieldSchema, decode_engine_value_type
from coco_target_qdrant.ids import KeyIds
from coco_target_qdrant.setup import connected, missing_vectors
from coco_target_qdrant.state import QdrantKey, QdrantState
from coco_target_qdrant.wire import Point

SAMPLE = 200
"""Points whose ids are compared: one writer makes them all by one rule."""


def check_existing(key: QdrantKey, desired: QdrantState) -> Adoption | str | None:
    """What stands where a collection shall be made: nothing, what fits, or why it does not."""
    with connected(key) as wire:
        facts = wire.facts(key.collection)
        if facts is None:
            return None
        misfits = missing_vectors(facts, desired)
        if not misfits:
            fields = [
                FieldSchema(name, EnrichedValueType(decode_engine_value_type(type_)))
                for name, type_ in desired.key
            ]
            misfits = _foreign_ids(fields, wire.first(key.collection, SAMPLE))
        count = wire.count(key.collection)
    if not misfits and not count:
        misfits = ["it is empty, so its keys are unknown"]
    if not misfits:
        return Adoption(f"it holds {count} points; see that no other flow writes into it")
    return (
        f"{key.title} exists already, was made by hand, for another flow, or with another state store, and cannot be adopted: "
        f"{'; '.join(misfits)}. Use another collection_name, drop that collection, or export with setup_by_user=True to write "
        "into it as it is"
    )


def _foreign_ids(key_fields: Sequence[FieldSchema], points: Sequence[Point]) -> list[str]:
    """Rows would stand beside such points instead of replacing them."""
    ids = KeyIds(key_fields)
    names = ", ".join(item.name for item in key_fields)
    for point in points:
        key = ids.key_in(point.payload)
        if key is None:
            return [f"the payload of its point {point.id} has no key ({names}) of the flow's types"]
        if ids.id_of(key) != point.id:
            return [f"its point {point.id} would have the id {ids.id_of(key)} by its key ({names})"]
    return []
