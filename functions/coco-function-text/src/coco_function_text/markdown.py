"""The levels of a Markdown text: sections by heading, blocks, list items, lines of code and tables,
sentences, words.

One pass finds headings (``#`` and underlined ones), fenced code and front matter. ``#`` inside a fence is no
heading, and a fence, a list and a table stay whole as long as they fit.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from coco_function_text.hot import CONTINUES_LIST, MARKER, PlaceLevel, find_outline
from coco_function_text.levels import BLANK_RUN, CLAUSES, LINES, SENTENCES, WORDS, FunctionLevel, Level
from coco_function_text.positions import Span

_BLANK_LINES = re.compile(BLANK_RUN)
_ITEM = re.compile(rf"\n(?=[ ]?{MARKER})")
_INNER_ITEM = re.compile(rf"\n(?=[ \t]+{MARKER})")
_TABLE_ROW = re.compile(r"\n(?=[^\n|]*\|)")
_PROSE: tuple[Level, ...] = (SENTENCES, LINES, CLAUSES, WORDS)


class Outline(NamedTuple):
    """What one pass over a text finds.

    ``headings``: per level 1-6 the starts of sections. A heading directly under a higher one opens no section
    of its own: both stay with the text that follows. ``fences``: ranges from the start of the first line to
    the end of the last one. ``heading_ends``: indexes of the line breaks behind headings. ``gaps``: places
    behind blank lines, but not behind those under a heading, which stays with its text. ``blocks``: gaps
    where neither a fence nor a list goes on.
    """

    headings: list[list[int]]
    fences: list[Span]
    heading_ends: set[int]
    gaps: list[int]
    blocks: list[int]


def outline(text: str) -> Outline:
    """Finds headings, fences and gaps."""
    return Outline(*find_outline(text))


class _Structure:
    """The levels between sections and sentences, of one text."""

    __slots__ = ("_edges", "_found")

    def __init__(self, found: Outline) -> None:
        self._found = found
        self._edges = sorted({edge for fence in found.fences for edge in fence}) if found.fences else []

    def items(self, text: str, start: int, end: int) -> Sequence[int]:
        """Items of a list, both ends of a fence."""
        places = {match.end() for match in _ITEM.finditer(text, start, end) if not self._fenced(match.end())}
        places.update(self._edges[bisect_right(self._edges, start) : bisect_left(self._edges, end)])
        return sorted(place for place in places if place < end)

    def rows(self, text: str, start: int, end: int) -> Sequence[int]:
        """Inner items, rows of tables, lines of code."""
        places = {match.end() for match in _INNER_ITEM.finditer(text, start, end)}
        places.update(match.end() for match in _TABLE_ROW.finditer(text, start, end))
        if self._edges:
            places.update(place for place in LINES.cuts(text, start, end) if self._fenced(place))
        return sorted(place for place in places if place < end)

    def _fenced(self, place: int) -> bool:
        fences = self._found.fences
        index = bisect_left(fences, (place,)) - 1
        return index >= 0 and place < fences[index][1]

    # The following are asked only about parts of texts that may begin or end inside a run of blank lines.

    def gaps_of_part(self, text: str, start: int, end: int) -> list[int]:
        """Behind any blank lines."""
        return [
            match.end()
            for match in _BLANK_LINES.finditer(text, start, end)
            if match.start() not in self._found.heading_ends and match.end() < end
        ]

    def blocks_of_part(self, text: str, start: int, end: int) -> list[int]:
        """Behind blank lines, where neither a fence nor a list goes on."""
        return [
            place
            for place in self.gaps_of_part(text, start, end)
            if not self._fenced(place) and not CONTINUES_LIST.match(text, place)
        ]


def markdown_levels(text: str) -> tuple[Level, ...]:
    """The levels of one text, strongest first."""
    found = outline(text)
    structure = _Structure(found)
    return (
        *[PlaceLevel(places, True) for places in found.headings if places],
        PlaceLevel(found.blocks, False, structure.blocks_of_part),
        FunctionLevel(structure.items),
        PlaceLevel(found.gaps, False, structure.gaps_of_part),
        FunctionLevel(structure.rows),
        *_PROSE,
    )
