"""Which column a field becomes, and values both ways; reading gives back exactly what was written.

| coco | column | stored as |
|---|---|---|
| Str | TEXT | itself, U+0000 included |
| Bytes | BLOB | itself |
| Bool | BOOLEAN | 0 or 1 |
| Int64 | INTEGER | itself |
| Float32, Float64 | REAL | itself; NaN and -0.0, which SQLite lacks, as 8 bytes (IEEE 754, big-endian) |
| Uuid | TEXT | lower case, with hyphens |
| Date, Time | TEXT | ``2024-02-29``, ``23:59:59.000000`` |
| LocalDateTime | TEXT | ``2024-02-29 23:59:59.000000`` |
| OffsetDateTime | TEXT | ``2024-02-29 23:59:59.000000+01:00``: the local time with its distance from UTC |
| TimeDelta | INTEGER | microseconds |
| Range | TEXT | ``[start,end]`` |
| Json | TEXT | canonical JSON |
| Vector of Float32, Float64, Int64 | BLOB | packed little-endian numbers |
| other vectors, structs, tables, unions | TEXT | JSON |

Texts of dates and times sort by value, OffsetDateTime aside, and SQLite's own functions read them. In JSON, structs are
objects, tables arrays of objects, vectors arrays, unions ``[variant, value]``; Bytes are base64, floats that JSON lacks
words, time spans microseconds, dates and times as in columns.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from coco.kit.iso_text import iso_pairs
from coco.kit.json_data import SCALARS, JsonForm, json_text, same
from coco.typing import BasicValueType, ValueType

Convert = Callable[[Any], Any]
_TEXTS = iso_pairs(separator=" ", timespec="microseconds", outside=True)
_JSON = JsonForm({**SCALARS, **_TEXTS, "TimeDelta": (same, same)})
_DOUBLE = struct.Struct(">d")


class ColumnCodec(NamedTuple):
    """``declared``: the type in CREATE TABLE. ``encode``, ``decode``: never see null; None changes nothing."""

    declared: str
    encode: Convert | None = None
    decode: Convert | None = None


_blob_out: Convert | None = bytearray if sys.version_info < (3, 12) else None
"""For each ``bytes``, Python 3.11's ``sqlite3`` looks for an adapter, which costs more than writing it does."""


def _float_out(value: float) -> Any:
    if value:
        return value if value == value else _DOUBLE.pack(value)
    return value if math.copysign(1.0, value) > 0 else _DOUBLE.pack(value)


def _float_in(value: Any) -> float:
    number: float = _DOUBLE.unpack(value)[0] if isinstance(value, bytes) else float(value)
    return number


def _range_out(value: tuple[int, int]) -> str:
    return f"[{value[0]},{value[1]}]"


def _range_in(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


_SCALARS: dict[str, ColumnCodec] = {
    "Str": ColumnCodec("TEXT"),
    "Bytes": ColumnCodec("BLOB", _blob_out),
    "Bool": ColumnCodec("BOOLEAN", None, bool),
    "Int64": ColumnCodec("INTEGER"),
    "Float32": ColumnCodec("REAL", _float_out, _float_in),
    "Float64": ColumnCodec("REAL", _float_out, _float_in),
    "TimeDelta": ColumnCodec("INTEGER"),
    "Range": ColumnCodec("TEXT", _range_out, _range_in),
    "Json": ColumnCodec("TEXT"),
    **{kind: ColumnCodec("TEXT", *pair) for kind, pair in _TEXTS.items()},
}


def column_codec(type_: ValueType) -> ColumnCodec:
    """The column for a type."""
    if isinstance(type_, BasicValueType):
        if type_.packed_format is not None:
            return ColumnCodec("BLOB", _blob_out)
        scalar = _SCALARS.get(type_.kind)
        if scalar is not None:
            return scalar
    return ColumnCodec("TEXT", *json_text(type_, _JSON))
