"""Which column a property becomes, and values both ways.

| coco | column | |
|---|---|---|
| Str, Bytes, Bool, Int64, Float32, Float64 | STRING, BLOB, BOOL, INT64, FLOAT, DOUBLE | exact |
| Uuid, Date, LocalDateTime, TimeDelta | UUID, DATE, TIMESTAMP, INTERVAL | exact |
| OffsetDateTime | TIMESTAMP_TZ | the instant, in the years 1 to 9999 of UTC; the offset is lost |
| Time | STRING | ``13:00:00.000000`` |
| Range | STRUCT(start INT64, stop INT64) | |
| Json, unions | STRING | JSON; of a union ``[variant, value]`` |
| vectors | T[N], T[] | |
| structs | STRUCT | |
| tables, vectors of structs, ranges or vectors | STRING | JSON |

Inside of vectors and structs, Uuid and OffsetDateTime are STRING. A struct with field names that Kuzu cannot have is a
STRING with JSON. So is a list of lists or structs: neither engine stores it right (Kuzu 0.11.3, Ladybug 0.22) after a
checkpoint at which all of them were empty.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from coco.kit.iso_text import EPOCH_DAY, uuid_out
from coco.kit.json_data import numbers_of, packed_from
from coco.typing import BasicValueType, FieldSchema, StructType, TableType, ValueType
from coco_kit_graph import nested

Convert = Callable[[Any], Any]

NATIVE_KEYS = ("Str", "Int64")
"""Kinds that Kuzu takes as a primary key as they are and gives back unchanged."""

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(
    [
        "all",
        "and",
        "any",
        "asc",
        "ascending",
        "case",
        "cast",
        "column",
        "create",
        "dbtype",
        "default",
        "desc",
        "descending",
        "distinct",
        "else",
        "end",
        "ends",
        "exists",
        "false",
        "for",
        "glob",
        "group",
        "headers",
        "hint",
        "in",
        "install",
        "join",
        "macro",
        "multi_join",
        "none",
        "not",
        "null",
        "on",
        "only",
        "optional",
        "or",
        "order",
        "primary",
        "profile",
        "shortest",
        "single",
        "starts",
        "table",
        "then",
        "trail",
        "true",
        "union",
        "unwind",
        "when",
        "where",
        "with",
        "xor",
    ]
)


@dataclass(frozen=True)
class Column:
    """``ddl``: the column's type; ``arrow``: the type on the way there; ``cast``: what must be said to get from one to
    the other. ``out``, ``back``: engine value to Arrow's, and Kuzu's answer to engine value; None changes nothing.
    ``array``: all values at once, instead of ``out``. ``as_text``: Kuzu is asked for the value's text, since the client
    crashes on days that Python's calendar lacks, also when another program wrote them.
    """

    ddl: str
    arrow: pa.DataType
    out: Convert | None = None
    back: Convert | None = None
    cast: str | None = None
    array: Callable[[Sequence[Any]], pa.Array] | None = None
    as_text: bool = False

    def reading(self, expression: str) -> str:
        """What to ask for in a statement, so that ``engine`` can read the answer."""
        return f"CAST({expression}, 'STRING')" if self.as_text else expression

    def to_array(self, values: Sequence[Any]) -> pa.Array:
        """Engine values, nulls among them, as an array."""
        if self.array is not None:
            return self.array(values)
        if self.out is not None:
            out = self.out
            values = [None if value is None else out(value) for value in values]
        return pa.array(values, self.arrow)

    def engine(self, value: Any) -> Any:
        """Engine value of what Kuzu gave."""
        return value if value is None or self.back is None else self.back(value)


def column(type_: ValueType) -> Column:
    """The column for a type."""
    if isinstance(type_, BasicValueType):
        if type_.kind == "Uuid":
            return Column("UUID", pa.string(), uuid_out, lambda value: value.bytes, "UUID")
        if type_.kind == "OffsetDateTime":
            return Column("TIMESTAMP_TZ", _MICROS, _instant_out, _instant_back, "TIMESTAMP_TZ", as_text=True)
        if type_.kind in _CALENDAR:
            return replace(_SCALARS[type_.kind], back=_CALENDAR[type_.kind], as_text=True)
        if type_.packed_format is not None:
            return _packed(type_)
    found = _nested(type_)
    return _as_json(type_) if found is None else found


_MICROS = pa.timestamp("us")
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - local times have no zone
_FIRST_INSTANT, _LAST_INSTANT = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds from 1970 to the first and the last datetime of Python."""
_SECOND = 1_000_000


