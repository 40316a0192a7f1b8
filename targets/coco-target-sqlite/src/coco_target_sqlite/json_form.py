"""Nested values as JSON data, exactly: what is written reads back as the same engine value (TG-Common-24).

Structs are objects, tables arrays of objects, vectors arrays, unions ``[variant, value]``. Bytes are base64, floats
that JSON lacks are words, dates and times have the form that columns have.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType, TableType, ValueType
from coco_target_sqlite import time_form

Convert = Callable[[Any], Any]
Pair = tuple[Convert, Convert]
"""Engine value -> JSON data, and back."""

_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_canonical = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode
"""The form of engine values of kind Json."""

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def json_text(type_: ValueType) -> Pair:
    """The pair for a column: engine value -> JSON text, and back."""
    to_data, to_engine = _of(type_)
    return (lambda value: _write(to_data(value))), (lambda text: to_engine(json.loads(text)))


def _of(type_: ValueType) -> Pair:
    if isinstance(type_, StructType):
        return _row(type_.fields)
    if isinstance(type_, TableType):
        return _each(_row(type_.row.fields))
    if type_.union is not None:
        return _union([_of(variant) for variant in type_.union.variants])
    if type_.vector is not None:
        if type_.packed_format is not None:
            return _packed(type_)
        return _each(_of(type_.vector.element_type))
    return _SCALARS[type_.kind]


def _nullable(type_: EnrichedValueType) -> Pair:
    to_data, to_engine = _of(type_.type)
    return (
        lambda value: None if value is None else to_data(value),
        lambda data: None if data is None else to_engine(data),
    )


def _row(fields: Sequence[FieldSchema]) -> Pair:
    parts = [(item.name, *_nullable(item.value_type)) for item in fields]

    def to_data(row: tuple[Any, ...]) -> dict[str, Any]:
        return {name: write(value) for (name, write, _), value in zip(parts, row, strict=True)}

    def to_engine(data: dict[str, Any]) -> tuple[Any, ...]:
        return tuple([read(data.get(name)) for name, _, read in parts])

    return to_data, to_engine


def _each(pair: Pair) -> Pair:
    to_data, to_engine = pair
    return (
        lambda values: [to_data(value) for value in values],
        lambda data: tuple([to_engine(item) for item in data]),
    )


def _union(variants: Sequence[Pair]) -> Pair:
    return (
        lambda value: [value[0], variants[value[0]][0](value[1])],
        lambda data: (data[0], variants[data[0]][1](data[1])),
    )


def _packed(type_: BasicValueType) -> Pair:
    assert type_.packed_format is not None
    code, size = type_.packed_format
    write, read = _SCALARS["Float64" if code in "fd" else "Int64"]

    def to_data(value: bytes) -> Any:
        numbers = struct.unpack(f"<{len(value) // size}{code}", value)
        # Not every bit pattern of a NaN survives as a number.
        if any(number != number for number in numbers):
            return base64.b64encode(value).decode()
        return [write(number) for number in numbers]

    def to_engine(data: Any) -> bytes:
        if isinstance(data, str):
            return base64.b64decode(data)
        return struct.pack(f"<{len(data)}{code}", *map(read, data))

    return to_data, to_engine


def _float_out(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _float_in(data: Any) -> float:
    return _WORDS[data] if isinstance(data, str) else float(data)


def _same(value: Any) -> Any:
    return value


_SCALARS: dict[str, Pair] = {
    "Bytes": (lambda value: base64.b64encode(value).decode(), base64.b64decode),
    "Str": (_same, _same),
    "Bool": (_same, _same),
    "Int64": (_same, _same),
    "Float32": (_float_out, _float_in),
    "Float64": (_float_out, _float_in),
    "TimeDelta": (_same, _same),
    "Range": (list, tuple),
    "Json": (json.loads, _canonical),
    **time_form.SCALARS,
}
