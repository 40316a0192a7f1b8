"""Engine values <-> Postgres's binary form, one column at a time.

The binary form is what COPY and array parameters carry: nothing is formatted, parsed or quoted on the way, and
dates need no calendar. Null is ``None`` on both sides.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from operator import add
from typing import Any

ToBytes = Callable[[Any], bytes]
FromBytes = Callable[[bytes], Any]

_DAY_ZERO = 730_120
"""Ordinal of 2000-01-01, where Postgres's dates begin."""
_MICROS_ZERO = 946_684_800_000_000
"""The same day in microseconds since 1970."""

_INT32, _INT64 = struct.Struct(">i"), struct.Struct(">q")
_FLOAT32, _FLOAT64 = struct.Struct(">f"), struct.Struct(">d")
_INTERVAL = struct.Struct(">qii")
_RANGE = struct.Struct(">BiqIq")
_VECTOR = struct.Struct(">HH")

_EMPTY_RANGE = b"\x01"
_LOWER_INCLUSIVE = 0x02


def text_to_bytes(value: str) -> bytes:
    """UTF-8 without U+0000, which Postgres cannot hold; half surrogates become question marks."""
    return value.replace("\0", "").encode("utf-8", "replace")


def range_to_bytes(value: tuple[int, int]) -> bytes:
    """An int8range that holds its start and not its end."""
    start, end = value
    if start == end:
        return _EMPTY_RANGE
    return _RANGE.pack(_LOWER_INCLUSIVE, 8, start, 8, end)


def range_from_bytes(data: bytes) -> tuple[int, int]:
    """Inverse; Postgres does not keep where an empty range lies, so it comes back as (0, 0)."""
    if data[0] & 0x01:
        return (0, 0)
    if len(data) != _RANGE.size or data[0] != _LOWER_INCLUSIVE:
        raise ValueError("a range without end or start")
    _, _, start, _, end = _RANGE.unpack(data)
    return (start, end)


def numbers(packed: bytes, code: str) -> array[Any]:
    """Packed little-endian numbers (``f``, ``d``, ``q``) as an array."""
    values = array(code)
    values.frombytes(packed)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def packed(values: array[Any]) -> bytes:
    """Inverse of ``numbers``."""
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def vector_to_bytes(code: str) -> ToBytes:
    """pgvector's ``vector``: 32-bit floats, most significant byte first. ``code``: of the engine's elements."""

    def to_bytes(value: bytes) -> bytes:
        values = numbers(value, code)
        if code != "f":
            values = array("f", values)
        if sys.byteorder == "little":
            values.byteswap()
        return _VECTOR.pack(len(values), 0) + values.tobytes()

    return to_bytes


def vector_from_bytes(code: str) -> FromBytes:
    """Inverse, rounded to 32 bits."""

    def from_bytes(data: bytes) -> bytes:
        values = array("f")
        values.frombytes(data[4:])
        if sys.byteorder == "little":
            values.byteswap()
        return _as_elements(values, code)

    return from_bytes


def halfvec_to_bytes(code: str) -> ToBytes:
    """pgvector's ``halfvec``. Raises ``OverflowError`` beyond 65504."""

    def to_bytes(value: bytes) -> bytes:
        values = numbers(value, code)
        return struct.pack(f">HH{len(values)}e", len(values), 0, *values)

    return to_bytes


def halfvec_from_bytes(code: str) -> FromBytes:
    """Inverse, rounded to 16 bits."""

    def from_bytes(data: bytes) -> bytes:
        count = (len(data) - 4) // 2
        return _as_elements(array("f", struct.unpack(f">{count}e", data[4:])), code)

    return from_bytes


def _as_elements(values: array[Any], code: str) -> bytes:
    if code == "q":
        return packed(array("q", [min(round(item), 2**63 - 1) for item in values]))
    return packed(values if code == "f" else array(code, values))


SCALARS: dict[str, tuple[ToBytes, FromBytes]] = {
    "Str": (text_to_bytes, bytes.decode),
    "Bytes": (bytes, bytes),
    "Bool": (lambda value: b"\x01" if value else b"\x00", lambda data: data == b"\x01"),
    "Int64": (_INT64.pack, lambda data: _INT64.unpack(data)[0]),
    "Float32": (_FLOAT32.pack, lambda data: _FLOAT32.unpack(data)[0]),
    "Float64": (_FLOAT64.pack, lambda data: _FLOAT64.unpack(data)[0]),
    "Uuid": (bytes, bytes),
    "Date": (lambda value: _INT32.pack(value - _DAY_ZERO), lambda data: _INT32.unpack(data)[0] + _DAY_ZERO),
    "Time": (_INT64.pack, lambda data: _INT64.unpack(data)[0]),
    "LocalDateTime": (
        lambda value: _INT64.pack(value - _MICROS_ZERO),
        lambda data: _INT64.unpack(data)[0] + _MICROS_ZERO,
    ),
    "OffsetDateTime": (
        lambda value: _INT64.pack(value[0] - _MICROS_ZERO),
        lambda data: (_INT64.unpack(data)[0] + _MICROS_ZERO, 0),
    ),
    "TimeDelta": (lambda value: _INTERVAL.pack(value, 0, 0), lambda data: _interval(*_INTERVAL.unpack(data))),
    "Range": (range_to_bytes, range_from_bytes),
}
"""Kind -> (to bytes, from bytes), for scalars that have a column type of their own."""


def _interval(micros: int, days: int, months: int) -> int:
    if months:
        raise ValueError("an interval of months has no fixed length")
    return micros + days * 86_400_000_000


def json_to_bytes(text: bytes) -> bytes:
    """jsonb: a version, then the text."""
    return b"\x01" + text


def frame(cells: list[bytes | None]) -> list[bytes]:
    """Each cell with its length before it, as both COPY and arrays have it."""
    pack = _INT32.pack
    if None in cells:
        return [b"\xff\xff\xff\xff" if cell is None else pack(len(cell)) + cell for cell in cells]
    lengths: list[bytes] = [*map(pack, map(len, cells))]  # type: ignore[arg-type]  # none is null
    return [*map(add, lengths, cells)]


def array_of(frames: list[bytes], element_oid: int, has_null: bool) -> bytes:
    """A one-dimensional array of framed cells; at least one."""
    return struct.pack(">iiIii", 1, int(has_null), element_oid, len(frames), 1) + b"".join(frames)


COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"


def copy_rows(columns: list[list[bytes]]) -> bytes:
    """Rows of framed cells for ``COPY ... (FORMAT binary)``, without header and trailer."""
    count = struct.pack(">h", len(columns))
    rows = zip(*columns, strict=True)
    return count + count.join(map(b"".join, rows)) if columns[0] else b""