def _micros(span: datetime.timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * _SECOND + span.microseconds


def _instant_out(value: tuple[int, int]) -> int:
    """Raises ``ValueError`` for an instant that the client could not read back."""
    if not _FIRST_INSTANT <= value[0] <= _LAST_INSTANT:
        place = "before the year 1" if value[0] < 0 else "after the year 9999"
        raise ValueError(
            f"the time lies {place} in UTC, and the client would crash when it reads it; collect it as text"
        )
    return value[0]


def _read_from_text(read: Convert) -> Convert:
    """What was stored by someone else and is no day of Python's calendar differs from all values of ours."""

    def back(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            return ("unreadable", text)

    return back


_instant_back = _read_from_text(
    lambda text: (_micros(datetime.datetime.fromisoformat(text).replace(tzinfo=None) - _EPOCH), 0)
)


def _date_out(day: int) -> int:
    return day - EPOCH_DAY


_SCALARS: dict[str, Column] = {
    "Str": Column("STRING", pa.string()),
    "Bytes": Column("BLOB", pa.binary(), None, bytes),
    "Bool": Column("BOOL", pa.bool_()),
    "Int64": Column("INT64", pa.int64()),
    "Float32": Column("FLOAT", pa.float32()),
    "Float64": Column("DOUBLE", pa.float64()),
    "Date": Column("DATE", pa.date32(), _date_out, datetime.date.toordinal),
    "LocalDateTime": Column("TIMESTAMP", _MICROS, None, lambda value: _micros(value - _EPOCH)),
    "TimeDelta": Column("INTERVAL", pa.duration("us"), None, _micros),
    "Range": Column(
        "STRUCT(start INT64, stop INT64)",
        pa.struct([("start", pa.int64()), ("stop", pa.int64())]),
        lambda value: {"start": value[0], "stop": value[1]},
        lambda value: tuple(value.values()),
    ),
    "Json": Column("STRING", pa.string()),
    **{
        kind: Column("STRING", pa.string(), *nested.TEXTS[kind])
        for kind in ("Time", "Uuid", "OffsetDateTime")
    },
}


_CALENDAR: dict[str, Convert] = {
    "Date": _read_from_text(lambda text: datetime.date.fromisoformat(text).toordinal()),
    "LocalDateTime": _read_from_text(lambda text: _micros(datetime.datetime.fromisoformat(text) - _EPOCH)),
}
"""How days and times are read that are not within lists or structs."""


def _as_json(type_: ValueType) -> Column:
    write, read = nested.json_text(type_)
    return Column("STRING", pa.string(), write, read)


def _nested(type_: ValueType) -> Column | None:
    """The column for a type within others; None where only JSON will do."""
    if isinstance(type_, StructType):
        return _struct(type_.fields)
    if isinstance(type_, TableType):
        return None
    if type_.union is not None:
        return None
    if type_.packed_format is not None:
        return _packed(type_)
    if type_.vector is not None:
        element = _nested(type_.vector.element_type)
        simple = element is not None and "[" not in element.ddl and "(" not in element.ddl
        return _list(element, type_.vector.dimension) if element is not None and simple else None
    return _SCALARS[type_.kind]


def _struct(fields: Sequence[FieldSchema]) -> Column | None:
    names = [item.name for item in fields]
    if not names or len({name.lower() for name in names}) < len(names):
        return None
    if not all(_SIMPLE.fullmatch(name) and name.lower() not in _WORDS for name in names):
        return None
    columns = []
    for item in fields:
        found = _nested(item.value_type.type)
        if found is None:
            found = _as_json(item.value_type.type)
        columns.append(found)
    outs, backs = [_or_null(item.out) for item in columns], [_or_null(item.back) for item in columns]
    return Column(
        f"STRUCT({', '.join(f'{name} {item.ddl}' for name, item in zip(names, columns, strict=True))})",
        pa.struct([(name, item.arrow) for name, item in zip(names, columns, strict=True)]),
        lambda row: {name: out(part) for name, out, part in zip(names, outs, row, strict=True)},
        lambda row: tuple([back(part) for back, part in zip(backs, row.values(), strict=True)]),
    )


def _or_null(convert: Convert | None) -> Convert:
    if convert is None:
        return lambda value: value
    return lambda value: None if value is None else convert(value)


def _list(element: Column, dimension: int | None) -> Column:
    out, back = _or_null(element.out), _or_null(element.back)
    size = "" if dimension is None else str(dimension)
    return Column(
        f"{element.ddl}[{size}]",
        pa.list_(element.arrow) if dimension is None else pa.list_(element.arrow, dimension),
        lambda values: [out(item) for item in values],
        lambda values: tuple([back(item) for item in values]),
    )


_NUMBERS = {"f": ("FLOAT", pa.float32()), "d": ("DOUBLE", pa.float64()), "q": ("INT64", pa.int64())}


def _packed(type_: BasicValueType) -> Column:
    """Packed vectors go over as one buffer."""
    assert type_.vector is not None and type_.packed_format is not None
    code, size = type_.packed_format
    ddl, number = _NUMBERS[code]
    dimension = type_.vector.dimension

    def array(values: Sequence[Any]) -> pa.Array:
        gap = b"" if dimension is None else bytes(size * dimension)
        parts = [gap if value is None else value for value in values]
        joined = b"".join(parts)
        flat = pa.Array.from_buffers(number, len(joined) // size, [None, pa.py_buffer(joined)])
        mask = pa.array([value is None for value in values], pa.bool_())
        if dimension is not None:
            return pa.FixedSizeListArray.from_arrays(flat, dimension, mask=mask)
        places = [0]
        for part in parts:
            places.append(places[-1] + len(part) // size)
        return pa.ListArray.from_arrays(pa.array(places, pa.int32()), flat, mask=mask)

    arrow = pa.list_(number) if dimension is None else pa.list_(number, dimension)
    brackets = f"[{'' if dimension is None else dimension}]"
    numbers = numbers_of(type_)
    return Column(ddl + brackets, arrow, numbers, packed_from(type_), None, array)
