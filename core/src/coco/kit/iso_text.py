"""UUIDs, dates, times and spans of time as ISO 8601 text, and back.

In pairs: engine value -> text, and text -> engine value, which raises ``ValueError`` for other texts.
"""

from __future__ import annotations

import datetime
import functools
import uuid
from collections.abc import Callable
from typing import Any, Literal

Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]

EPOCH_DAY = 719_163
"""The engine value of the date 1970-01-01."""

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)
_TICK = datetime.timedelta(microseconds=1)
_SECOND = datetime.timedelta(seconds=1)
_DAY = 86_400_000_000
_LAST_DAY = 3_652_059

# The days next to the calendar, where an instant may lie because of its offset.
_OUTSIDE = {0: "0000-12-31", _LAST_DAY + 1: "10000-01-01"}


def uuid_out(value: bytes) -> str:
    """``0b6e1c4e-7a55-4d1e-9a39-1f0a2d3c4b5a``: lower case, with hyphens."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid_in(text: str) -> bytes:
    """Inverse; takes the other spellings of UUIDs, too."""
    return uuid.UUID(text).bytes


def date_out(day: int) -> str:
    """``2024-02-29``."""
    return datetime.date.fromordinal(day).isoformat()


def date_in(text: str) -> int:
    """Inverse."""
    return datetime.date.fromisoformat(text).toordinal()


def span_out(microseconds: int) -> str:
    """``-PT90.5S``: seconds, with a fraction where there is one."""
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if microseconds < 0 else ''}PT{seconds}{fraction}S"


def span_in(text: str) -> int:
    """Inverse; other durations than seconds are refused."""
    sign, found, amount = text.partition("PT")
    if not found or sign not in ("", "-") or not amount.endswith("S"):
        raise ValueError("no duration in seconds")
    seconds, _, fraction = amount[:-1].partition(".")
    size = int(seconds) * 1_000_000 + int(fraction.ljust(6, "0") or 0)
    return -size if sign else size


def iso_pairs(
    *, separator: str = "T", timespec: Literal["auto", "microseconds"] = "auto", outside: bool = False
) -> dict[str, Pair]:
    """Pairs of the kinds Uuid, Date, Time, LocalDateTime and OffsetDateTime.

    separator: one character between date and time; any is read. timespec: ``microseconds`` writes six digits of a
    second always, so that texts sort as times do; ``auto`` writes them where they are not all zero. outside: whether
    an OffsetDateTime has a text even if its offset moves it to the day before or after the calendar
    (``10000-01-01T00:30:00+01:00``); else that raises ``OverflowError``.
    """

    def time_out(microseconds: int) -> str:
        return (_EPOCH + microseconds * _TICK).time().isoformat(timespec)

    def local_out(microseconds: int) -> str:
        return (_EPOCH + microseconds * _TICK).isoformat(separator, timespec)

    def offset_out(value: tuple[int, int]) -> str:
        instant, offset = value
        local = _EPOCH + (instant + offset * 1_000_000) * _TICK
        return local.isoformat(separator, timespec) + _zone(offset)

    def any_offset_out(value: tuple[int, int]) -> str:
        try:
            return offset_out(value)
        except OverflowError:
            instant, offset = value
            days, rest = divmod(instant + offset * 1_000_000, _DAY)
            day = _OUTSIDE.get(days + EPOCH_DAY)
            if day is None:
                raise
            return f"{day}{separator}{time_out(rest)}{_zone(offset)}"

    return {
        "Uuid": (uuid_out, uuid_in),
        "Date": (date_out, date_in),
        "Time": (time_out, _time_in),
        "LocalDateTime": (local_out, _local_in),
        "OffsetDateTime": (any_offset_out, _any_offset_in) if outside else (offset_out, _offset_in),
    }


@functools.lru_cache
def _zone(offset: int) -> str:
    """``+01:00``, and ``+01:00:05`` where there are seconds."""
    sign, distance = ("-", -offset) if offset < 0 else ("+", offset)
    text = f"{sign}{distance // 3600:02}:{distance // 60 % 60:02}"
    return f"{text}:{distance % 60:02}" if distance % 60 else text


def _time_in(text: str) -> int:
    found = datetime.time.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("a time of day with an offset")
    return (found.hour * 3600 + found.minute * 60 + found.second) * 1_000_000 + found.microsecond


def _local_in(text: str) -> int:
    found = datetime.datetime.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("a local time with an offset")
    return (found - _EPOCH) // _TICK


def _offset_in(text: str) -> tuple[int, int]:
    found = datetime.datetime.fromisoformat(text)
    offset = found.utcoffset()
    if offset is None:
        raise ValueError("a time without its offset")
    return (found.replace(tzinfo=None) - _EPOCH) // _TICK - offset // _TICK, offset // _SECOND


def _any_offset_in(text: str) -> tuple[int, int]:
    try:
        return _offset_in(text)
    except ValueError:
        for day, outside in _OUTSIDE.items():
            if text.startswith(outside):
                instant, offset = _offset_in(f"1970-01-01{text[len(outside) :]}")
                return instant + (day - EPOCH_DAY) * _DAY, offset
        raise
