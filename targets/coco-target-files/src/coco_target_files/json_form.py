"""Engine values as JSON data and back, exactly (TG-Common-24).

Structs are objects, tables arrays of objects, vectors arrays, ranges ``[start, end]``, unions
``[variant, value]``. Bytes are base64, UUIDs, dates, times and time spans their ISO texts, and the three numbers that
JSON lacks are the words ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType, TableType, ValueType

Convert = Callable[[Any], Any]

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)
_TICK = datetime.timedelta(microseconds=1)
_canonical = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode
"""The form of engine values of kind Json."""


@dataclass(frozen=True)
class Codec:
    """``out``: engine value -> JSON data. ``back``: the inverse; raises any error for foreign data."""

    out: Convert
    back: Convert


def field_codec(type_: EnrichedValueType) -> Codec:
    """Of a field, which may be null."""
    codec = _codec(type_.type)
    return Codec(
        lambda value: None if value is None else codec.out(value),
        lambda data: None if data is None else codec.back(data),
    )


def _codec(type_: ValueType) -> Codec:
    if isinstance(type_, StructType):
        return _struct(type_.fields)
    if isinstance(type_, TableType):
        return _sequence(_struct(type_.row.fields))
    if type_.union is not None:
        return _union([_codec(variant) for variant in type_.union.variants])
    if type_.vector is not None:
        return _numbers(type_) if type_.packed_format else _sequence(_codec(type_.vector.element_type))
    return _SCALARS[type_.kind]


def _struct(fields: Sequence[FieldSchema]) -> Codec:
    named = [(item.name, field_codec(item.value_type)) for item in fields]
    return Codec(
        lambda row: {name: codec.out(value) for (name, codec), value in zip(named, row, strict=True)},
        lambda data: tuple([codec.back(data[name]) for name, codec in named]),
    )


def _sequence(item: Codec) -> Codec:
    return Codec(
        lambda values: [item.out(value) for value in values],
        lambda data: tuple([item.back(entry) for entry in data]),
    )


def _union(variants: Sequence[Codec]) -> Codec:
    return Codec(
        lambda value: [value[0], variants[value[0]].out(value[1])],
        lambda data: (data[0], variants[data[0]].back(data[1])),
    )


def _numbers(type_: BasicValueType) -> Codec:
    assert type_.packed_format is not None
    code, size = type_.packed_format
    scalar = _SAME if code == "q" else _FLOAT

    def out(value: bytes) -> Any:
        numbers = struct.unpack(f"<{len(value) // size}{code}", value)
        if code == "q" or math.isfinite(sum(numbers)):
            return list(numbers)
        if any(number != number for number in numbers):
            return base64.b64encode(value).decode()  # a NaN has bits that no word keeps
        return [scalar.out(number) for number in numbers]

    def back(data: Any) -> bytes:
        if isinstance(data, str):
            return base64.b64decode(data, validate=True)
        return struct.pack(f"<{len(data)}{code}", *map(scalar.back, data))

    return Codec(out, back)


def _float_out(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _local_out(microseconds: int) -> str:
    return (_EPOCH + microseconds * _TICK).isoformat()


def _local_back(text: str) -> int:
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // _TICK


def _offset_out(value: tuple[int, int]) -> str:
    instant, offset = value
    zone = datetime.timezone(datetime.timedelta(seconds=offset))
    return (_EPOCH + (instant + offset * 1_000_000) * _TICK).replace(tzinfo=zone).isoformat()


def _offset_back(text: str) -> tuple[int, int]:
    moment = datetime.datetime.fromisoformat(text)
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without its offset")
    local = (moment.replace(tzinfo=None) - _EPOCH) // _TICK
    return local - offset // _TICK, offset // datetime.timedelta(seconds=1)


def _span_out(microseconds: int) -> str:
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if microseconds < 0 else ''}PT{seconds}{fraction}S"


def _span_back(text: str) -> int:
    sign, found, amount = text.partition("PT")
    if not found or sign not in ("", "-") or not amount.endswith("S"):
        raise ValueError("no duration in seconds")
    seconds, _, fraction = amount[:-1].partition(".")
    size = int(seconds) * 1_000_000 + int(fraction.ljust(6, "0") or 0)
    return -size if sign else size


_FLOAT = Codec(_float_out, float)
_SAME = Codec(lambda value: value, lambda data: data)
_SCALARS: dict[str, Codec] = {
    "Str": _SAME,
    "Bool": _SAME,
    "Int64": _SAME,
    "Float32": _FLOAT,
    "Float64": _FLOAT,
    "Bytes": Codec(
        lambda value: base64.b64encode(value).decode(), lambda text: base64.b64decode(text, validate=True)
    ),
    "Uuid": Codec(lambda value: str(uuid.UUID(bytes=value)), lambda text: uuid.UUID(text).bytes),
    "Date": Codec(
        lambda value: datetime.date.fromordinal(value).isoformat(),
        lambda text: datetime.date.fromisoformat(text).toordinal(),
    ),
    "Time": Codec(
        lambda value: (_EPOCH + value * _TICK).time().isoformat(),
        lambda text: _local_back(f"1970-01-01T{text}"),
    ),
    "LocalDateTime": Codec(_local_out, _local_back),
    "OffsetDateTime": Codec(_offset_out, _offset_back),
    "TimeDelta": Codec(_span_out, _span_back),
    "Range": Codec(list, tuple),
    "Json": Codec(json.loads, _canonical),
}
