"""Splits a text level by level: a piece that fits is never cut, one that does not goes to the next level.

The text is first taken apart into sections (strong levels); sections that fit stand in runs of neighbours, a
section that does not fit is taken apart by itself. What remains too large without sections is cut into pieces
at the weak levels. Every run is then packed into chunks on its own (see ``packing``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .levels import PLAIN_TEXT, Level
from .packing import Packer, Pieces, Sizes
from .positions import Span
from .ruler import Ruler


def sizes_of(chunk_size: int, min_chunk_size: int | None = None, chunk_overlap: int | None = None) -> Sizes:
    """Checks the sizes of a split, all in bytes of UTF-8 (FN-SplitRecursively-21).

    ``min_chunk_size``: default half of ``chunk_size``, rounded down. ``chunk_overlap``: default 0.

    :raises ValueError: ``chunk_size`` < 1, ``min_chunk_size`` outside 0 .. ``chunk_size``, or
        ``chunk_overlap`` outside 0 .. ``chunk_size - 1``.
    """
    for name, size in (
        ("chunk_size", chunk_size), ("min_chunk_size", min_chunk_size), ("chunk_overlap", chunk_overlap)
    ):  # fmt: skip
        if (size is None and name != "chunk_size") or (isinstance(size, int) and not isinstance(size, bool)):
            continue
        raise ValueError(f"{name} must be a number of bytes, got {size!r}")
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    least = chunk_size // 2 if min_chunk_size is None else min_chunk_size
    overlap = chunk_overlap or 0
    if not 0 <= least <= chunk_size:
        raise ValueError(f"min_chunk_size must be between 0 and chunk_size ({chunk_size}), got {least}")
    if not 0 <= overlap < chunk_size:
        raise ValueError(
            f"chunk_overlap must be at least 0 and less than chunk_size ({chunk_size}), got {overlap}"
        )
    return Sizes(chunk_size, least, overlap)


def split_text(
    text: str,
    *,
    chunk_size: int,
    min_chunk_size: int | None = None,
    chunk_overlap: int | None = None,
    levels: Sequence[Level] = PLAIN_TEXT,
) -> list[Span]:
    """The chunks of a text as ranges of characters, in order; deterministic, and linear in the text.

    Without overlap they are disjoint and cover all that is not white space. No chunk is larger than
    ``chunk_size`` bytes of UTF-8, unless it is a single code point. No chunk begins or ends with white space.

    :raises ValueError: see ``sizes_of``.
    """
    return _Splitter(text, sizes_of(chunk_size, min_chunk_size, chunk_overlap), levels).split()


class _Splitter:
    def __init__(self, text: str, sizes: Sizes, levels: Sequence[Level]) -> None:
        self._text = text
        self._ruler = Ruler(text)
        self._most = sizes.most
        self._strong = [(rank, level) for rank, level in enumerate(levels) if level.strong]
        self._weak = [(rank, level) for rank, level in enumerate(levels) if not level.strong]
        self._packer = Packer(self._ruler, sizes, [level for _, level in self._weak])

    def split(self) -> list[Span]:
        start, end = self._ruler.trim(0, len(self._text))
        if start == end:
            return []
        if self._ruler.fits(start, end, self._most):
            return [(start, end)]
        return [span for run in self._runs(start, end, 0) for span in self._packer.pack(run)]

    def _runs(self, start: int, end: int, depth: int) -> Iterator[Pieces]:
        """The runs of a section that is too large, taken apart at the strong levels from ``depth`` on."""
        for here in range(depth, len(self._strong)):
            rank, level = self._strong[here]
            cuts = level.cuts(self._text, start, end)
            if cuts:
                break
        else:
            whole = Pieces([], [], [], joined=True)
            self._flatten(start, end, 0, 0, whole)
            yield whole
            return
        run = Pieces([], [], [], joined=False)
        for left, right in self._between(start, cuts, end):
            if self._ruler.fits(left, right, self._most):
                run.starts.append(left)
                run.ends.append(right)
                run.ranks.append(rank)
                continue
            if run.starts:
                yield run
                run = Pieces([], [], [], joined=False)
            yield from self._runs(left, right, here + 1)
        if run.starts:
            yield run

    def _between(self, start: int, cuts: Sequence[int], end: int) -> Iterator[Span]:
        """The trimmed pieces between cuts, without those that are white space only."""
        trim = self._ruler.trim
        for cut in (*cuts, end):
            left, right = trim(start, cut)
            if left < right:
                yield left, right
            start = cut

    def _flatten(self, start: int, end: int, depth: int, rank: int, into: Pieces) -> None:
        """Adds the pieces of a range that is too large; ``rank``: of the boundary before it."""
        for here in range(depth, len(self._weak)):
            own, level = self._weak[here]
            cuts = level.cuts(self._text, start, end)
            if cuts:
                break
        else:
            into.starts.append(start)
            into.ends.append(end)
            into.ranks.append(rank)
            return
        fits, most = self._ruler.fits, self._most
        for left, right in self._between(start, cuts, end):
            if fits(left, right, most):
                into.starts.append(left)
                into.ends.append(right)
                into.ranks.append(rank)
            else:
                self._flatten(left, right, here + 1, rank, into)
            rank = own
