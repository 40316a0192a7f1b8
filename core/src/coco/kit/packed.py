"""Engine values as bytes, and back.

The bytes are MessagePack, and canonical: of one type, equal values have equal bytes, in every process and release. So they
can be stored, compared, and used as keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coco.types import storage
from coco.types.schema import EngineValue, EnrichedValueType, FieldSchema

__all__ = ["pack", "unpacker"]


pack: Callable[[EngineValue], bytes] = storage.pack
"""``pack(value)``: the bytes of an engine value, also of a key or row, which is a tuple of such."""


def unpacker(type_: EnrichedValueType | Sequence[FieldSchema]) -> Callable[[bytes], EngineValue]:
    """A function from bytes to the engine value of a type; or, for a list of fields, to the tuple of their values.

    It raises ``StoredValueError`` for bytes that are no value of the type. Make it once and use it for all rows.
    """
    return storage.unpacker(type_)
