"""One pass over the lines of a Markdown text: headings, fenced code, front matter, blank lines.

Runs compiled and as plain Python, with the same results.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco_function_text.hot import _shim as cython
else:
    try:
        import cython
    except ModuleNotFoundError:
        from coco_function_text.hot import _shim as cython

Found = tuple[list[list[int]], list[tuple[int, int]], set[int], list[int], list[int]]

_FRONT_MATTER = re.compile(
    r"---[ \t\r]*\n(?=(?:\#[^\n]*\n)*[\w\"'][^\n]*:)(?:[^\n]*\n)*?(?:---|\.\.\.)[ \t\r]*(?:\n|\Z)"
)
MARKER = r"(?:[-*+]|\d{1,9}[.)])[ \t]"
"""The mark of a list item, as a pattern."""
CONTINUES_LIST = re.compile(rf"[ \t]{{2,}}|[ ]?{MARKER}")
"""How a line behind blank ones begins if the list above them goes on."""
_NO_PARAGRAPH = re.compile(rf"[ \t]*(?:$|[>|]|{MARKER})|(?: {{4}}|\t)|[ ]{{0,3}}(?:```|~~~)")


def _is_compiled() -> bool:
    return bool(cython.compiled)


def find_outline(text: str) -> Found:
    """Headings, fences, ends of headings, gaps and blocks.

    Headings: per level 1-6 the starts of sections; one directly under a higher one opens no section of its
    own: both stay with the text that follows. Fences: ranges from the start of the first line to the end of
    the last one. Ends of headings: indexes of the line breaks behind them. Gaps: ends of runs of blank lines,
    without those under a heading, which stays with its text. Blocks: gaps outside fences behind which no list
    goes on.
    """
    at: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t
    first: cython.Py_ssize_t
    behind: cython.Py_ssize_t
    stop: cython.Py_ssize_t
    start: cython.Py_ssize_t
    level: cython.Py_ssize_t
    count: cython.Py_ssize_t
    size: cython.Py_ssize_t = len(text)
    quiet: cython.Py_ssize_t = 0  # nothing before this counts
    last_level: cython.Py_ssize_t = 0
    last_end: cython.Py_ssize_t = 0
    blank_from: cython.Py_ssize_t = -1
    # The fence that is open: start of its line, its first mark, how many marks.
    opener: cython.Py_ssize_t = -1
    opener_first: cython.Py_ssize_t = 0
    opener_count: cython.Py_ssize_t = 0
    mark: cython.Py_UCS4 = " "
    is_fence: cython.bint
    blank: cython.bint
    headings: list[list[int]] = [[], [], [], [], [], []]
    fences: list[tuple[int, int]] = []
    heading_ends: set[int] = set()
    blank_starts: list[int] = []
    blank_ends: list[int] = []

    if text.startswith("---"):
        front = _FRONT_MATTER.match(text)
        if front is not None:
            quiet = front.end()
            fences.append((0, quiet))

    while at <= size:
        end = text.find("\n", at)
        if end < 0:
            end = size
        first = at
        blank = first == end
        if not blank:
            mark = text[first]
            if mark == " " or mark == "\t":
                first += 1
                while first < end and (text[first] == " " or text[first] == "\t"):
                    first += 1
                blank = first == end
                if not blank:
                    mark = text[first]
            if not blank and not "!" <= mark <= "~":
                blank = text[first:end].isspace()
        if blank and end < size:
            if blank_from < 0 < at:
                blank_from = at - 1
            at = end + 1
            continue
        if blank_from >= 0:
            blank_starts.append(blank_from)
            blank_ends.append(at)
            blank_from = -1
        if blank or mark not in "#`~=-" or at < quiet:
            at = end + 1
            continue

        # What the line is, if anything: ``stop`` is the end of its mark, ``count`` the marks in a row.
        behind = first + 1
        while behind < end and text[behind] == mark:
            behind += 1
        count = behind - first
        is_fence = mark == "`" or mark == "~"
        stop = -1
        if is_fence:
            if count >= 3:
                stop = end
        elif first - at <= 3 and text.find("\t", at, first) < 0:
            if mark != "#":
                if not text[behind:end].strip(" \t\r"):
                    stop = end
            elif count <= 6:
                if behind == end or (text[behind] == "\r" and behind + 1 == end):
                    stop = behind
                elif text[behind] == " " or text[behind] == "\t":
                    stop = end
        if stop < 0:
            at = end + 1
            continue

        if opener >= 0:
            if is_fence:
                # A fence ends at a line of its own kind that is at least as long.
                if mark == text[opener_first] and count >= opener_count and not text[behind:end].strip():
                    quiet = stop
                    fences.append((opener, quiet))
                    opener = -1
            elif mark == "#" and first == at and text.startswith(("    ", "\t"), opener):
                # One that a list item indents also ends with the list, which a heading without indent shows.
                quiet = at
                fences.append((opener, quiet))
                opener = -1
            if opener >= 0 or is_fence:
                at = end + 1
                continue
        elif is_fence:
            if mark == "~" or text.find("`", behind, end) < 0:
                opener = at
                opener_first = first
                opener_count = count
            at = end + 1
            continue

        start = at
        if mark == "#":
            level = count
        else:
            level = 1 if mark == "=" else 2
            start = _paragraph_start(text, at, quiet if quiet > last_end else last_end)
            if start == at:  # a rule across the page, not an underline
                at = end + 1
                continue
        # Only a heading right under a higher one is glued to it.
        if not (level > last_level > 0 and not text[last_end:start].strip()):
            headings[level - 1].append(start)
        heading_ends.add(stop)
        last_level = level
        last_end = stop
        at = end + 1

    if opener >= 0:
        fences.append((opener, size))
    gaps: list[int] = []
    blocks: list[int] = []
    fence_start: cython.Py_ssize_t = -1
    fence_end: cython.Py_ssize_t = -1
    index: cython.Py_ssize_t
    count = 0  # fences behind us or reached
    for index in range(len(blank_ends)):
        if heading_ends and blank_starts[index] in heading_ends:
            continue
        at = blank_ends[index]
        gaps.append(at)
        while fence_end <= at and count < len(fences):
            fence_start, fence_end = fences[count]
            count += 1
        if not fence_start < at < fence_end and not _continues_list(text, at, size):
            blocks.append(at)
    return headings, fences, heading_ends, gaps, blocks


@cython.cfunc
def _continues_list(text: str, at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.bint:
    if at == size:
        return False
    mark: cython.Py_UCS4 = text[at]
    if mark in " \t-*+" or mark.isdecimal():
        return CONTINUES_LIST.match(text, at) is not None
    return False


def _paragraph_start(text: str, line: int, floor: int) -> int:
    """Where the paragraph that ends right above ``line`` begins; ``line`` if there is none."""
    while line > floor:
        above = text.rfind("\n", floor, line - 1) + 1 or floor
        if not text[above:line].strip() or _NO_PARAGRAPH.match(text, above, line - 1):
            break
        line = above
    return line
