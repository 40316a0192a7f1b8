"""Fields as payload: what is written, what comes back, and what both have in common.

Structs are objects, tables arrays of objects, vectors arrays, ranges ``[start, end]``; bytes are base64; UUIDs, dates
and times their ISO texts (RFC 3339 for OffsetDateTime), time spans ISO 8601 durations. NaN and infinite numbers are
null. A union is its value alone, so it cannot be told which of the alternatives it was: it is not read back.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from dataclasses import dataclass
from typing import Any

from coco.kit.iso_text import iso_pairs, span_in, span_out
from coco.kit.json_data import (
    SCALARS,
    Convert,
    JsonForm,
    base64_out,
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

LOG = logging.getLogger("coco.target.qdrant")

NO_FORM = (ValueError, TypeError, OverflowError, RecursionError)
"""What writing a value raises that has no form in a payload."""
FOREIGN = (*NO_FORM, LookupError, AttributeError)
"""What reading data of others raises."""

_INT64 = range(-(2**63), 2**63)


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
    out, back = json_pair(type_, _FORM)
    return Codec(out, None if holds_union(type_) else back, stored_form(type_, _normal))


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


def _offset_normal(value: tuple[int, int]) -> tuple[int, int]:
    """RFC 3339 has no seconds in offsets; the instant stays."""
    instant, offset = value
    return (instant, int(offset / 60) * 60)


def _json_normal(text: str) -> str:
    """Integers beyond 64 bits become floats, as in Qdrant."""
    if len(text) < 19:
        return text
    try:
        return canonical_text(json.loads(text, parse_int=_int_or_float))
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


def _numbers_normal(type_: BasicValueType) -> Convert | None:
    if type_.packed_format == ("q", 8):
        return None
    unpack, pack = numbers_of(type_), packed_from(type_)
    return lambda value: pack([number if math.isfinite(number) else math.nan for number in unpack(value)])


_NORMAL: dict[str, Convert] = {
    "Float32": _finite,
    "Float64": _finite,
    "OffsetDateTime": _offset_normal,
    "Json": _json_normal,
}


def _normal(type_: BasicValueType) -> Convert | None:
    return _NORMAL.get(type_.kind) if type_.vector is None else _numbers_normal(type_)


_TEXTS = iso_pairs()
_instant_out, _instant_back = _TEXTS["OffsetDateTime"]
_FORM = JsonForm(
    {
        **SCALARS,
        **_TEXTS,
        "Str": (same, _only(str)),
        "Bool": (same, _only(bool)),
        "Int64": (same, _only(int)),
        "Float32": (_float_out, _float_back),
        "Float64": (_float_out, _float_back),
        "Bytes": (base64_out, lambda text: base64.b64decode(text, validate=True)),
        "OffsetDateTime": (lambda value: _instant_out(_offset_normal(value)), _instant_back),
        "TimeDelta": (span_out, span_in),
        "Range": (list, _range_back),
        "Json": (lambda text: json.loads(text, parse_int=_int_or_float), canonical_text),
    },
    numbers=lambda type_: numbers_or_null(type_, _float_out),
    tagged=False,
    optional=False,
)
