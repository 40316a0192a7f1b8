"""Engine values as JSON text, exactly: what is written reads back as the same value.

Structs are objects, tables arrays of objects, vectors arrays, unions ``[variant, value]``; bytes are base64, floats that
JSON lacks are words, times ISO 8601, time spans microseconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from coco.kit import json_data
from coco.kit.iso_text import iso_pairs
from coco.kit.json_data import SCALARS, JsonForm, Pair, compact_text, exact_numbers, json_pair, same
from coco.typing import ValueType

TEXTS = iso_pairs(timespec="microseconds", outside=True)
"""Kind -> engine value to text and back, of UUIDs, dates and times."""

_FORM = JsonForm(
    {**SCALARS, **TEXTS, "TimeDelta": (same, same)}, numbers=functools.partial(exact_numbers, words=False)
)


def json_text(type_: ValueType) -> Pair:
    """Engine value of a type -> JSON text, and back."""
    return json_data.json_text(type_, _FORM)


def key_text(types: Sequence[ValueType]) -> Callable[[tuple[Any, ...]], str]:
    """Keys of several parts as one text; different keys have different texts."""
    writers = [json_pair(item, _FORM)[0] for item in types]
    return lambda key: compact_text([write(part) for write, part in zip(writers, key, strict=True)])
