"""Decoding of JSON data for ``read_back``, after a product's documentation, without the connector's code."""

from __future__ import annotations

import base64
import datetime
import math
import struct
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from coco.typing import BasicValueType, StructType, TableType, ValueType

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FORMATS = {"Float32": "f", "Float64": "d", "Int64": "q"}


def natural_json(type_: ValueType, data: Any, *, tagged: bool = True) -> Any:
    """JSON data in the form that most targets use -> natural Python value.

    Structs are objects, tables arrays of objects, bytes base64; UUIDs, dates and times are ISO texts; time spans are ISO
    texts or microseconds; floats may be words such as ``NaN``, vectors of numbers base64. tagged: unions are
    ``[variant, value]``; else the value alone, unchanged.
    """
    if data is None:
        return None
    if isinstance(type_, StructType):
        return {
            item.name: natural_json(item.value_type.type, data[item.name], tagged=tagged)
            for item in type_.fields
        }
    if isinstance(type_, TableType):
        rows = [natural_json(StructType(type_.row.fields), row, tagged=tagged) for row in data]
        if type_.kind == "LTable":
            return rows
        (key,) = type_.key_fields
        return {row.pop(key.name): row for row in rows}
    if type_.union is not None:
        return natural_json(type_.union.variants[data[0]], data[1]) if tagged else data
    if type_.vector is not None:
        element = type_.vector.element_type
        if isinstance(data, str):
            return natural_numbers(type_, base64.b64decode(data))
        return [natural_json(element, item, tagged=tagged) for item in data]
    read = _SCALARS.get(type_.kind)
    return data if read is None else read(data)


def natural_numbers(type_: BasicValueType, data: bytes) -> list[Any]:
    """A vector of numbers as packed, little-endian bytes -> list."""
    assert type_.vector is not None
    return [number for (number,) in struct.iter_unpack(f"<{_FORMATS[type_.vector.element_type.kind]}", data)]


def _number(data: Any) -> Any:
    return _WORDS[data] if isinstance(data, str) else data


def _span(data: Any) -> datetime.timedelta:
    if not isinstance(data, str):
        return datetime.timedelta(microseconds=data)
    sign, _, seconds = data.removesuffix("S").partition("PT")
    whole, _, rest = seconds.partition(".")
    span = datetime.timedelta(seconds=int(whole), microseconds=int(rest.ljust(6, "0")))
    return -span if sign else span


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "Float32": _number,
    "Float64": _number,
    "Bytes": base64.b64decode,
    "Uuid": uuid.UUID,
    "Date": datetime.date.fromisoformat,
    "Time": datetime.time.fromisoformat,
    "LocalDateTime": datetime.datetime.fromisoformat,
    "OffsetDateTime": datetime.datetime.fromisoformat,
    "TimeDelta": _span,
    "Range": tuple,
}
