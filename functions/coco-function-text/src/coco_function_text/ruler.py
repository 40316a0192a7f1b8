"""Sizes in UTF-8 bytes of pieces of a text that is indexed by characters."""

from __future__ import annotations

import re

from coco_function_text.graphemes import cut_before
from coco_function_text.positions import utf8

_SHIFT = 8  # one checkpoint per 256 characters: small against a chunk, and cheap to build
_SPACES = re.compile(r"\s*")


class Ruler:
    """Measures one text. In ASCII text a character is a byte and every question is a subtraction.

    For other text a table of byte offsets at every 256th character is built once; a question then encodes at
    most 256 characters.
    """

    __slots__ = ("_table", "ascii", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.ascii = text.isascii()
        self._table: list[int] = []
        if not self.ascii:
            step, total = 1 << _SHIFT, 0
            for at in range(0, len(text) + 1, step):
                self._table.append(total)
                total += len(utf8(text[at : at + step]))

    def byte_at(self, index: int) -> int:
        """Bytes before the character at ``index``."""
        if self.ascii:
            return index
        cell = index >> _SHIFT
        return self._table[cell] + len(utf8(self.text[cell << _SHIFT : index]))

    def bytes_at(self, places: list[int]) -> list[int]:
        """Bytes before each of some ascending indexes."""
        if self.ascii or not places:
            return places
        text, at, total, found = self.text, places[0], self.byte_at(places[0]), []
        for place in places:
            total += len(utf8(text[at:place]))
            at = place
            found.append(total)
        return found

    def size(self, start: int, end: int) -> int:
        """Bytes of ``text[start:end]``."""
        if self.ascii:
            return end - start
        if end - start <= 1 << _SHIFT:
            return len(utf8(self.text[start:end]))
        return self.byte_at(end) - self.byte_at(start)

    def fits(self, start: int, end: int, limit: int) -> bool:
        """Whether ``text[start:end]`` has at most ``limit`` bytes."""
        length = end - start
        if self.ascii or length > limit:
            return length <= limit
        return length * 4 <= limit or self.size(start, end) <= limit

    def trim(self, start: int, end: int) -> tuple[int, int]:
        """The same range without white space at its ends; empty (both equal) when there is nothing else."""
        piece = self.text[start:end].lstrip()
        start = end - len(piece)
        return start, start + len(piece.rstrip())

    def skip(self, start: int, end: int) -> int:
        """The first index from ``start`` on that is not white space, at most ``end``."""
        found = _SPACES.match(self.text, start, end)
        return found.end() if found else start

    def reach(self, start: int, limit: int) -> int:
        """The last index such that ``text[start:index]`` has at most ``limit`` bytes."""
        if self.ascii:
            return min(start + limit, len(self.text))
        taken = utf8(self.text[start : start + limit])
        if len(taken) > limit:
            while limit and taken[limit] & 0xC0 == 0x80:  # inside a code point
                limit -= 1
            taken = taken[:limit]
        return start + len(taken.decode("utf-8", "surrogatepass"))

    def hard_cut(self, start: int, limit: int, floor: int) -> int:
        """Where to cut a piece that offers no boundary: the last place within ``limit`` bytes that is no
        inside of a grapheme, or failing that between two code points; never at or before ``floor``. One code
        point that is itself longer than ``limit`` is let through.
        """
        end = max(self.reach(start, limit), floor + 1)
        return cut_before(self.text, end, floor)

    def back(self, end: int, limit: int) -> int:
        """The first index such that ``text[index:end]`` has at most ``limit`` bytes."""
        if self.ascii:
            return max(end - limit, 0)
        base = max(end - limit, 0)
        taken = utf8(self.text[base:end])
        if len(taken) > limit:
            cut = len(taken) - limit
            while cut < len(taken) and taken[cut] & 0xC0 == 0x80:
                cut += 1
            taken = taken[cut:]
        return end - len(taken.decode("utf-8", "surrogatepass"))
