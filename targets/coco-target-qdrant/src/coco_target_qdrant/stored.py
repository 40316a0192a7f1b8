"""What Qdrant makes of values: it rounds vectors, and makes those that it compares by cosine as long as 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coco.index import IndexOptions
from coco.typing import FieldSchema
from coco_target_qdrant.payload import payload_codec
from coco_target_qdrant.state import distance_of
from coco_target_qdrant.vectors import stored_vector, vector_field


def stored_form(field: FieldSchema, index_options: IndexOptions) -> Callable[[Any], Any] | None:
    """From a value to the one that comes back, bit for bit; None: the same."""
    vector = vector_field(field.value_type.type)
    if vector is None or vector.also_in_payload:
        return payload_codec(field.value_type.type).normal
    unit = distance_of(field.name, index_options) == "Cosine"
    if not unit and vector.code == "f":
        return None
    if vector.multi:
        return lambda value: tuple([stored_vector(vector, item, unit=unit) for item in value])
    return lambda value: stored_vector(vector, value, unit=unit)
