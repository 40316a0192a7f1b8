"""Pieces of a text and their places."""

from __future__ import annotations

from typing import NamedTuple

Span = tuple[int, int]
"""A half-open range of characters (code points)."""


class TextPosition(NamedTuple):
    """A place in a text.

    ``offset``: bytes of UTF-8 before it, from 0. ``line``: from 1; ``\\n`` ends a line, so ``\\r\\n`` counts
    once.
    ``column``: from 1, in code points.
    """

    offset: int
    line: int
    column: int


class Chunk(NamedTuple):
    """A piece of a text and where it stands in it; ``end`` is exclusive (FN-SplitRecursively-4, -5).

    The table of chunks is keyed by ``location``, the half-open range of characters: ``text ==
    original[location]`` and ``text.encode() == original.encode()[start.offset:end.offset]``.
    """

    text: str
    start: TextPosition
    end: TextPosition


def utf8(text: str) -> bytes:
    """The bytes of a text. A lone surrogate, which is no valid text, counts three bytes instead of
    raising.
    """
    return text.encode("utf-8", "surrogatepass")
