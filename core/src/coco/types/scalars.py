"""Scalars both ways: ``<kind>_in(value, path)`` to engine values, ``<kind>_out(value)`` back.

Generated code handles values of the usual class itself and calls these functions for all others, so they may be slower
and check more. Engine values: see docs/terms/engine-value.md.
"""

from __future__ import annotations

import datetime
import operator
import struct
import sys
import uuid
from collections.abc import Callable
from typing import Any

from coco.types.json_values import json_in, json_out
from coco.types.mismatch import Path, mismatch
from coco.types.text import whole_text

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NAN = float("nan")
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)
_FLOAT32 = struct.Struct("<f")
_MICROSECOND = datetime.timedelta(microseconds=1)
_FIRST_INSTANT = (datetime.datetime.min - _EPOCH) // _MICROSECOND  # noqa: DTZ901  (naive, as the epoch)
_LAST_INSTANT = (datetime.datetime.max - _EPOCH) // _MICROSECOND  # noqa: DTZ901


def _is_numpy(value: Any, base: str) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, base))


def bytes_in(value: Any, path: Path) -> bytes:
    """Encode bytes, bytearray or memoryview."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise mismatch("Bytes", value, path)


def str_in(value: Any, path: Path) -> str:
    """Encode str. Half of a surrogate pair, which no target can store, becomes U+FFFD."""
    if not isinstance(value, str):
        raise mismatch("Str", value, path)
    return whole_text(value if type(value) is str else str.__str__(value))


def str_key_in(value: Any, path: Path) -> str:
    """Encode str, and refuse half of a surrogate pair: if it were replaced, two keys could become equal."""
    if not isinstance(value, str):
        raise mismatch("Str", value, path)
    text = value if type(value) is str else str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise mismatch("Str", value, path, f"with a lone surrogate at position {error.start}") from None
    return text


def bool_in(value: Any, path: Path) -> bool:
    """Encode bool and ``np.bool_``; refuse 0 and 1, which are numbers."""
    if isinstance(value, bool) or _is_numpy(value, "bool_"):
        return bool(value)
    raise mismatch("Bool", value, path)


def int64_in(value: Any, path: Path) -> int:
    """Encode int and NumPy integers; refuse bool."""
    if (isinstance(value, int) and not isinstance(value, bool)) or _is_numpy(value, "integer"):
        number = operator.index(value)
        if INT64_MIN <= number <= INT64_MAX:
            return int(number)
        raise mismatch("Int64", value, path, "outside -2^63..2^63-1")
    raise mismatch("Int64", value, path)


def _float_in(value: Any, kind: str, path: Path) -> float:
    if (
        (isinstance(value, (float, int)) and not isinstance(value, bool))
        or _is_numpy(value, "floating")
        or _is_numpy(value, "integer")
    ):
        try:
            number = float(value)
        except OverflowError:
            raise mismatch(kind, value, path, "too large for a float") from None
        return NAN if number != number else number
    raise mismatch(kind, value, path)


def float64_in(value: Any, path: Path) -> float:
    """Encode float, int and NumPy numbers. All NaNs become the same one."""
    return _float_in(value, "Float64", path)


def float32_in(value: Any, path: Path) -> float:
    """Encode like ``float64_in`` and round to 32 bits; refuse a finite number beyond their range."""
    number = value if type(value) is float else _float_in(value, "Float32", path)
    if number != number:
        return NAN
    try:
        return _FLOAT32.unpack(_FLOAT32.pack(number))[0]  # type: ignore[no-any-return]
    except OverflowError:
        raise mismatch("Float32", value, path, "too large for 32 bits") from None


def uuid_in(value: Any, path: Path) -> bytes:
    """Encode ``uuid.UUID``; refuse text."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    raise mismatch("Uuid", value, path, "(use uuid.UUID(...))" if isinstance(value, str) else "")


def date_in(value: Any, path: Path) -> int:
    """Encode ``date``; refuse its subclass ``datetime``."""
    if isinstance(value, datetime.datetime):
        raise mismatch("Date", value, path, "(use .date())")
    if isinstance(value, datetime.date):
        return value.toordinal()
    raise mismatch("Date", value, path)


def time_in(value: Any, path: Path) -> int:
    """Encode ``time`` without a time zone."""
    if not isinstance(value, datetime.time):
        raise mismatch("Time", value, path)
    if value.tzinfo is not None:
        raise mismatch("Time", value, path, "with a time zone")
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def local_datetime_in(value: Any, path: Path) -> int:
    """Encode ``datetime`` without an offset."""
    if not isinstance(value, datetime.datetime):
        raise mismatch("LocalDateTime", value, path)
    if value.tzinfo is not None and value.utcoffset() is not None:
        raise mismatch("LocalDateTime", value, path, "with an offset (use OffsetDateTime)")
    return _micros(value.replace(tzinfo=None) - _EPOCH)


