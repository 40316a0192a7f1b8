"""Fields as payload: what is written, what comes back, and what both have in common (TG-Qdrant-10).

Structs are objects, tables arrays of objects, vectors arrays, ranges ``[start, end]``; bytes are base64; UUIDs, dates
and times their ISO texts (RFC 3339 for OffsetDateTime), time spans ISO 8601 durations. NaN and infinite numbers are
null. A union is its value alone, so it cannot be told which of the alternatives it was: it is not read back.
"""

from __future__ import annotations

import base64
import datetime
import json
import logging
import math
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coco.types.schema import BasicValueType, FieldSchema, StructType, TableType, ValueType

LOG = logging.getLogger("coco.target.qdrant")
Convert = Callable[[Any], Any]

NO_FORM = (ValueError, TypeError, OverflowError, RecursionError)
"""What writing a value raises that has no form in a payload."""
FOREIGN = (*NO_FORM, LookupError, AttributeError)
"""What reading data of others raises."""

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)
_TICK = datetime.timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_canonical = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode
"""The form of engine values of kind Json."""


@dataclass(frozen=True)
class Codec:
    """None never goes through it.

    out: engine value -> JSON data. back: JSON data -> engine value, raising any error for foreign data; None: it
    cannot be told. normal: engine value -> the one that comes back; None: they are equal.
    """

    out: Convert
    back: Convert | None
    normal: Convert | None = None


def payload_codec(type_: ValueType) -> Codec:
    """Of a type, as payload."""
    if isinstance(type_, StructType):
        return _struct(type_.fields)
    if isinstance(type_, TableType):
        return _sequence(_struct(type_.row.fields))
    if type_.union is not None:
        return _union([payload_codec(variant) for variant in type_.union.variants])
    if type_.vector is not None:
        if type_.packed_format is not None:
            return _numbers(type_)
        return _sequence(payload_codec(type_.vector.element_type))
    return _SCALARS[type_.kind]


def _struct(fields: Sequence[FieldSchema]) -> Codec:
    names = [item.name for item in fields]
    codecs = [payload_codec(item.value_type.type) for item in fields]
    outs = [item.out for item in codecs]
    backs = [item.back for item in codecs]
    normals = [item.normal for item in codecs]

    def out(row: tuple[Any, ...]) -> dict[str, Any]:
        return {name: _applied(convert, value) for name, convert, value in zip(names, outs, row, strict=True)}

    def back(data: Any) -> tuple[Any, ...]:
        return tuple([_applied(convert, data[name]) for name, convert in zip(names, backs, strict=True)])

    def normal(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([_applied(convert, value) for convert, value in zip(normals, row, strict=True)])

    return Codec(out, None if None in backs else back, normal if any(normals) else None)


def _applied(convert: Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)


def _sequence(item: Codec) -> Codec:
    out, back, normal = item.out, item.back, item.normal
    return Codec(
        lambda values: [_applied(out, value) for value in values],
        None if back is None else lambda data: tuple([_applied(back, entry) for entry in data]),
        None if normal is None else lambda values: tuple([_applied(normal, value) for value in values]),
    )


def _union(variants: Sequence[Codec]) -> Codec:
    normals = [item.normal for item in variants]

    def normal(value: tuple[int, Any]) -> tuple[int, Any] | None:
        inner = _applied(normals[value[0]], value[1])
        return None if inner is None else (value[0], inner)

    return Codec(lambda value: variants[value[0]].out(value[1]), None, normal if any(normals) else None)


def _numbers(type_: BasicValueType) -> Codec:
    assert type_.packed_format is not None
    code, size = type_.packed_format

    def numbers(value: bytes) -> tuple[Any, ...]:
        return struct.unpack(f"<{len(value) // size}{code}", value)

    def packed(values: Sequence[Any]) -> bytes:
        return struct.pack(f"<{len(values)}{code}", *values)

    if code == "q":
        return Codec(lambda value: list(numbers(value)), packed)
    return Codec(
        lambda value: [_float_out(number) for number in numbers(value)],
        lambda data: packed([math.nan if number is None else number for number in data]),
        lambda value: packed([number if math.isfinite(number) else math.nan for number in numbers(value)]),
    )


class _Told:
    """What was said once in this process."""

    nan = False


def _float_out(value: float) -> float | None:
    if math.isfinite(value):
        return value
    if not _Told.nan:
        _Told.nan = True
        LOG.warning("NaN and infinite numbers are null in payloads, as JSON has no such numbers")
    return None


def _local_out(microseconds: int) -> str:
    return (_EPOCH + microseconds * _TICK).isoformat()


def _local_back(text: str) -> int:
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // _TICK


def _offset_normal(value: tuple[int, int]) -> tuple[int, int]:
    """RFC 3339 has no seconds in offsets; the instant stays."""
    instant, offset = value
    return (instant, int(offset / 60) * 60)


def _offset_out(value: tuple[int, int]) -> str:
    instant, offset = _offset_normal(value)
    zone = datetime.timezone(datetime.timedelta(seconds=offset))
    return (_EPOCH + (instant + offset * 1_000_000) * _TICK).replace(tzinfo=zone).isoformat()


def _offset_back(text: str) -> tuple[int, int]:
    moment = datetime.datetime.fromisoformat(text)
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without its offset")
    return (
        (moment.replace(tzinfo=None) - _EPOCH) // _TICK - offset // _TICK,
        offset // datetime.timedelta(seconds=1),
    )


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


def _json_normal(text: str) -> str:
    """Integers beyond 64 bits become floats, as in Qdrant."""
    if len(text) < 19:
        return text
    try:
        return _canonical(json.loads(text, parse_int=_int_or_float))
    except ValueError:
        return text  # refused when it is written


def _int_or_float(digits: str) -> int | float:
    try:
        number = int(digits)
        return number if number in _INT64 else float(number)
    except (ValueError, OverflowError):
        raise ValueError("an integer of too many digits for a payload") from None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _same(value: Any) -> Any:
    return value


def _only(*types: type) -> Convert:
    """Values of these types, as they are."""

    def back(data: Any) -> Any:
        if type(data) not in types:
            raise TypeError(f"{type(data).__name__} instead of {types[0].__name__}")
        return data

    return back


def _float_back(data: Any) -> float:
    return float(_only(float, int)(data))


def _range_back(data: Any) -> tuple[int, int]:
    start, end = data
    whole = _only(int)
    return whole(start), whole(end)


_FLOAT = Codec(_float_out, _float_back, _finite)
_SCALARS: dict[str, Codec] = {
    "Str": Codec(_same, _only(str)),
    "Bool": Codec(_same, _only(bool)),
    "Int64": Codec(_same, _only(int)),
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
    "OffsetDateTime": Codec(_offset_out, _offset_back, _offset_normal),
    "TimeDelta": Codec(_span_out, _span_back),
    "Range": Codec(list, _range_back),
    "Json": Codec(lambda text: json.loads(text, parse_int=_int_or_float), _canonical, _json_normal),
}
