"""Nested values as jsonb: what is written, what comes back, and what both have in common.

Structs are objects by field name, tables arrays of objects, vectors arrays, ranges ``[start, end]``; bytes are
base64, dates, times and time spans ISO text. A union is its value alone, so it cannot be told which of
the alternatives it was: such values are written and not read back.
"""

from __future__ import annotations

import datetime
import decimal
import json
import logging
import math
import re
from collections.abc import Callable
from typing import Any

from coco.kit.iso_text import iso_pairs, span_in, span_out
from coco.kit.json_data import (
    SCALARS,
    Convert,
    JsonForm,
    canonical_text,
    holds_union,
    json_pair,
    numbers_of,
    numbers_or_null,
    packed_from,
    same,
    stored_form,
)
from coco.typing import BasicValueType, ValueType

LOG = logging.getLogger("coco.target.postgres")

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

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
    convert, _ = json_pair(type_, _FORM)

    def text(value: Any) -> bytes:
        return _write(convert(value)).encode("utf-8", "replace")

    return text


def _json_text(value: str) -> bytes:
    if "\\u0000" in value:
        value = _write(_without_nul(json.loads(value)))
    return value.encode("utf-8", "replace")


def reader_of(type_: ValueType) -> Callable[[Any], Any] | None:
    """JSON text -> engine value; None if the text does not tell."""
    if holds_union(type_):
        return None
    _, convert = json_pair(type_, _FORM)

    def read(text: bytes) -> Any:
        return convert(json.loads(text))

    return read


def stored_form_of(type_: ValueType) -> Convert | None:
    """Engine value -> the engine value that comes back; None if they are equal for all values of the type."""
    return stored_form(type_, _normal)


# -- writing and reading --------------------------------------------------------------------------


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


_TEXTS = iso_pairs()
_instant_out, _instant_in = _TEXTS["OffsetDateTime"]


def _offset_out(value: tuple[int, int]) -> str:
    try:
        text: str = _instant_out(value)
    except OverflowError:  # the first and last hours of the calendar, seen from another offset
        text = _instant_out((value[0], 0))
    return text


def _offset_in(text: str) -> tuple[int, int]:
    try:
        found: tuple[int, int] = _instant_in(text)
    except ValueError:  # another program's, without an offset
        found = _instant_in(f"{datetime.datetime.fromisoformat(text).isoformat()}+00:00")
    return found


_FORM = JsonForm(
    {
        **SCALARS,
        **_TEXTS,
        "Str": (_text, str),
        "Bool": (same, bool),
        "Int64": (same, int),
        "Float32": (_number, float),
        "Float64": (_number, float),
        "OffsetDateTime": (_offset_out, _offset_in),
        "TimeDelta": (span_out, span_in),
        "Json": (
            lambda text: _without_nul(json.loads(text)) if "\\u0000" in text else json.loads(text),
            canonical_text,
        ),
    },
    numbers=lambda type_: numbers_or_null(type_, _number),
    tagged=False,
    name=_text,
)


# -- what both have in common ---------------------------------------------------------------------


def _normal(type_: BasicValueType) -> Convert | None:
    return _NORMAL.get(type_.kind) if type_.vector is None else _normal_numbers(type_)


def _normal_numbers(type_: BasicValueType) -> Convert | None:
    if type_.packed_format == ("q", 8):
        return None
    unpack, pack = numbers_of(type_), packed_from(type_)
    return lambda value: pack([item + 0.0 if math.isfinite(item) else math.nan for item in unpack(value)])


def normal_json(text: str) -> str:
    """Canonical JSON as jsonb gives it back: large numbers without exponent, no negative zero, no U+0000."""
    if _UNSTABLE.search(text) is None:
        return text
    return canonical_text(_normal_data(_without_nul(json.loads(text))))


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
