"""The errors that codecs raise for a value that does not fit its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coco.errors import ValueConversionError

Path = tuple[str, ...]


class DimensionMismatchError(ValueConversionError):
    """A vector with the wrong number of elements."""

    def under(self, *outer: str) -> DimensionMismatchError:
        """Return the same error with an outer path in front."""
        return DimensionMismatchError(self.expected, self.got, (*outer, *self.path))

    def __str__(self) -> str:
        return f"dimension mismatch: {super().__str__()}"


def mismatch(expected: str, value: Any, path: Sequence[str], why: str = "") -> ValueConversionError:
    """Return the error for ``value``. The message holds its type and ``why``, never the value, which may be private."""
    if value is None:
        return ValueConversionError(f"{expected}, declared non-nullable", "None", path)
    got = type(value).__name__
    return ValueConversionError(expected, f"{got} {why}" if why else got, path)


def dimension_mismatch(expected: int, got: int, path: Sequence[str]) -> DimensionMismatchError:
    """Return the error for a vector of ``got`` elements."""
    return DimensionMismatchError(str(expected), str(got), path)


def shown_key(key: Any) -> str:
    """Return a table key as a part of a path."""
    text = repr(key)
    return f"[{text if len(text) <= 60 else text[:57] + '...'}]"
