"""Lists of numbers -> packed little-endian bytes.

``None`` for a list that is not the plain case: an element of another type (a bool among integers, an integer
among floats), a NaN, of which only one form is stored, or a number out of range. The caller then goes element
by element and finds out what it is. Exactly lists and tuples are taken, and exactly ``float`` and ``int``, so no
code of the user runs here.

Compiled, types are checked and numbers written in one loop; as plain Python ``struct`` does the writing, as
nothing else there is as fast.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from math import isnan
from typing import Any, TypeAlias

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython


def _is_compiled() -> bool:
    return bool(cython.compiled)


Packer: TypeAlias = Callable[[Any], Any]


def _has_nan(values: Any) -> bool:
    total = sum(values)  # a NaN anywhere makes the sum one, and so do opposite infinities
    return total != total and any(map(isnan, values))


def _by_struct(code: str, kind: type) -> Packer:
    kinds = {kind}
    floats = kind is float

    @lru_cache(maxsize=256)
    def packer(count: int) -> Any:
        return struct.Struct(f"<{count}{code}").pack

    def pack(values: Any) -> Any:
        if set(map(type, values)) == kinds and not (floats and _has_nan(values)):
            try:
                return packer(len(values))(*values)
            except (struct.error, OverflowError):
                return None
        return None

    return pack


def _write_float32(values: Any) -> Any:
    count: cython.Py_ssize_t = len(values)
    if count == 0:
        return None
    # New bytes of at least four, not shared with other code yet, may be written to.
    packed: bytes = bytes(count * 4)
    place: cython.p_float = cython.cast(cython.p_float, cython.cast(cython.p_char, packed))
    position: cython.Py_ssize_t
    number: cython.double
    rounded: cython.float
    for position, item in enumerate(values):
        if type(item) is not float:
            return None
        number = item
        rounded = number
        # Not finite: infinities are what they are, all else is a NaN or out of range.
        if rounded - rounded != 0 and (number != number or number - number == 0):
            return None
        place[position] = rounded
    return packed


def _write_float64(values: Any) -> Any:
    count: cython.Py_ssize_t = len(values)
    if count == 0:
        return None
    packed: bytes = bytes(count * 8)
    place: cython.p_double = cython.cast(cython.p_double, cython.cast(cython.p_char, packed))
    position: cython.Py_ssize_t
    number: cython.double
    for position, item in enumerate(values):
        if type(item) is not float:
            return None
        number = item
        if number != number:
            return None
        place[position] = number
    return packed


def _write_int64(values: Any) -> Any:
    count: cython.Py_ssize_t = len(values)
    if count == 0:
        return None
    packed: bytes = bytes(count * 8)
    place: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, packed))
    position: cython.Py_ssize_t
    try:
        for position, item in enumerate(values):
            if type(item) is not int:
                return None
            place[position] = item
    except OverflowError:
        return None
    return packed


_WRITES: bool = cython.compiled and sys.byteorder == "little"

pack_float32: Packer = _write_float32 if _WRITES else _by_struct("f", float)
"""Floats as 4 bytes each, rounded."""

pack_float64: Packer = _write_float64 if _WRITES else _by_struct("d", float)
"""Floats as 8 bytes each."""

pack_int64: Packer = _write_int64 if _WRITES else _by_struct("q", int)
"""Integers as 8 bytes each."""
