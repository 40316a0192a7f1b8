"""Nested values as jsonb: what is written, what comes back, and what both have in common (TG-Postgres-12).

Structs are objects by field name, tables arrays of objects, vectors arrays, ranges ``[start, end]``; bytes are
base64, dates, times and time spans ISO text. A union is its value alone, so it cannot be told which of
the alternatives it was: such values are written and not read back.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import logging
import math
import re
import uuid
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from coco.types.schema import BasicValueType, FieldSchema, StructType, TableType, ValueType
from coco_target_postgres.codec import numbers, packed

LOG = logging.getLogger("coco.target.postgres")
Convert = Callable[[Any], Any]

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_canonical = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)

# Numbers that jsonb, which keeps decimal digits, gives back in another form.
_UNSTABLE = re.compile(r"\\u0000|[0-9]e|-0\.0")


class _Warnings:
    """What was said once in this process."""

    told = False

    @classmethod
    def about_nan(cls) -> None:
        if not cls.told:
            cls.told = True
            LOG.warning(
                "NaN and infinite numbers inside jsonb columns are written as null, as JSON has no such numbers"
            )


def text_of(type_: ValueType) -> Callable[[Any], bytes]:
    """Engine value -> JSON text in UTF-8, without U+0000."""
    if isinstance(type_, BasicValueType) and type_.kind == "Json":
        return _json_text
    convert = _to_data(type_)

    def text(value: Any) -> bytes:
        return _write(convert(value)).encode("utf-8", "replace")

    return text


def _json_text(value: str) -> bytes:
    if "\\u0000" in value:
        value = _write(_without_nul(json.loads(value)))
    return value.encode("utf-8", "replace")


def reader_of(type_: ValueType) -> Callable[[Any], Any] | None:
    """JSON text -> engine value; None if the text does not tell."""
    if _holds_union(type_):
        return None
    convert = _to_engine(type_)

    def read(text: bytes) -> Any:
        return convert(json.loads(text))

    return read


def stored_form_of(type_: ValueType) -> Convert | None:
    """Engine value -> the engine value that comes back; None if they are equal for all values of the type."""
    return _normal(type_)


# -- writing --------------------------------------------------------------------------------------


def _to_data(type_: ValueType) -> Convert:
    if isinstance(type_, StructType):
        return _row_to_data(type_.fields)
    if isinstance(type_, TableType):
        return _each(_row_to_data(type_.row.fields), list)
    if type_.union is not None:
        variants = [_to_data(variant) for variant in type_.union.variants]
        return lambda value: variants[value[0]](value[1])
    if type_.vector is not None:
        if type_.packed_format is not None:
            return _packed_to_data(type_.packed_format[0])
        return _each(_to_data(type_.vector.element_type), list)
    return _SCALARS_OUT[type_.kind]


def _row_to_data(fields: Sequence[FieldSchema]) -> Convert:
    parts = [(_text(item.name), _nullable(_to_data(item.value_type.type))) for item in fields]
    return lambda row: {name: convert(value) for (name, convert), value in zip(parts, row, strict=True)}


def _packed_to_data(code: str) -> Convert:
    if code == "q":
        return lambda value: numbers(value, code).tolist()
    return lambda value: [_number(item) for item in numbers(value, code)]


def _number(value: float) -> float | None:
    if math.isfinite(value):
        return value
    _Warnings.about_nan()
    return None


def _text(value: str) -> str:
    return value.replace("\0", "")


def _without_nul(data: Any) -> Any:
    if isinstance(data, str):
        return _text(data)
    if isinstance(data, list):
        return [_without_nul(item) for item in data]
    if isinstance(data, dict):
        return {_text(key): _without_nul(item) for key, item in data.items()}
    return data


def _offset_out(value: tuple[int, int]) -> str:
    instant, offset = value
    zone = datetime.timezone(datetime.timedelta(seconds=offset)) if offset else datetime.UTC
    try:
        return (
            (_EPOCH + datetime.timedelta(microseconds=instant + offset * 1_000_000))
            .replace(tzinfo=zone)
            .isoformat()
        )
    except OverflowError:  # the first and last hours of the calendar, seen from another offset
        return _offset_out((instant, 0))


def _duration_out(micros: int) -> str:
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{'-' if micros < 0 else ''}PT{seconds}{fraction}S"


_SCALARS_OUT: dict[str, Convert] = {
    "Str": _text,
    "Bytes": lambda value: base64.b64encode(value).decode(),
    "Bool": bool,
    "Int64": int,
    "Float32": _number,
    "Float64": _number,
    "Uuid": lambda value: str(uuid.UUID(bytes=value)),
    "Date": lambda value: datetime.date.fromordinal(value).isoformat(),
    "Time": lambda value: (_EPOCH + datetime.timedelta(microseconds=value)).time().isoformat(),
    "LocalDateTime": lambda value: (_EPOCH + datetime.timedelta(microseconds=value)).isoformat(),
    "OffsetDateTime": _offset_out,
    "TimeDelta": _duration_out,
    "Range": list,
    "Json": lambda value: _without_nul(json.loads(value)) if "\\u0000" in value else json.loads(value),
}


# -- reading --------------------------------------------------------------------------------------


def _to_engine(type_: ValueType) -> Convert:
    if isinstance(type_, StructType):
        return _row_to_engine(type_.fields)
    if isinstance(type_, TableType):
        return _each(_row_to_engine(type_.row.fields), tuple)
    assert type_.union is None
    if type_.vector is not None:
        if type_.packed_format is not None:
            return _packed_to_engine(type_.packed_format[0])
        return _each(_to_engine(type_.vector.element_type), tuple)
    return _SCALARS_IN[type_.kind]


def _row_to_engine(fields: Sequence[FieldSchema]) -> Convert:
    parts = [(_text(item.name), _nullable(_to_engine(item.value_type.type))) for item in fields]
    return lambda data: tuple([convert(data.get(name)) for name, convert in parts])


def _packed_to_engine(code: str) -> Convert:
    if code == "q":
        return lambda data: packed(array(code, data))
    return lambda data: packed(array(code, [math.nan if item is None else item for item in data]))


_MICROSECOND = datetime.timedelta(microseconds=1)


def _micros(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _offset_in(text: str) -> tuple[int, int]:
    moment = datetime.datetime.fromisoformat(text)
    offset = moment.utcoffset() or datetime.timedelta()
    return (_micros(moment.replace(tzinfo=None)) - offset // _MICROSECOND, int(offset.total_seconds()))


def _time_in(text: str) -> int:
    return _micros(datetime.datetime.combine(_EPOCH.date(), datetime.time.fromisoformat(text)))


def _duration_in(text: str) -> int:
    sign, _, digits = text.partition("PT")
    seconds, _, fraction = digits.removesuffix("S").partition(".")
    micros = int(seconds) * 1_000_000 + int(fraction.ljust(6, "0") or 0)
    return -micros if sign else micros


_SCALARS_IN: dict[str, Convert] = {
    "Str": str,
    "Bytes": base64.b64decode,
    "Bool": bool,
    "Int64": int,
    "Float32": float,
    "Float64": float,
    "Uuid": lambda text: uuid.UUID(text).bytes,
    "Date": lambda text: datetime.date.fromisoformat(text).toordinal(),
    "Time": _time_in,
    "LocalDateTime": lambda text: _micros(datetime.datetime.fromisoformat(text)),
    "OffsetDateTime": _offset_in,
    "TimeDelta": _duration_in,
    "Range": tuple,
    "Json": _canonical,
}


# -- what both have in common ---------------------------------------------------------------------


def _normal(type_: ValueType) -> Convert | None:
    if isinstance(type_, StructType):
        return _normal_row(type_.fields)
    if isinstance(type_, TableType):
        row = _normal_row(type_.row.fields)
        return None if row is None else _each(row, tuple)
    if type_.union is not None:
        variants = [_normal(variant) for variant in type_.union.variants]
        if not any(variants):
            return None
        return lambda value: (value[0], _applied(variants[value[0]], value[1]))
    if type_.vector is not None:
        if type_.packed_format is not None:
            code = type_.packed_format[0]
            return None if code == "q" else _normal_numbers(code)
        element = _normal(type_.vector.element_type)
        return None if element is None else _each(element, tuple)
    return _NORMAL.get(type_.kind)


def _normal_row(fields: Sequence[FieldSchema]) -> Convert | None:
    forms = [_normal(item.value_type.type) for item in fields]
    if not any(forms):
        return None
    return lambda row: tuple([_applied(form, value) for form, value in zip(forms, row, strict=True)])


def _normal_numbers(code: str) -> Convert:
    return lambda value: packed(
        array(code, [item + 0.0 if math.isfinite(item) else math.nan for item in numbers(value, code)])
    )


def normal_json(text: str) -> str:
    """Canonical JSON as jsonb gives it back: large numbers without exponent, no negative zero, no U+0000."""
    if _UNSTABLE.search(text) is None:
        return text
    return _canonical(_normal_data(_without_nul(json.loads(text))))


def _normal_data(data: Any) -> Any:
    if isinstance(data, float):
        text = repr(data)
        return int(decimal.Decimal(text)) if "e+" in text else data + 0.0
    if isinstance(data, list):
        return [_normal_data(item) for item in data]
    if isinstance(data, dict):
        return {key: _normal_data(item) for key, item in data.items()}
    return data


def _normal_offset(value: tuple[int, int]) -> tuple[int, int]:
    return _offset_in(_offset_out(value))


_NORMAL: dict[str, Convert] = {
    "Str": _text,
    "Float32": lambda value: value + 0.0 if math.isfinite(value) else None,
    "Float64": lambda value: value + 0.0 if math.isfinite(value) else None,
    "OffsetDateTime": _normal_offset,
    "Json": normal_json,
}


# -- helpers --------------------------------------------------------------------------------------


def _holds_union(type_: ValueType) -> bool:
    if isinstance(type_, StructType):
        return any(_holds_union(item.value_type.type) for item in type_.fields)
    if isinstance(type_, TableType):
        return any(_holds_union(item.value_type.type) for item in type_.row.fields)
    if type_.vector is not None:
        return _holds_union(type_.vector.element_type)
    return type_.union is not None


def _applied(form: Convert | None, value: Any) -> Any:
    return value if form is None or value is None else form(value)


def _nullable(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _each(convert: Convert, collect: Callable[[list[Any]], Any]) -> Convert:
    return lambda values: collect([convert(value) for value in values])
