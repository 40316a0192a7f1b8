"""Packed vectors: numbers <-> little-endian bytes.

``list[float]`` and contiguous arrays of the right dtype are packed as they are; other values are converted first. NumPy
is used only if a value or an annotation is of NumPy.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Callable
from typing import Any

from coco.errors import ValueConversionError
from coco.hot import pack_float32, pack_float64, pack_int64
from coco.types.mismatch import Path, dimension_mismatch, mismatch
from coco.types.scalars import NAN, float32_in, float64_in, int64_in
from coco.types.schema import PACKED_VECTOR_FORMATS

_ELEMENTS_IN = {"Float32": float32_in, "Float64": float64_in, "Int64": int64_in}
_DTYPES = {"Float32": "<f4", "Float64": "<f8", "Int64": "<i8"}
_PACK = {"Float32": pack_float32, "Float64": pack_float64, "Int64": pack_int64}

PackedEncoder = Callable[[Any, Path], bytes]


@functools.lru_cache(maxsize=256)
def _struct(code: str, count: int) -> struct.Struct:
    return struct.Struct(f"<{count}{code}")


def packed_encoder(kind: str, dimension: int | None) -> PackedEncoder:
    """Return an encoder of vectors of ``kind`` with ``dimension`` elements; None: any number of elements."""
    pack = _PACK[kind]
    array = _array_encoder(kind)

    def encode(value: Any, path: Path) -> bytes:
        if type(value) is list or type(value) is tuple:
            if dimension is not None and len(value) != dimension:
                raise dimension_mismatch(dimension, len(value), path)
            packed: bytes | None = pack(value)
            return _pack_slowly(kind, value, path) if packed is None else packed
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.ndarray):
            return array(numpy, value, dimension, path)
        if isinstance(value, (list, tuple)):
            return encode(list(value), path)
        if hasattr(value, "__array__") and not isinstance(value, type):
            converted = _as_array(value)
            if converted is not None:
                return array(sys.modules["numpy"], converted, dimension, path)
        raise mismatch(_shown(kind, dimension), value, path)

    return encode


def _shown(kind: str, dimension: int | None) -> str:
    return f"Vector[{kind}]" if dimension is None else f"Vector[{kind}, {dimension}]"


def _as_array(value: Any) -> Any:
    import numpy

    if isinstance(value, numpy.generic):
        return None  # scalars have __array__ too
    return numpy.asarray(value)


def _pack_slowly(kind: str, values: Any, path: Path) -> bytes:
    element_in = _ELEMENTS_IN[kind]
    elements = []
    try:
        for item in values:
            elements.append(element_in(item, ()))
    except ValueConversionError as error:
        raise error.under(*path, f"[{len(elements)}]") from None
    return _struct(PACKED_VECTOR_FORMATS[kind][0], len(elements)).pack(*elements)


def _array_encoder(kind: str) -> Callable[[Any, Any, int | None, Path], bytes]:
    dtype_name = _DTYPES[kind]
    allowed = "iu" if kind == "Int64" else "fiu"

    def encode(numpy: Any, value: Any, dimension: int | None, path: Path) -> bytes:
        if value.ndim != 1:
            raise mismatch(_shown(kind, dimension), value, path, f"with {value.ndim} dimensions")
        if dimension is not None and len(value) != dimension:
            raise dimension_mismatch(dimension, len(value), path)
        dtype = value.dtype
        if dtype.str != dtype_name:
            if dtype.kind == "O":
                return _pack_slowly(kind, value.tolist(), path)
            if dtype.kind not in allowed:
                raise mismatch(_shown(kind, dimension), value, path, f"of {dtype}")
            with numpy.errstate(over="ignore", invalid="ignore"):
                # By way of 64 bits, as for single numbers: rounding twice can differ from rounding once.
                wide = value if kind == "Int64" else value.astype("<f8")
                converted = wide.astype(dtype_name)
            if kind == "Int64":
                if dtype.kind == "u" and (converted < 0).any():
                    return _pack_slowly(kind, value.tolist(), path)
            elif (
                not numpy.isfinite(converted).all()
                and (numpy.isfinite(wide) & ~numpy.isfinite(converted)).any()
            ):
                return _pack_slowly(kind, value.tolist(), path)
            value = converted
        if kind != "Int64" and (nans := numpy.isnan(value)).any():
            value = numpy.where(nans, value.dtype.type(NAN), value)
        return bytes(value.tobytes())

    return encode


def packed_to_list(kind: str, dimension: int | None) -> Callable[[bytes], list[Any]]:
    """Return a decoder to Python numbers."""
    code, size = PACKED_VECTOR_FORMATS[kind]
    if dimension is not None:
        unpack = _struct(code, dimension).unpack
        return lambda data: list(unpack(data))
    return lambda data: list(_struct(code, len(data) // size).unpack(data))


def packed_to_array(kind: str) -> Callable[[bytes], Any]:
    """Return a decoder to read-only NumPy views of the same dtype."""
    import numpy

    dtype = numpy.dtype(_DTYPES[kind])
    frombuffer = numpy.frombuffer
    return lambda data: frombuffer(data, dtype)


def packed_to_other_array(kind: str, target_kind: str) -> Callable[[bytes, Path], Any]:
    """Return a decoder to read-only NumPy arrays of another dtype."""
    import numpy

    dtype, target = numpy.dtype(_DTYPES[kind]), numpy.dtype(_DTYPES[target_kind])

    def convert(data: bytes, path: Path) -> Any:
        source = numpy.frombuffer(data, dtype)
        with numpy.errstate(over="ignore"):
            # By way of 64 bits, as for single numbers.
            array = source.astype("<f8").astype(target)
        if target_kind == "Float32" and (numpy.isinf(array) & numpy.isfinite(source)).any():
            raise ValueConversionError("Vector[Float32]", "numbers too large for 32 bits", path)
        array.flags.writeable = False
        return array

    return convert


def check_dimension(kind: str | None, dimension: int) -> Callable[[Any, Path], None]:
    """Return a check for vectors whose type has no fixed number of elements. ``kind``: None if they are not packed."""
    size = 1 if kind is None else PACKED_VECTOR_FORMATS[kind][1]

    def check(data: Any, path: Path) -> None:
        if len(data) != dimension * size:
            raise dimension_mismatch(dimension, len(data) // size, path)

    return check
