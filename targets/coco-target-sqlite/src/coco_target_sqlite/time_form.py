"""UUIDs, dates and times as text that sorts by value and that SQLite's own date functions read."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

_DAY = 86_400_000_000
_EPOCH_DAY = 719_163
_LAST_DAY = 3_652_059
# An instant may lie a day outside of the calendar, because of its offset.
_OUTSIDE = {0: "0000-12-31", _LAST_DAY + 1: "10000-01-01"}
_OUTSIDE_DAYS = {text: day for day, text in _OUTSIDE.items()}


def uuid_out(value: bytes) -> str:
    """The canonical form, with hyphens."""
    return str(uuid.UUID(bytes=value))


def uuid_in(text: str) -> bytes:
    """Inverse of ``uuid_out``."""
    return uuid.UUID(text).bytes


def date_out(day: int) -> str:
    """``2024-02-29``."""
    return _OUTSIDE.get(day) or datetime.date.fromordinal(day).isoformat()


def date_in(text: str) -> int:
    """Inverse of ``date_out``."""
    known = _OUTSIDE_DAYS.get(text)
    return datetime.date.fromisoformat(text).toordinal() if known is None else known


def time_out(microseconds: int) -> str:
    """``23:59:59.000000``."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:06}"


def time_in(text: str) -> int:
    """Inverse of ``time_out``."""
    hours, minutes, seconds = text.split(":")
    whole, _, fraction = seconds.partition(".")
    return (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


def local_out(microseconds: int) -> str:
    """``2024-02-29 23:59:59.000000``."""
    day, rest = divmod(microseconds, _DAY)
    return f"{date_out(day + _EPOCH_DAY)} {time_out(rest)}"


def local_in(text: str) -> int:
    """Inverse of ``local_out``."""
    day, _, rest = text.partition(" ")
    return (date_in(day) - _EPOCH_DAY) * _DAY + time_in(rest)


def offset_out(value: tuple[int, int]) -> str:
    """``2024-02-29 23:59:59.000000+01:00``: the local time with its distance from UTC."""
    instant, offset = value
    sign, distance = ("-", -offset) if offset < 0 else ("+", offset)
    text = f"{local_out(instant + offset * 1_000_000)}{sign}{distance // 3600:02}:{distance // 60 % 60:02}"
    return f"{text}:{distance % 60:02}" if distance % 60 else text


def offset_in(text: str) -> tuple[int, int]:
    """Inverse of ``offset_out``."""
    cut = max(text.rfind("+"), text.rfind("-"))
    parts = [int(part) for part in text[cut + 1 :].split(":")]
    offset = parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
    if text[cut] == "-":
        offset = -offset
    return local_in(text[:cut]) - offset * 1_000_000, offset


SCALARS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "Uuid": (uuid_out, uuid_in),
    "Date": (date_out, date_in),
    "Time": (time_out, time_in),
    "LocalDateTime": (local_out, local_in),
    "OffsetDateTime": (offset_out, offset_in),
}
"""Kind -> (engine value to text, text to engine value)."""
