"""Engine values as JSON text, exactly: what is written reads back as the same value (TG-Common-24).

Structs are objects, tables arrays of objects, vectors arrays, unions ``[variant, value]``; bytes are base64, floats that
JSON lacks are words, times ISO 8601, time spans microseconds.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType, TableType, ValueType
from coco_kit_graph import scalars

Convert = Callable[[Any], Any]
Pair = tuple[Convert, Convert]
"""Engine value to data, and back."""

_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_dump_canonical = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def json_text(type_: ValueType) -> Pair:
    """Engine value of a type -> JSON text, and back."""
    write, read = json_data(type_)
    return (lambda value: _dump(write(value))), (lambda text: read(json.loads(text)))


def key_text(types: Sequence[ValueType]) -> Callable[[tuple[Any, ...]], str]:
    """Keys of several parts as one text; different keys have different texts."""
    writers = [json_data(item)[0] for item in types]
    return lambda key: _dump([write(part) for write, part in zip(writers, key, strict=True)])


def json_data(type_: ValueType) -> Pair:
    """Engine value of a type -> JSON data, and back."""
    if isinstance(type_, StructType):
        return _row(type_.fields)
    if isinstance(type_, TableType):
        return _each(_row(type_.row.fields))
    if type_.union is not None:
        return _union([json_data(item) for item in type_.union.variants])
    if type_.packed_format is not None:
        return _numbers(type_)
    if type_.vector is not None:
        return _each(json_data(type_.vector.element_type))
    return _SCALARS[type_.kind]


def _or_null(type_: EnrichedValueType) -> Pair:
    write, read = json_data(type_.type)
    return (
        lambda value: None if value is None else write(value),
        lambda data: None if data is None else read(data),
    )


def _row(fields: Sequence[FieldSchema]) -> Pair:
    steps = [(item.name, *_or_null(item.value_type)) for item in fields]
    return (
        lambda row: {name: write(part) for (name, write, _), part in zip(steps, row, strict=True)},
        lambda data: tuple([read(data.get(name)) for name, _, read in steps]),
    )


def _each(pair: Pair) -> Pair:
    write, read = pair
    return (
        lambda values: [write(item) for item in values],
        lambda data: tuple([read(item) for item in data]),
    )


def _union(variants: Sequence[Pair]) -> Pair:
    return (
        lambda value: [value[0], variants[value[0]][0](value[1])],
        lambda data: (data[0], variants[data[0]][1](data[1])),
    )


def _numbers(type_: BasicValueType) -> Pair:
    unpack, pack = numbers_of(type_), packed_from(type_)

    def write(value: bytes) -> Any:
        numbers = unpack(value)
        # Of a NaN, a word keeps only that it is one.
        return numbers if all(map(math.isfinite, numbers)) else base64.b64encode(value).decode()

    return write, lambda data: base64.b64decode(data) if isinstance(data, str) else pack(data)


def numbers_of(type_: BasicValueType) -> Callable[[bytes], list[Any]]:
    """A packed vector -> list of numbers."""
    assert type_.packed_format is not None
    code, size = type_.packed_format
    return lambda value: list(struct.unpack(f"<{len(value) // size}{code}", value))


def packed_from(type_: BasicValueType) -> Callable[[Sequence[Any]], bytes]:
    """Numbers -> packed vector."""
    assert type_.packed_format is not None
    code, _ = type_.packed_format
    return lambda numbers: struct.pack(f"<{len(numbers)}{code}", *numbers)


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
    "Float32": (_float_out, _float_in),
    "Float64": (_float_out, _float_in),
    "Range": (list, tuple),
    "Json": (json.loads, _dump_canonical),
    "Uuid": (scalars.uuid_out, scalars.uuid_in),
    "Date": (scalars.date_out, scalars.date_in),
    "Time": (scalars.time_out, scalars.time_in),
    "LocalDateTime": (scalars.local_out, scalars.local_in),
    "OffsetDateTime": (scalars.offset_out, scalars.offset_in),
    **dict.fromkeys(("Str", "Bool", "Int64", "TimeDelta"), (_same, _same)),
}
