"""Merges the pieces of one run into chunks; ``coco_function_text.packing`` says by which rules.

Runs compiled and as plain Python, with the same results.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from coco_function_text.hot import _shim as cython
else:
    try:
        import cython
    except ModuleNotFoundError:
        from coco_function_text.hot import _shim as cython

_CONTEXT = 32
"""Characters on each side of a boundary that decide between equal boundaries."""


def _is_compiled() -> bool:
    return bool(cython.compiled)


def pack(
    ruler: Any,
    starts: list[int],
    ends: list[int],
    ranks: list[int],
    most: cython.Py_ssize_t,
    least: cython.Py_ssize_t,
    overlap_start: Any,
    chunks: list[tuple[int, int]],
) -> None:
    """Adds to ``chunks`` those of one run: every piece is in one, and only a piece larger than a chunk is cut.

    ``starts``, ``ends``, ``ranks``: see ``pieces_cy.Run``; there is at least one piece. ``most``, ``least``:
    bytes of a chunk. ``overlap_start``: None without overlap; called with the chunk before, where the next
    one begins without overlap, and the end of its first piece, it gives where that begins with overlap.
    """
    index: cython.Py_ssize_t = 0  # the first piece that is not covered to its end
    count: cython.Py_ssize_t = len(starts)
    begin: cython.Py_ssize_t = starts[0]  # the first character that is not covered
    start: cython.Py_ssize_t = begin  # of the next chunk
    end: cython.Py_ssize_t = ends[count - 1]
    last: cython.Py_ssize_t
    beyond: cython.Py_ssize_t
    byte_start: cython.Py_ssize_t
    total: cython.Py_ssize_t
    is_ascii: cython.bint = ruler.ascii
    byte_starts: list[int]
    byte_ends: list[int]

    if is_ascii:
        if end - start <= most:
            chunks.append((start, end))
            return
        byte_starts, byte_ends = starts, ends
    else:
        byte_starts, byte_ends = ruler.bytes_at(starts), ruler.bytes_at(ends)
    total = byte_ends[count - 1]
    while index < count:
        byte_start = start if is_ascii else ruler.byte_at(start)
        if total - byte_start <= most:
            chunks.append((start, ends[count - 1]))
            return
        beyond = bisect_right(byte_ends, byte_start + most, index)
        if beyond > index:
            last = _choose(
                ruler.text,
                starts,
                ends,
                ranks,
                byte_starts,
                byte_ends,
                index,
                beyond,
                byte_start,
                most,
                least,
            )
            end = ends[last]
            index = last + 1
            begin = starts[index]  # there is one: all of them would have fitted above
        else:  # one piece larger than a chunk, so it has no boundary inside
            if ruler.reach(start, most) <= begin:
                start = begin
            end = ruler.trim(start, ruler.hard_cut(start, most, begin))[1]
            begin = ruler.skip(end, ends[index])
            if begin == ends[index]:  # the cut took a code point that is larger than a chunk
                index += 1
                if index < count:
                    begin = starts[index]
        chunks.append((start, end))
        if index == count:
            return
        start = begin if overlap_start is None else overlap_start(chunks[-1], begin, ends[index])


@cython.cfunc
def _choose(
    text: str,
    starts: list[int],
    ends: list[int],
    ranks: list[int],
    byte_starts: list[int],
    byte_ends: list[int],
    index: cython.Py_ssize_t,
    beyond: cython.Py_ssize_t,
    byte_start: cython.Py_ssize_t,
    most: cython.Py_ssize_t,
    least: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """The piece that ends the chunk, out of ``index .. beyond - 1``, all of which fit."""
    low: cython.Py_ssize_t = bisect_left(byte_ends, byte_start + least, index, beyond)
    last: cython.Py_ssize_t
    left: cython.Py_ssize_t
    enough: cython.Py_ssize_t
    best: cython.Py_ssize_t
    rank: cython.Py_ssize_t
    if low == beyond:
        return beyond - 1  # all too small: as much as fits, since the next piece must stay whole
    left = byte_ends[len(byte_ends) - 1]
    if left - byte_starts[beyond] < least:  # leave enough for a last chunk, where that is possible
        enough = bisect_right(byte_starts, left - least, low + 1, beyond + 1) - 1
        if enough > low:
            beyond = enough
    if beyond == low + 1:
        return low
    best = ranks[low + 1]
    equal: list[int] = []
    for last in range(low, beyond):
        rank = ranks[last + 1]
        if rank < best:
            best = rank
            equal = [last]
        elif rank == best:
            equal.append(last)
    if len(equal) > 1 and left - byte_start <= 2 * most:  # two chunks hold the rest: do not make three
        equal = [last for last in equal if left - byte_starts[last + 1] <= most] or equal
    if len(equal) > 1:
        equal = [last for last in equal if byte_ends[last] - byte_start >= most // 2] or equal[-1:]
    best = equal[len(equal) - 1]
    if len(equal) > 1:
        smallest = 1 << 32
        for last in reversed(equal):
            mark = _mark(text, starts, ends, last)
            if mark < smallest:
                smallest = mark
                best = last
    return best


@cython.cfunc
def _mark(text: str, starts: list[int], ends: list[int], last: cython.Py_ssize_t) -> int:
    """A checksum of the text around the boundary behind piece ``last``, within the section."""
    before: cython.Py_ssize_t = ends[last] - _CONTEXT
    after: cython.Py_ssize_t = starts[last + 1] + _CONTEXT
    first: cython.Py_ssize_t = starts[0]
    final: cython.Py_ssize_t = ends[len(ends) - 1]
    if before < first:
        before = first
    if after > final:
        after = final
    return crc32(text[before:after].encode("utf-8", "surrogatepass"))
