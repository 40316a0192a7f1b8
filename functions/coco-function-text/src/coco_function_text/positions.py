"""Pieces of a text and their places."""

from __future__ import annotations

import re
from typing import NamedTuple

_LONE_RETURN = re.compile(r"\r(?!\n)")
Span = tuple[int, int]
"""A half-open range of characters (code points)."""


class TextPosition(NamedTuple):
    """A place in a text.

    ``offset``: bytes of UTF-8 before it, from 0. ``line``: from 1; ``\\n``, ``\\r\\n`` and a ``\\r`` alone end a line.
    ``column``: from 1, in code points.
    """

    offset: int
    line: int
    column: int


class Chunk(NamedTuple):
    """A piece of a text and where it stands in it; ``end`` is exclusive.

    The table of chunks is keyed by ``location``, the half-open range of characters: ``text ==
    original[location]`` and ``text.encode() == original.encode()[start.offset:end.offset]``.
    """

    text: str
    start: TextPosition
    end: TextPosition


def line_feeds(text: str) -> str:
    """A text of the same length in which each carriage return that ends a line alone is a line feed."""
    if text.count("\r") == text.count("\r\n"):
        return text
    return _LONE_RETURN.sub("\n", text)


def utf8(text: str) -> bytes:
    """The bytes of a text. A lone surrogate, which is no valid text, counts three bytes instead of
    raising.
    """
    return text.encode("utf-8", "surrogatepass")
