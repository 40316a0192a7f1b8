"""JSON data <-> canonical JSON text, the engine value of kind Json (T-010).

Canonical: keys sorted, no spaces, ASCII only. Equal data give equal text.
"""

from __future__ import annotations

import json
import math
from typing import Any

from coco.errors import ValueConversionError
from coco.types.mismatch import Path, mismatch, shown_key

canonical_text = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
"""JSON data -> its canonical text."""


def json_in(value: Any, path: Path) -> str:
    """From plain JSON data. ``None`` inside is null; ``None`` itself is not data but its absence."""
    if value is None:
        raise mismatch("Json", value, path)
    try:
        _check(value)
        return canonical_text(value)
    except RecursionError:
        raise mismatch("Json", value, path, "that is nested too deeply, or contains itself") from None
    except ValueConversionError as error:
        raise error.under(*path) from None
    except ValueError:
        raise mismatch("Json", value, path, "with an integer of too many digits") from None


def json_out(text: str) -> Any:
    """Fresh data, which the caller may change."""
    return json.loads(text)


def _check(value: Any) -> None:
    """Refuse what ``json`` would quietly turn into something else, or refuse without saying where."""
    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        if not value.isascii():
            _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise mismatch("Json", value, (), "that is NaN or infinite")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueConversionError("Json with str keys", f"{type(key).__name__} as a key")
            try:
                _check(key)
                _check(item)
            except ValueConversionError as error:
                raise error.under(shown_key(key)) from None
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            try:
                _check(item)
            except ValueConversionError as error:
                raise error.under(f"[{index}]") from None
    else:
        raise mismatch("Json", value, ())


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise mismatch("Json", text, (), f"with a lone surrogate at position {error.start}") from None
