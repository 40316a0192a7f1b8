"""Applies codecs to whole columns: one call per column, and none if values need no conversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coco.errors import ValueConversionError
from coco.types.decode import is_identity
from coco.types.schema import EngineValue


def encode_column(encoder: Callable[[Any], EngineValue], values: Sequence[Any]) -> list[EngineValue]:
    """Return the engine values of a column. The path of an error starts with the row, as in ``[3]``."""
    return _each(encoder, values)


def decode_column(decoder: Callable[[EngineValue], Any], values: Sequence[EngineValue]) -> list[Any]:
    """Return the Python values of a column as a new list. The path of an error starts with the row, as in ``[3]``."""
    return list(values) if is_identity(decoder) else _each(decoder, values)


def _each(codec: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    try:
        return list(map(codec, values))
    except ValueConversionError as error:
        # Values are plain data, so converting the failed one again to find its row has no side effects.
        for index, value in enumerate(values):
            try:
                codec(value)
            except ValueConversionError as again:
                raise again.under(f"[{index}]") from None
        raise error
