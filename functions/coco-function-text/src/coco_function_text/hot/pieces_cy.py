"""Takes a text apart, level by level, into runs of pieces that fit.

Runs compiled and as plain Python, with the same results.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco_function_text.hot import _shim as cython
else:
    try:
        import cython
    except ModuleNotFoundError:
        from coco_function_text.hot import _shim as cython

Run = tuple[list[int], list[int], list[int], bool]
"""Neighbouring pieces of a text, trimmed, in order: where each starts and ends, and the rank of the boundary
before it (0 = strongest); last, whether they are joined: the boundaries are inside one section, so chunks may
overlap.
"""


def _is_compiled() -> bool:
    return bool(cython.compiled)


def take_apart(ruler: Any, most: int, levels: Sequence[Any]) -> list[Run]:
    """The runs of the whole text. A text that fits is one run of one piece, one of white space has no run.

    ``ruler``: the text's. ``most``: bytes that a piece may have. ``levels``: strongest first; the strong ones
    among them make sections, the others pieces of sections.
    """
    cutter = _Cutter(ruler, most, levels)
    cutter.take_all()
    return cutter.runs


@cython.cclass
class PlaceLevel:
    """A level that cuts at places found beforehand, for example the headings of a document.

    ``places``: ascending. ``of_part``: asked instead about a range that begins or ends with white space,
    where its cuts are not simply the places inside.
    """

    _places: list[int]
    _strong: object
    _of_part: object

    def __init__(
        self,
        places: list[int],
        strong: bool,
        of_part: Callable[[str, int, int], Sequence[int]] | None = None,
    ) -> None:
        self._places = places
        self._strong = strong
        self._of_part = of_part

    @property
    def strong(self) -> bool:
        """Whether the places are between sections."""
        return self._strong  # type: ignore[return-value]

    def cuts(self, text: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> Sequence[int]:
        """The places inside ``text[start:end]``."""
        if self._of_part is not None and (text[start].isspace() or text[end - 1].isspace()):
            return self._of_part(text, start, end)  # type: ignore[operator,no-any-return]
        return self._between(start, end)

    @cython.cfunc
    def _between(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> list[int]:
        places = self._places
        if not places or places[len(places) - 1] <= start or places[0] >= end:
            return []
        return places[bisect_right(places, start) : bisect_left(places, end)]


@cython.cclass
class _Cutter:
    ruler: object
    text: str
    ascii: cython.bint
    most: cython.Py_ssize_t
    strong: list[tuple[int, Any]]
    weak: list[tuple[int, Any]]
    runs: list[Run]

    def __init__(self, ruler: Any, most: int, levels: Sequence[Any]) -> None:
        self.ruler = ruler
        self.text = ruler.text
        self.ascii = ruler.ascii
        self.most = most
        self.strong = []
        self.weak = []
        self.runs = []
        for pair in enumerate(levels):
            if pair[1].strong:
                self.strong.append(pair)
            else:
                self.weak.append(pair)

    @cython.cfunc
    def take_all(self) -> None:
        start: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t = len(self.text)
        start = _skip(self.text, start, end)
        end = _back(self.text, start, end)
        if start == end:
            return
        if self.fits(start, end):
            self.runs.append(([start], [end], [0], True))
            return
        self.take_sections(start, end, 0)

    @cython.cfunc
    def fits(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
        length: cython.Py_ssize_t = end - start
        if self.ascii or length > self.most:
            return length <= self.most
        return length * 4 <= self.most or self.ruler.size(start, end) <= self.most  # type: ignore[attr-defined]

    @cython.cfunc
    def take_sections(
        self, start: cython.Py_ssize_t, end: cython.Py_ssize_t, depth: cython.Py_ssize_t
    ) -> None:
        """Adds the runs of a section that is too large, taken apart at the strong levels from ``depth``."""
        left: cython.Py_ssize_t
        right: cython.Py_ssize_t
        cut: cython.Py_ssize_t
        starts: list[int] = []
        ends: list[int] = []
        ranks: list[int] = []
        cuts: list[int] = []
        while depth < len(self.strong):
            rank, level = self.strong[depth]
            depth += 1
            cuts = _cuts(level, self.text, start, end)
            if cuts:
                break
        if not cuts:
            self.flatten(start, end, 0, 0, starts, ends, ranks)
            self.runs.append((starts, ends, ranks, True))
            return
        cuts.append(end)
        for cut in cuts:
            left = _skip(self.text, start, cut)
            right = _back(self.text, left, cut)
            start = cut
            if left == right:
                continue
            if self.fits(left, right):
                starts.append(left)
                ends.append(right)
                ranks.append(rank)
                continue
            if starts:
                self.runs.append((starts, ends, ranks, False))
                starts, ends, ranks = [], [], []
            self.take_sections(left, right, depth)
        if starts:
            self.runs.append((starts, ends, ranks, False))

    @cython.cfunc
    def flatten(
        self,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        depth: cython.Py_ssize_t,
        rank: cython.Py_ssize_t,
        starts: list[int],
        ends: list[int],
        ranks: list[int],
    ) -> None:
        """Adds the pieces of a range that is too large; ``rank``: of the boundary before it."""
        left: cython.Py_ssize_t
        right: cython.Py_ssize_t
        cut: cython.Py_ssize_t
        own: cython.Py_ssize_t = 0
        cuts: list[int] = []
        while depth < len(self.weak):
            own, level = self.weak[depth]
            depth += 1
            cuts = _cuts(level, self.text, start, end)
            if cuts:
                break
        if not cuts:
            starts.append(start)
            ends.append(end)
            ranks.append(rank)
            return
        cuts.append(end)
        for cut in cuts:
            left = _skip(self.text, start, cut)
            right = _back(self.text, left, cut)
            start = cut
            if left == right:
                continue
            if self.fits(left, right):
                starts.append(left)
                ends.append(right)
                ranks.append(rank)
            else:
                self.flatten(left, right, depth, rank, starts, ends, ranks)
            rank = own


@cython.cfunc
def _cuts(level: Any, text: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> list[int]:
    """A list of our own of the cuts in a range that neither begins nor ends with white space."""
    if type(level) is PlaceLevel:
        return cython.cast(PlaceLevel, level)._between(start, end)
    return list(level.cuts(text, start, end))


@cython.cfunc
def _skip(text: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """The first index from ``start`` on that is not white space, at most ``end``."""
    while start < end and text[start].isspace():
        start += 1
    return start


@cython.cfunc
def _back(text: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """The index behind the last character before ``end`` that is not white space, at least ``start``."""
    while start < end and text[end - 1].isspace():
        end -= 1
    return end
