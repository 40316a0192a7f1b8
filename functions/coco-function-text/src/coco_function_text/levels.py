"""Levels of boundaries: where a text may be cut, from the strongest kind of place to the weakest.

A level answers one question: where does it cut inside ``text[start:end]``? It is asked only about pieces that
are still too large, so a level costs nothing on text that a higher one has cut well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from coco_function_text.separators import Separator


class Level(Protocol):
    """One kind of boundary.

    ``strong``: a boundary between sections. A section that is too large is split by itself, no chunk and no
    overlap reaches from it into its neighbours, and so an edit inside it changes no chunk of theirs.
    """

    @property
    def strong(self) -> bool: ...

    def cuts(self, text: str, start: int, end: int) -> Sequence[int]:
        """Ascending indexes ``start < cut < end``; each begins a new piece. White space may be on either
        side.
        """
        ...


class PatternLevel:
    """Cuts at the end of every match of a pattern of ours in which no group took part.

    The pattern must take linear time on every text. One that goes over a run (of blank lines, say) before it knows
    whether it matches would go over the run again from each of its lines. So the case that it does not match is an
    alternative with an empty group, which consumes the run.

    Compiled when it is first looked for: most of these are for languages that a flow never meets.
    """

    strong = False

    def __init__(self, pattern: str, *, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags

    @functools.cached_property
    def _find(self) -> Callable[[str, int, int], Iterator[re.Match[str]]]:
        return re.compile(self._pattern, self._flags).finditer

    def cuts(self, text: str, start: int, end: int) -> list[int]:
        found = [match.end() for match in self._find(text, start, end) if match.lastindex is None]
        if found and found[-1] >= end:
            found.pop()
        return found


class SeparatorLevel:
    """Cuts at a user's separator: before it if it opens what follows (a heading mark), else behind it."""

    def __init__(self, separator: Separator) -> None:
        self._separator = separator
        self.strong = separator.opens

    def cuts(self, text: str, start: int, end: int) -> list[int]:
        found = []
        for left, right in self._separator.matches(text, start, end):
            cut = left if _opens_next(text[left:right]) else right
            if start < cut < end:
                found.append(cut)
        return found


def _opens_next(separator: str) -> bool:
    """Whether a separator has something besides white space after a line break."""
    return bool(separator.partition("\n")[2].strip())


class FunctionLevel:
    """Cuts where a function says. Its ``cuts`` is the function itself."""

    __slots__ = ("cuts", "strong")

    def __init__(self, find: Callable[[str, int, int], Sequence[int]], *, strong: bool = False) -> None:
        self.cuts = find
        self.strong = strong


_CLOSERS = r"[\"'”’»)\]}」』）】》]*"
_WIDE_STOPS = "。！？｡？।॥؟۔։።။…"
BLANK_RUN = r"\n(?:[^\S\n]*+\n)++"
BLANK_LINES = PatternLevel(BLANK_RUN)
SENTENCES = PatternLevel(rf"[.!?]{_CLOSERS}(?=\s)|[{_WIDE_STOPS}]{_CLOSERS}")
LINES = PatternLevel(r"\n")
LINES_AND_SENTENCES = PatternLevel(rf"\n|[.!?]{_CLOSERS}(?=\s)|[{_WIDE_STOPS}]{_CLOSERS}")
CLAUSES = PatternLevel(r"[,;:)\]}—–،؛՝](?=\s)|[、，；：·]")
WORDS = PatternLevel(r"\s+")

PLAIN_TEXT: tuple[Level, ...] = (BLANK_LINES, LINES_AND_SENTENCES, CLAUSES, WORDS)
"""Blank lines; ends of lines and sentences of many scripts; other punctuation; white space."""
