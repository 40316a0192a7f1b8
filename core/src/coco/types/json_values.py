"""JSON data <-> canonical JSON text, the engine value of kind Json.

Canonical: keys sorted, no spaces, ASCII only. Equal data give equal text.
"""

from __future__ import annotations

import json
import math
from typing import Any

from coco.errors import ValueConversionError
from coco.types.mismatch import Path, mismatch, shown_key
from coco.types.text import whole_text

canonical_text = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
"""JSON data -> its canonical text."""


def json_in(value: Any, path: Path) -> str:
    """Encode plain JSON data. ``None`` inside of it is null; ``None`` itself means that there is no data."""
    if value is None:
        raise mismatch("Json", value, path)
    try:
        return canonical_text(_whole(value) if _check(value) else value)
    except RecursionError:
        raise mismatch("Json", value, path, "that is nested too deeply, or contains itself") from None
    except ValueConversionError as error:
        raise error.under(*path) from None
    except ValueError:
        raise mismatch("Json", value, path, "with an integer of too many digits") from None


def json_out(text: str) -> Any:
    """Decode to new data, which the caller may change."""
    return json.loads(text)


def _check(value: Any) -> bool:
    """Refuse values that ``json`` would change silently, or would refuse without their place.

    Returns whether a text has to be replaced by its ``whole_text``.
    """
    if value is None or isinstance(value, (bool, int)):
        return False
    if isinstance(value, str):
        return not value.isascii() and whole_text(value) is not value
    broken = False
    if isinstance(value, float):
        if not math.isfinite(value):
            raise mismatch("Json", value, (), "that is NaN or infinite")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueConversionError("Json with str keys", f"{type(key).__name__} as a key")
            try:
                broken |= _check(key) | _check(item)
            except ValueConversionError as error:
                raise error.under(shown_key(key)) from None
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            try:
                broken |= _check(item)
            except ValueConversionError as error:
                raise error.under(f"[{index}]") from None
    else:
        raise mismatch("Json", value, ())
    return broken


def _whole(value: Any) -> Any:
    """Return ``value`` with ``whole_text`` in place of each text. Of keys that become equal, the last one is kept."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {whole_text(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, (list, tuple)) else value
