"""Chooses the alternative of a union for a Python value."""

from __future__ import annotations

import datetime
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from coco.errors import ValueConversionError
from coco.types.mismatch import Path, mismatch
from coco.types.schema import BasicValueType

_CLASSES: dict[str, tuple[type, ...]] = {
    "Bytes": (bytes, bytearray, memoryview),
    "Str": (str,),
    "Bool": (bool,),
    "Int64": (int,),
    "Float64": (float,),
    "Float32": (float,),
    "Uuid": (uuid.UUID,),
    "Date": (datetime.date,),
    "Time": (datetime.time,),
    "TimeDelta": (datetime.timedelta,),
    "Range": (tuple,),
    "Json": (dict,),
    "Vector": (list,),
}
_NUMPY_CLASSES = {
    "Str": "str_",
    "Bool": "bool_",
    "Int64": "integer",
    "Float32": "float32",
    "Float64": "float64",
    "Vector": "ndarray",
}


def _fits_exactly(kind: str, value: Any) -> bool:
    cls = type(value)
    if isinstance(value, datetime.datetime):
        aware = value.utcoffset() is not None
        return kind == ("OffsetDateTime" if aware else "LocalDateTime")
    if cls in _CLASSES.get(kind, ()):
        return True
    numpy = sys.modules.get("numpy")
    return (
        numpy is not None and kind in _NUMPY_CLASSES and issubclass(cls, getattr(numpy, _NUMPY_CLASSES[kind]))
    )


def union_encoder(
    variants: Sequence[BasicValueType], encoders: Sequence[Callable[[Any], Any]]
) -> Callable[[Any, Path], tuple[int, Any]]:
    """Return an encoder to (index, value). It tries the alternatives of the value's kind first, then all others."""
    shown = " | ".join(str(variant) for variant in variants)
    # A Python float is a Float64. Float32 is chosen only if the union has no Float64.
    kinds = [variant.kind for variant in variants]
    exact_kinds = ["" if kind == "Float32" and "Float64" in kinds else kind for kind in kinds]

    def encode(value: Any, path: Path) -> tuple[int, Any]:
        first: ValueConversionError | None = None
        exact = [
            index
            for index, kind in enumerate(kinds)
            if _fits_exactly(kind, value) and (exact_kinds[index] or type(value) is not float)
        ]
        for index in (*exact, *(index for index in range(len(kinds)) if index not in exact)):
            try:
                return (index, encoders[index](value))
            except ValueConversionError as error:
                if index in exact and first is None:
                    first = error
        if first is not None:
            raise first.under(*path) from None
        raise mismatch(shown, value, path)

    return encode
