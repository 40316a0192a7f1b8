"""The levels of a Markdown text: sections by heading, blocks, list items, lines of code and tables,
sentences, words.

One pass finds headings (``#`` and underlined ones), fenced code and front matter. ``#`` inside a fence is no
heading, and a fence, a list and a table stay whole as long as they fit (FN-SplitRecursively-18).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from .levels import CLAUSES, LINES, SENTENCES, WORDS, FunctionLevel, Level, PlaceLevel
from .positions import Span

_MARKS = re.compile(
    r"""\n(?:
        (?P<fence>[ \t]*(?:`{3,}|~{3,}))(?P<info>[^\n]*)
      | [ ]{0,3}(?P<hashes>\#{1,6})(?:[ \t][^\n]*|(?=\r?(?:\n|\Z)))
      | [ ]{0,3}(?P<under>=+|-+)[ \t\r]*(?=\n|\Z)
    )""",
    re.VERBOSE,
)
_FRONT_MATTER = re.compile(
    r"---[ \t\r]*\n(?=(?:\#[^\n]*\n)*[\w\"'][^\n]*:)(?:[^\n]*\n)*?(?:---|\.\.\.)[ \t\r]*(?:\n|\Z)"
)
_MARKER = r"(?:[-*+]|\d{1,9}[.)])[ \t]"
_NO_PARAGRAPH = re.compile(rf"[ \t]*(?:$|[>|]|{_MARKER})|(?: {{4}}|\t)|[ ]{{0,3}}(?:```|~~~)")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_CONTINUES_LIST = re.compile(rf"[ \t]{{2,}}|[ ]?{_MARKER}")
_ITEM = re.compile(rf"\n(?=[ ]?{_MARKER})")
_INNER_ITEM = re.compile(rf"\n(?=[ \t]+{_MARKER})")
_TABLE_ROW = re.compile(r"\n(?=[^\n|]*\|)")


@dataclass(slots=True)
class Outline:
    """What one pass over a text finds.

    ``headings``: per level 1-6 the starts of sections. ``fences``: ranges from the start of the first line to
    the end of the last one. ``heading_ends``: indexes of the line breaks behind headings.
    """

    headings: list[list[int]] = field(default_factory=lambda: [[] for _ in range(6)])
    fences: list[Span] = field(default_factory=list)
    heading_ends: set[int] = field(default_factory=set)


def outline(text: str) -> Outline:
    """Finds headings and fences. A heading directly under a higher one opens no section of its own: both stay
    with the text that follows.
    """
    found = Outline()
    front = _FRONT_MATTER.match(text)
    quiet = front.end() if front else 0  # nothing before this counts
    if front:
        found.fences.append((0, front.end()))
    previous = (0, 0)  # level and end of the last heading
    opener: re.Match[str] | None = None
    # A line break in front makes the first line like all others, and a match starts at the index of its line.
    source = "\n" + text
    for mark in _MARKS.finditer(source):
        start, end = mark.start(), mark.end() - 1
        if start < quiet:
            continue
        if opener is not None:
            if _ends_fence(opener, mark):
                quiet = end if mark["fence"] else start
                found.fences.append((opener.start(), quiet))
                opener = None
            if opener is not None or mark["fence"]:
                continue
        elif mark["fence"]:
            if "~" in mark["fence"] or "`" not in mark["info"]:
                opener = mark
            continue
        if mark["hashes"]:
            level = len(mark["hashes"])
        elif mark["under"]:
            level = 1 if mark["under"][0] == "=" else 2
            start = _paragraph_start(text, start, max(quiet, previous[1]))
            if start == mark.start():
                continue  # a rule across the page, not an underline
        else:
            continue
        glued = level > previous[0] > 0 and not text[previous[1] : start].strip()
        if not glued:
            found.headings[level - 1].append(start)
        found.heading_ends.add(end)
        previous = (level, end)
    if opener is not None:
        found.fences.append((opener.start(), len(text)))
    return found


def _ends_fence(opener: re.Match[str], mark: re.Match[str]) -> bool:
    """A fence ends at a line of its own kind that is at least as long; one that is indented by a list item
    also ends with the list, which a heading without indent shows.
    """
    if mark["fence"]:
        own, other = opener["fence"].strip(), mark["fence"].strip()
        return other[0] == own[0] and len(other) >= len(own) and not mark["info"].strip()
    in_list = opener["fence"].startswith(("    ", "\t"))
    return in_list and bool(mark["hashes"]) and mark.group().startswith("\n#")


def _paragraph_start(text: str, line: int, floor: int) -> int:
    """Where the paragraph that ends right above ``line`` begins; ``line`` if there is none."""
    while line > floor:
        above = text.rfind("\n", floor, line - 1) + 1 or floor
        if not text[above:line].strip() or _NO_PARAGRAPH.match(text, above, line - 1):
            break
        line = above
    return line


def markdown_levels(text: str) -> tuple[Level, ...]:
    """The levels of one text, strongest first."""
    found = outline(text)
    edges = sorted({edge for fence in found.fences for edge in fence})
    fence_starts = [fence[0] for fence in found.fences]

    def fenced(place: int) -> bool:
        index = bisect_right(fence_starts, place) - 1
        return index >= 0 and found.fences[index][0] < place < found.fences[index][1]

    def gaps(start: int, end: int) -> list[int]:
        """Behind blank lines, but not behind those under a heading, which stays with its text."""
        return [
            match.end()
            for match in _BLANK_LINES.finditer(text, start, end)
            if match.start() not in found.heading_ends and match.end() < end
        ]

    def blocks(_: str, start: int, end: int) -> Sequence[int]:
        ends = gaps(start, end)
        return [place for place in ends if not fenced(place) and not _CONTINUES_LIST.match(text, place)]

    def items(_: str, start: int, end: int) -> Sequence[int]:
        places = {match.end() for match in _ITEM.finditer(text, start, end) if not fenced(match.end())}
        places.update(edges[bisect_right(edges, start) : bisect_left(edges, end)])
        return sorted(place for place in places if place < end)

    def inner(_: str, start: int, end: int) -> Sequence[int]:
        return gaps(start, end)

    def rows(_: str, start: int, end: int) -> Sequence[int]:
        places = {match.end() for match in _INNER_ITEM.finditer(text, start, end)}
        places.update(match.end() for match in _TABLE_ROW.finditer(text, start, end))
        places.update(place for place in LINES.cuts(text, start, end) if fenced(place))
        return sorted(place for place in places if place < end)

    headings = [PlaceLevel(places, strong=True) for places in found.headings]
    structure = (FunctionLevel(blocks), FunctionLevel(items), FunctionLevel(inner), FunctionLevel(rows))
    return (*headings, *structure, SENTENCES, LINES, CLAUSES, WORDS)
