"""Merges neighbouring small pieces into chunks, from left to right, looking no further than one chunk ahead.

Among the places where a chunk may end (at least the minimum, at most the limit) the strongest boundary wins.
Between equally strong ones *the text around them* decides (the smallest checksum), not how much has been
packed before. So after an edit the choice soon falls on the same places again, and later chunks stay as they
were, even in a text that has nothing but lines of equal length (FN-SplitRecursively-23).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from .graphemes import cut_after
from .levels import Level
from .positions import Span, utf8
from .ruler import Ruler

_CONTEXT = 32
"""Characters on each side of a boundary that decide between equal boundaries."""


class Sizes(NamedTuple):
    """The limits of a chunk in bytes of UTF-8. ``least`` <= ``most``; ``overlap`` < ``most``."""

    most: int
    least: int
    overlap: int


class Pieces(NamedTuple):
    """Neighbouring pieces of a text, trimmed, in order: where each starts and ends, and the rank of the
    boundary before it (0 = strongest). ``joined``: the boundaries are inside one section, so chunks may
    overlap.
    """

    starts: list[int]
    ends: list[int]
    ranks: list[int]
    joined: bool


class Packer:
    """Packs the pieces of one text. ``finer``: the levels at which an overlap may begin, strongest first."""

    def __init__(self, ruler: Ruler, sizes: Sizes, finer: Sequence[Level]) -> None:
        self._ruler = ruler
        self._sizes = sizes
        self._finer = finer

    def pack(self, pieces: Pieces) -> list[Span]:
        """The chunks: every piece is in one, and only a piece larger than a chunk is cut.

        With overlap a chunk may begin inside the one before it.
        """
        ruler, (most, _, overlap) = self._ruler, self._sizes
        starts, ends = pieces.starts, pieces.ends
        byte_starts, byte_ends = ruler.bytes_at(starts), ruler.bytes_at(ends)
        if not pieces.joined:
            overlap = 0
        chunks: list[Span] = []
        index, count = 0, len(starts)  # index: the first piece that is not covered to its end
        begin = start = starts[0]  # begin: the first character that is not covered; start: of the next chunk
        while index < count:
            byte_start = ruler.byte_at(start)
            limit = byte_start + most
            if byte_ends[-1] <= limit:
                chunks.append((start, ends[-1]))
                break
            beyond = bisect_right(byte_ends, limit, index)
            if beyond > index:
                last = self._choose(pieces, byte_starts, byte_ends, index, beyond, byte_start)
                end, index = ends[last], last + 1
                begin = starts[index]  # there is one: all of them would have fitted above
            else:  # one piece larger than a chunk, so it has no boundary inside
                if ruler.reach(start, most) <= begin:
                    start = begin
                end = ruler.trim(start, ruler.hard_cut(start, most, begin))[1]
                begin = ruler.skip(end, ends[index])
                if begin == ends[index]:  # the cut took a code point that is larger than a chunk
                    index += 1
                    begin = starts[index] if index < count else begin
            chunks.append((start, end))
            if index == count:
                break
            start = begin
            if overlap:
                whole = ruler.fits(begin, ends[index], most)  # then the repeated part must leave room for it
                room = min(overlap, most - ruler.size(end, ends[index])) if whole else overlap
                start = self._overlap_start(chunks[-1], begin, room)
        return chunks

    def _choose(
        self,
        pieces: Pieces,
        byte_starts: list[int],
        byte_ends: list[int],
        index: int,
        beyond: int,
        byte_start: int,
    ) -> int:
        """The piece that ends the chunk, out of ``index .. beyond - 1``, all of which fit."""
        most, least, _ = self._sizes
        low = bisect_left(byte_ends, byte_start + least, index, beyond)
        if low == beyond:
            return beyond - 1  # all too small: as much as fits, since the next piece must stay whole
        left = byte_ends[-1]
        if left - byte_starts[beyond] < least:  # leave enough for a last chunk, where that is possible
            enough = bisect_right(byte_starts, left - least, low + 1, beyond + 1) - 1
            beyond = enough if enough > low else beyond
        best = min(pieces.ranks[low + 1 : beyond + 1])
        equal = [last for last in range(low, beyond) if pieces.ranks[last + 1] == best]
        if len(equal) > 1 and left - byte_start <= 2 * most:  # two chunks hold the rest: do not make three
            equal = [last for last in equal if left - byte_starts[last + 1] <= most] or equal
        if len(equal) > 1:
            equal = [last for last in equal if byte_ends[last] - byte_start >= most // 2] or equal[-1:]
        if len(equal) == 1:
            return equal[0]
        return min(reversed(equal), key=lambda last: self._mark(pieces, last))

    def _mark(self, pieces: Pieces, last: int) -> int:
        """A checksum of the text around the boundary behind piece ``last``, within the section."""
        before = max(pieces.ends[last] - _CONTEXT, pieces.starts[0])
        after = min(pieces.starts[last + 1] + _CONTEXT, pieces.ends[-1])
        return crc32(utf8(self._ruler.text[before:after]))

    def _overlap_start(self, chunk: Span, begin: int, room: int) -> int:
        """Where the next chunk begins when at most ``room`` bytes of ``chunk`` may be repeated; ``begin``:
        where it begins without overlap. A boundary is preferred if it gives at least half of the room.
        """
        start, end = chunk
        if room <= 0:
            return begin
        ruler = self._ruler
        first = max(ruler.back(end, room), start + 1)
        found = end
        for level in self._finer:
            places = level.cuts(ruler.text, first - 1, end)
            place = ruler.trim(places[0], end)[0] if places else end
            found = min(found, place)
            if found < end and ruler.size(found, end) * 2 >= room:
                break
        else:
            if found == end:
                found = ruler.trim(cut_after(ruler.text, first, end), end)[0]
        return found if found < end else begin
