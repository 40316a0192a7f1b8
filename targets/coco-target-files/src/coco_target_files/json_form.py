"""Engine values as JSON data and back, exactly.

Structs are objects, tables arrays of objects, vectors arrays, ranges ``[start, end]``, unions
``[variant, value]``. Bytes are base64, UUIDs, dates, times and time spans their ISO texts, and the three numbers that
JSON lacks are the words ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

from coco.kit.iso_text import iso_pairs, span_in, span_out
from coco.kit.json_data import SCALARS, JsonForm, Pair, json_pair
from coco.typing import EnrichedValueType

_FORM = JsonForm({**SCALARS, **iso_pairs(), "TimeDelta": (span_out, span_in)})


def field_pair(type_: EnrichedValueType) -> Pair:
    """Value of a field, which may be null -> JSON data, and back; reading raises any error for foreign data."""
    write, read = json_pair(type_.type, _FORM)
    return (
        lambda value: None if value is None else write(value),
        lambda data: None if data is None else read(data),
    )
