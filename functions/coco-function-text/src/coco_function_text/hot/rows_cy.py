"""Rows of a table of chunks: text, byte offsets, lines and columns, in one pass over the text.

Runs compiled and as plain Python, with the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco_function_text.hot import _shim as cython
else:
    try:
        import cython
    except ModuleNotFoundError:
        from coco_function_text.hot import _shim as cython


def _is_compiled() -> bool:
    return bool(cython.compiled)


def locate_rows(
    text: str,
    lines: str,
    spans: Sequence[tuple[int, int]],
    key_class: Any,
    row_class: Any,
    position_class: Any,
) -> dict[Any, Any]:
    """A dict from ``key_class(span)`` to ``row_class(text[start:end], start position, end position)`` for
    each span ``(start, end)``, in their order; a position is (bytes before it, line, column).

    ``lines``: the text itself, or with a line feed in the place of other line ends.
    The classes are named tuples. The positions of a span are counted on from those of the one before, so it
    is linear in the text if starts and ends ascend and spans overlap little.
    """
    start: cython.Py_ssize_t
    end: cython.Py_ssize_t
    is_ascii: cython.bint = text.isascii()
    # The places known: where, bytes before it, its line, where that begins. First the start of a span.
    at: cython.Py_ssize_t = 0
    offset: cython.Py_ssize_t = 0
    line: cython.Py_ssize_t = 1
    line_start: cython.Py_ssize_t = 0
    end_at: cython.Py_ssize_t = 0
    end_offset: cython.Py_ssize_t = 0
    end_line: cython.Py_ssize_t = 1
    end_line_start: cython.Py_ssize_t = 0
    newlines: cython.Py_ssize_t
    new = tuple.__new__  # a named tuple's own __new__ is a Python function
    rows: dict[Any, Any] = {}
    for span in spans:
        start, end = span
        if start >= end_at:
            at, offset, line, line_start = end_at, end_offset, end_line, end_line_start
        elif start < at:
            at, offset, line, line_start = 0, 0, 1, 0
        if start > at:
            newlines = lines.count("\n", at, start)
            if newlines:
                line += newlines
                line_start = lines.rindex("\n", at, start) + 1
            if is_ascii:
                offset = start
            else:
                offset += len(text[at:start].encode("utf-8", "surrogatepass"))
            at = start
        piece = text[start:end]
        newlines = lines.count("\n", start, end)
        end_line = line + newlines
        end_line_start = lines.rindex("\n", start, end) + 1 if newlines else line_start
        end_offset = end if is_ascii else offset + len(piece.encode("utf-8", "surrogatepass"))
        end_at = end
        rows[new(key_class, (span,))] = new(
            row_class,
            (
                piece,
                new(position_class, (offset, line, start - line_start + 1)),
                new(position_class, (end_offset, end_line, end - end_line_start + 1)),
            ),
        )
    return rows
