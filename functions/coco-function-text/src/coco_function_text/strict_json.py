"""Strict reading of JSON text (RFC 8259), with errors that say where."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from coco_function_text.positions import line_feeds

DEEPEST = 500
"""Levels of nesting that are read; the same on every platform and at every depth of the call stack."""

_BRACKETS_AND_STRINGS = re.compile(r'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def parse_json(text: str) -> Any:
    """The value of a JSON text: any JSON value may stand at the top.

    Of equal keys in an object the last wins. A byte order mark at the start is ignored. Integers keep their
    value; those with more digits than Python converts (4300 by default) become floats where they fit. An escape that
    is half of a surrogate pair becomes U+FFFD.

    Raises ``ValueError`` for malformed text (with line and column), ``NaN`` or ``Infinity``, a number too large for
    a float, and more than ``DEEPEST`` levels.
    """
    body = text.removeprefix("\ufeff")
    if body.count("[") + body.count("{") > DEEPEST:
        _check_depth(body)
    try:
        value = _decode(body)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at {_place(body, error.pos)}") from error
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply to be read") from error
    return _whole(value) if _SURROGATE.search(body) else value


def _place(body: str, index: int) -> str:
    lines = line_feeds(body)
    return f"line {lines.count(chr(10), 0, index) + 1}, column {index - lines.rfind(chr(10), 0, index)}"


def _decode(body: str) -> Any:
    try:
        return _STRICT.decode(body)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
    return _HUGE_INTEGERS.decode(body)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(
            f"not valid JSON here: a number of {len(digits)} characters is too large for a float"
        )
    return number


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return _float(digits)


def _constant(name: str) -> Any:
    raise ValueError(f"not valid JSON: {name} is no JSON value")


_STRICT = json.JSONDecoder(parse_float=_float, parse_constant=_constant)
_HUGE_INTEGERS = json.JSONDecoder(parse_float=_float, parse_constant=_constant, parse_int=_integer)


def _check_depth(body: str) -> None:
    """Counts brackets outside strings, so that depth is refused before a parser meets it."""
    depth = 0
    for token in _BRACKETS_AND_STRINGS.finditer(body):
        char = body[token.start()]
        if char in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(
                    f"JSON is nested deeper than {DEEPEST} levels at {_place(body, token.start())}"
                )
        elif char != '"':
            depth -= 1


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        # The decoder has joined halves that fit; what is left is no character.
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
