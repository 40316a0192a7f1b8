"""Merges neighbouring small pieces into chunks, from left to right, looking no further than one chunk ahead.

Among the places where a chunk may end (at least the minimum, at most the limit) the strongest boundary wins.
Between equally strong ones *the text around them* decides (the smallest checksum), not how much has been
packed before. So after an edit the choice soon falls on the same places again, and later chunks stay as they
were, even in a text that has nothing but lines of equal length.

``hot.packing_cy`` chooses the places; overlaps are found here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coco_function_text.graphemes import cut_after
from coco_function_text.hot import pack
from coco_function_text.hot.pieces_cy import Run
from coco_function_text.levels import Level
from coco_function_text.positions import Span
from coco_function_text.ruler import Ruler
from coco_function_text.sizes import Sizes


class Packer:
    """Packs the pieces of one text. ``levels``: strongest first; an overlap may begin at those not strong."""

    __slots__ = ("_finer", "_ruler", "_sizes")

    def __init__(self, ruler: Ruler, sizes: Sizes, levels: Sequence[Level]) -> None:
        self._ruler = ruler
        self._sizes = sizes
        self._finer = [level for level in levels if not level.strong] if sizes.overlap else []

    def pack(self, runs: Iterable[Run]) -> list[Span]:
        """The chunks of all runs: every piece is in one, and only a piece larger than a chunk is cut.

        With overlap a chunk may begin inside the one before it.
        """
        most, least, overlap = self._sizes
        ruler, next_start = self._ruler, self._next_start if overlap else None
        chunks: list[Span] = []
        for starts, ends, ranks, joined in runs:
            pack(ruler, starts, ends, ranks, most, least, next_start if joined else None, chunks)
        return chunks

    def _next_start(self, chunk: Span, begin: int, first_end: int) -> int:
        """Where the chunk behind ``chunk`` begins. ``begin``: where it would without overlap; ``first_end``:
        the end of its first piece, for which the repeated part must leave room.
        """
        ruler, (most, _, room) = self._ruler, self._sizes
        if ruler.fits(begin, first_end, most):
            room = min(room, most - ruler.size(chunk[1], first_end))
        return self._overlap_start(chunk, begin, room)

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
