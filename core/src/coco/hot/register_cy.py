"""Keys of a source with the version of each, in 17 bytes a slot: detection without a record per row.

A table with open addressing: by slot the hash of a key and a version (``cells``, two 64-bit numbers), and a mark.
Hashes are those of this process and cannot be predicted. The same version of the same key proves "unchanged"; the caller
processes all other keys, so the table can only save work. Callers ensure that the number of slots is a power of two and
that a third of them is free.
"""

from __future__ import annotations

from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython

EMPTY: cython.char = 0
TRACKED: cython.char = 1
"""In state, not seen in the listing so far."""
LISTED: cython.char = 2
"""Seen in the listing; whether state has it, the table does not say."""
BOTH: cython.char = 3


def _is_compiled() -> bool:
    return bool(cython.compiled)


@cython.cfunc  # type: ignore[untyped-decorator]
def _slot_of(
    pairs: cython.p_longlong, states: cython.p_char, mask: cython.longlong, hashed: cython.longlong
) -> cython.longlong:
    """Where a key is, or the free slot that it would take."""
    slot: cython.longlong = hashed & mask
    while states[slot] != EMPTY and pairs[2 * slot] != hashed:
        slot = (slot + 1) & mask
    return slot


def enter_tracked(cells: bytearray, marks: bytearray, rows: list[Any]) -> int:
    """Enter the rows of state that can be told to be unchanged; returns how many.

    ``rows``: tuples (key, part of the version, ...); where the first part is null, the row is left out.
    """
    if cython.compiled:
        pairs: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, cells))
        states: cython.p_char = cython.cast(cython.p_char, marks)
    else:
        pairs = memoryview(cells).cast("q")
        states = marks
    mask: cython.longlong = len(marks) - 1
    slot: cython.longlong
    hashed: cython.longlong
    version: cython.longlong
    entered: cython.Py_ssize_t = 0
    for row in rows:
        if row[1] is None:
            continue
        version = hash(row[1:])
        key = row[0]
        hashed = hash(key)
        slot = _slot_of(pairs, states, mask, hashed)
        if states[slot] != EMPTY:
            continue  # another key has this hash: it is looked at closely
        pairs[2 * slot] = hashed
        pairs[2 * slot + 1] = version
        states[slot] = TRACKED
        entered += 1
    return int(entered)


def match_listed(
    cells: bytearray,
    marks: bytearray,
    keys: list[bytes],
    ordinals: list[Any],
    content_fps: list[Any],
    sizes: list[Any],
    by_content: bool,
    trust: bool,
) -> tuple[list[int], list[int], int]:
    """Note keys as listed; returns (positions to look at closely, positions listed before, keys that are new here).

    All others are unchanged. ``trust``: False if no version proves anything now.
    """
    if cython.compiled:
        pairs: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, cells))
        states: cython.p_char = cython.cast(cython.p_char, marks)
    else:
        pairs = memoryview(cells).cast("q")
        states = marks
    mask: cython.longlong = len(marks) - 1
    slot: cython.longlong
    hashed: cython.longlong
    version: cython.longlong
    index: cython.Py_ssize_t
    entered: cython.Py_ssize_t = 0
    rest: list[int] = []
    repeated: list[int] = []
    for index in range(len(keys)):
        hashed = hash(keys[index])
        slot = _slot_of(pairs, states, mask, hashed)
        if states[slot] == EMPTY:
            pairs[2 * slot] = hashed
            states[slot] = LISTED
            entered += 1
            rest.append(index)
            continue
        if states[slot] != TRACKED:
            repeated.append(index)
            continue
        states[slot] = BOTH
        content_fp = content_fps[index]
        if not trust or (content_fp is not None) != by_content:
            rest.append(index)
            continue
        version = hash((content_fp,)) if by_content else hash((ordinals[index], sizes[index]))
        if version != pairs[2 * slot + 1]:
            rest.append(index)
    return rest, repeated, int(entered)


def were_listed(cells: bytearray, marks: bytearray, keys: list[bytes]) -> list[bool]:
    """Whether each key was seen in the listing."""
    if cython.compiled:
        pairs: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, cells))
        states: cython.p_char = cython.cast(cython.p_char, marks)
    else:
        pairs = memoryview(cells).cast("q")
        states = marks
    mask: cython.longlong = len(marks) - 1
    slot: cython.longlong
    hashed: cython.longlong
    found: list[bool] = []
    for key in keys:
        hashed = hash(key)
        slot = _slot_of(pairs, states, mask, hashed)
        found.append(states[slot] == LISTED or states[slot] == BOTH)
    return found


def move_entries(cells: bytearray, marks: bytearray, new_cells: bytearray, new_marks: bytearray) -> None:
    """Enter everything into a larger, empty table."""
    if cython.compiled:
        pairs: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, cells))
        states: cython.p_char = cython.cast(cython.p_char, marks)
        new_pairs: cython.p_longlong = cython.cast(cython.p_longlong, cython.cast(cython.p_char, new_cells))
        new_states: cython.p_char = cython.cast(cython.p_char, new_marks)
    else:
        pairs, states = memoryview(cells).cast("q"), marks
        new_pairs, new_states = memoryview(new_cells).cast("q"), new_marks
    mask: cython.longlong = len(new_marks) - 1
    old: cython.Py_ssize_t
    slot: cython.longlong
    for old in range(len(marks)):
        if states[old] == EMPTY:
            continue
        slot = pairs[2 * old] & mask
        while new_states[slot] != EMPTY:
            slot = (slot + 1) & mask
        new_pairs[2 * slot] = pairs[2 * old]
        new_pairs[2 * slot + 1] = pairs[2 * old + 1]
        new_states[slot] = states[old]
