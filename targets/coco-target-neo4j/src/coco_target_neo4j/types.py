"""Which property a field becomes, and values both ways.

| coco | property | |
|---|---|---|
| Str, Bool, Int64, Float32, Float64, Bytes | itself | |
| Uuid | string | with hyphens |
| Date, Time, LocalDateTime, OffsetDateTime, TimeDelta | temporal types | an instant is compared without its offset |
| Range | list of two integers | |
| vectors of numbers, Str, Bool | list | |
| Json, unions, structs, tables, other vectors | string | JSON; of a union ``[variant, value]`` |
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neo4j.time import Duration

from coco.kit.iso_text import uuid_in, uuid_out
from coco.kit.json_data import numbers_of, packed_from
from coco.typing import BasicValueType, ValueType
from coco_kit_graph import nested

Convert = Callable[[Any], Any]
_MICRO = 1_000_000
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - local times have no zone


@dataclass(frozen=True)
class Codec:
    """Engine value to property and back; None changes nothing. Neither sees null."""

    out: Convert | None = None
    back: Convert | None = None

    def to_property(self, value: Any) -> Any:
        return value if value is None or self.out is None else self.out(value)

    def engine(self, value: Any) -> Any:
        """Engine value of a property."""
        return value if value is None or self.back is None else self.back(value)


def codec(type_: ValueType) -> Codec:
    """How values of a type are stored."""
    if isinstance(type_, BasicValueType):
        if type_.packed_format is not None:
            return Codec(numbers_of(type_), packed_from(type_))
        if type_.vector is not None and type_.vector.element_type.kind in ("Str", "Bool"):
            return Codec(list, tuple)
        if type_.kind in _SCALARS:
            return _SCALARS[type_.kind]
    write, read = nested.json_text(type_)
    return Codec(write, read)


def _native(value: Any) -> Any:
    """A temporal value of Python's, of one of the driver's, which has nanoseconds."""
    convert = getattr(value, "to_native", None)
    return value if convert is None else convert()


def _time_out(microseconds: int) -> datetime.time:
    return (datetime.datetime.min + datetime.timedelta(microseconds=microseconds)).time()  # noqa: DTZ901


def _time_back(value: Any) -> int:
    found: datetime.time = _native(value)
    return ((found.hour * 60 + found.minute) * 60 + found.second) * _MICRO + found.microsecond


def _local_out(microseconds: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=microseconds)


def _micros(span: datetime.timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * _MICRO + span.microseconds


def _local_back(value: Any) -> int:
    found: datetime.datetime = _native(value)
    return _micros(found - _EPOCH)


def _offset_out(value: tuple[int, int]) -> datetime.datetime:
    zone = datetime.timezone(datetime.timedelta(seconds=value[1]))
    return (_EPOCH + datetime.timedelta(microseconds=value[0] + value[1] * _MICRO)).replace(tzinfo=zone)


def _offset_back(value: Any) -> tuple[int, int]:
    found = _native(value)
    # The instant may lie a day outside of the calendar, so it is never a datetime.
    offset = _micros(found.utcoffset() or datetime.timedelta())
    return _micros(found.replace(tzinfo=None) - _EPOCH) - offset, 0


def _span_out(microseconds: int) -> Duration:
    seconds, rest = divmod(microseconds, _MICRO)
    return Duration(seconds=seconds, nanoseconds=rest * 1_000)


def _span_back(value: Duration) -> int:
    return (value.days * 86_400 + value.seconds) * _MICRO + value.nanoseconds // 1_000


_SCALARS: dict[str, Codec] = {
    **dict.fromkeys(("Str", "Bool", "Int64", "Json"), Codec()),
    **dict.fromkeys(("Float32", "Float64"), Codec(None, float)),
    "Bytes": Codec(None, bytes),
    "Uuid": Codec(uuid_out, uuid_in),
    "Date": Codec(datetime.date.fromordinal, lambda value: _native(value).toordinal()),
    "Time": Codec(_time_out, _time_back),
    "LocalDateTime": Codec(_local_out, _local_back),
    "OffsetDateTime": Codec(_offset_out, _offset_back),
    "TimeDelta": Codec(_span_out, _span_back),
    "Range": Codec(list, tuple),
}
