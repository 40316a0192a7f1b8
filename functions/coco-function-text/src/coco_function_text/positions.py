"""From character spans to chunks: byte offset, line and column of every span, in one pass over the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def locate(text: str, points: Iterable[int]) -> dict[int, TextPosition]:
    """The positions of some character indexes of ``text``, in any order and with repeats; linear in the
    text.
    """
    found: dict[int, TextPosition] = {}
    ascii_only = text.isascii()
    at, offset, line, line_start = 0, 0, 1, 0
    for point in sorted(set(points)):
        newlines = text.count("\n", at, point)
        if newlines:
            line += newlines
            line_start = text.rindex("\n", at, point) + 1
        offset += point - at if ascii_only else len(utf8(text[at:point]))
        at = point
        found[point] = TextPosition(offset, line, point - line_start + 1)
    return found


def chunks_of(text: str, spans: Sequence[Span]) -> dict[Span, Chunk]:
    """The chunks at the given spans, keyed by span in the given order; equal spans give one chunk."""
    at = locate(text, (point for span in spans for point in span))
    return {span: Chunk(text[span[0] : span[1]], at[span[0]], at[span[1]]) for span in spans}
