"""Codecs over whole columns: one call per column, none at all where there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coco.errors import ValueConversionError
from coco.types.decode import is_identity
from coco.types.schema import EngineValue


def encode_column(encoder: Callable[[Any], EngineValue], values: Sequence[Any]) -> list[EngineValue]:
    """Engine values of a column. An error names the row as ``[3]`` in front of the path."""
    return _each(encoder, values)


def decode_column(decoder: Callable[[EngineValue], Any], values: Sequence[EngineValue]) -> list[Any]:
    """Python values of a column; always a list of its own. An error names the row as ``[3]``."""
    return list(values) if is_identity(decoder) else _each(decoder, values)


def _each(codec: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    try:
        return list(map(codec, values))
    except ValueConversionError as error:
        # Values are plain data, so asking again for the one that failed costs nothing and has no effects.
        for index, value in enumerate(values):
            try:
                codec(value)
            except ValueConversionError as again:
                raise again.under(f"[{index}]") from None
        raise error