def offset_datetime_in(value: Any, path: Path) -> tuple[int, int]:
    """Encode ``datetime``. One without an offset is taken as UTC."""
    if not isinstance(value, datetime.datetime):
        raise mismatch("OffsetDateTime", value, path)
    offset = value.utcoffset() or datetime.timedelta()
    instant = _micros(value.replace(tzinfo=None) - _EPOCH) - _micros(offset)
    # Fractions of a second in the offset are dropped, as no target stores them; the instant stays exact.
    return (instant, offset.days * 86_400 + offset.seconds)


def offset_datetime_key_in(value: Any, path: Path) -> tuple[int, int]:
    """Encode like ``offset_datetime_in``, but keep the instant only."""
    instant = offset_datetime_in(value, path)[0]
    if not _FIRST_INSTANT <= instant <= _LAST_INSTANT:
        raise mismatch(
            "OffsetDateTime", value, path, "which is outside the years 1 to 9999 in UTC, as a key keeps it"
        )
    return (instant, 0)


def time_delta_in(value: Any, path: Path) -> int:
    """Encode ``timedelta`` of up to 2^63 microseconds (292 000 years)."""
    if not isinstance(value, datetime.timedelta):
        raise mismatch("TimeDelta", value, path)
    micros = _micros(value)
    if not INT64_MIN <= micros <= INT64_MAX:
        raise mismatch("TimeDelta", value, path, "longer than 2^63 microseconds")
    return micros


def range_in(value: Any, path: Path) -> tuple[int, int]:
    """Encode a tuple or list of two ints with ``0 <= start <= end``."""
    if not isinstance(value, (tuple, list)):
        raise mismatch("Range", value, path)
    if len(value) != 2:
        raise mismatch("Range", value, path, f"of {len(value)} elements, not 2")
    start, end = int64_in(value[0], (*path, "[0]")), int64_in(value[1], (*path, "[1]"))
    if not 0 <= start <= end:
        raise mismatch("Range", value, path, "without 0 <= start <= end")
    return (start, end)


def _micros(delta: datetime.timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def uuid_out(value: bytes) -> uuid.UUID:
    """Inverse of ``uuid_in``."""
    return uuid.UUID(bytes=value)


def time_out(value: int) -> datetime.time:
    """Inverse of ``time_in``."""
    seconds, micros = divmod(value, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return datetime.time(minutes // 60, minutes % 60, second, micros)


def local_datetime_out(value: int) -> datetime.datetime:
    """Inverse of ``local_datetime_in``."""
    return _EPOCH + datetime.timedelta(microseconds=value)


def offset_datetime_out(value: tuple[int, int]) -> datetime.datetime:
    """Inverse of ``offset_datetime_in``."""
    instant, offset = value
    zone = datetime.timezone(datetime.timedelta(seconds=offset)) if offset else datetime.UTC
    return (_EPOCH + datetime.timedelta(microseconds=instant + offset * 1_000_000)).replace(tzinfo=zone)


def time_delta_out(value: int) -> datetime.timedelta:
    """Inverse of ``time_delta_in``."""
    return datetime.timedelta(microseconds=value)


def to_float32(value: float, path: Path) -> float:
    """Convert a Float64 or Int64 engine value for a Float32 parameter."""
    return float32_in(float(value), path)


SCALARS_IN: dict[str, Callable[[Any, Path], Any]] = {
    "Bytes": bytes_in,
    "Str": str_in,
    "Bool": bool_in,
    "Int64": int64_in,
    "Float32": float32_in,
    "Float64": float64_in,
    "Uuid": uuid_in,
    "Date": date_in,
    "Time": time_in,
    "LocalDateTime": local_datetime_in,
    "OffsetDateTime": offset_datetime_in,
    "TimeDelta": time_delta_in,
    "Range": range_in,
    "Json": json_in,
}
"""Kind -> encoder of any Python value."""

SCALARS_OUT: dict[str, Callable[[Any], Any] | None] = {
    "Bytes": None,
    "Str": None,
    "Bool": None,
    "Int64": None,
    "Float32": None,
    "Float64": None,
    "Uuid": uuid_out,
    "Date": datetime.date.fromordinal,
    "Time": time_out,
    "LocalDateTime": local_datetime_out,
    "OffsetDateTime": offset_datetime_out,
    "TimeDelta": time_delta_out,
    "Range": None,
    "Json": json_out,
}
"""Kind -> decoder of an engine value; None where the engine value is the Python value."""
