"""Engine values of time, and UUIDs, as text that sorts by value (ISO 8601), and back.

An instant may lie a day outside of the calendar, because of its offset; such a day is 0000-12-31 or 10000-01-01.
"""

from __future__ import annotations

import datetime
import uuid

DAY = 86_400_000_000
EPOCH_DAY = 719_163
"""Proleptic ordinal of 1970-01-01."""

_LAST_DAY = 3_652_059
_OUTSIDE = {0: "0000-12-31", _LAST_DAY + 1: "10000-01-01"}
_OUTSIDE_DAYS = {text: day for day, text in _OUTSIDE.items()}


def uuid_out(value: bytes) -> str:
    """The canonical form, with hyphens."""
    return str(uuid.UUID(bytes=value))


def uuid_in(text: str) -> bytes:
    """Inverse of ``uuid_out``."""
    return uuid.UUID(text).bytes


def date_out(day: int) -> str:
    """``2024-02-29`` of a proleptic ordinal."""
    return _OUTSIDE.get(day) or datetime.date.fromordinal(day).isoformat()


def date_in(text: str) -> int:
    """Inverse of ``date_out``."""
    day = _OUTSIDE_DAYS.get(text)
    return datetime.date.fromisoformat(text).toordinal() if day is None else day


def time_out(microseconds: int) -> str:
    """``23:59:59.000000`` of microseconds since midnight."""
    seconds, rest = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}.{rest:06}"


def time_in(text: str) -> int:
    """Inverse of ``time_out``."""
    found = datetime.time.fromisoformat(text)
    return (found.hour * 3600 + found.minute * 60 + found.second) * 1_000_000 + found.microsecond


def local_out(microseconds: int) -> str:
    """``2024-02-29T23:59:59.000000`` of microseconds since 1970."""
    day, rest = divmod(microseconds, DAY)
    return f"{date_out(day + EPOCH_DAY)}T{time_out(rest)}"


def local_in(text: str) -> int:
    """Inverse of ``local_out``."""
    day, _, rest = text.partition("T")
    return (date_in(day) - EPOCH_DAY) * DAY + time_in(rest)


def offset_out(value: tuple[int, int]) -> str:
    """``2024-02-29T23:59:59.000000+01:00`` of an instant with its offset in seconds."""
    instant, offset = value
    sign, distance = ("-", -offset) if offset < 0 else ("+", offset)
    seconds = f":{distance % 60:02}" if distance % 60 else ""
    local = local_out(instant + offset * 1_000_000)
    return f"{local}{sign}{distance // 3600:02}:{distance // 60 % 60:02}{seconds}"


def offset_in(text: str) -> tuple[int, int]:
    """Inverse of ``offset_out``."""
    cut = max(text.rfind("+"), text.rfind("-"))
    hours, minutes, seconds = [*map(int, text[cut + 1 :].split(":")), 0][:3]
    offset = hours * 3600 + minutes * 60 + seconds
    offset = -offset if text[cut] == "-" else offset
    return local_in(text[:cut]) - offset * 1_000_000, offset
