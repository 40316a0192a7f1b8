"""From a key to the id of its point. Stable for ever: points are addressed by nothing else.

Qdrant has unsigned integers and UUIDs. A key of one part that is a UUID, an Int64 of 0 or more, or a text that is a
UUID in its usual form (lower case, with hyphens) is its own id. Every other key has the name-based UUID (version 5) of
its parts as they are in the payload, written as a compact JSON array, in ``NAMESPACE``::

    uuid.uuid5(NAMESPACE, '["docs/guide.md",[0,500]]')
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from coco.typing import BasicValueType, FieldSchema
from coco_target_qdrant.payload import FOREIGN, payload_codec

PointId: TypeAlias = int | str
NAMESPACE = uuid.UUID("211b8709-a0d7-5904-979b-655f10f15e30")

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class KeyIds:
    """Ids of one export's keys."""

    def __init__(self, key_fields: Sequence[FieldSchema]) -> None:
        self._names = [item.name for item in key_fields]
        types = [item.value_type.type for item in key_fields]
        self._codecs = [payload_codec(type_) for type_ in types]
        only = types[0] if len(types) == 1 and isinstance(types[0], BasicValueType) else None
        self._kind = only.kind if only is not None else ""

    def id_of(self, key: tuple[Any, ...]) -> PointId:
        """The id of a key's point."""
        part = key[0]
        if self._kind == "Int64" and part >= 0:
            return int(part)
        if self._kind == "Uuid":
            return str(uuid.UUID(bytes=part))
        if self._kind == "Str" and len(part) == 36 and _UUID.fullmatch(part):
            return str(part)
        parts = [codec.out(item) for codec, item in zip(self._codecs, key, strict=True)]
        return str(uuid.uuid5(NAMESPACE, _compact(parts)))

    def key_in(self, payload: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The key that a point's payload has; None if there is none of the fields' types."""
        try:
            return tuple(
                [
                    codec.back(payload[name])
                    for name, codec in zip(self._names, self._codecs, strict=True)
                    if codec.back is not None
                ]
            )
        except FOREIGN:
            return None
