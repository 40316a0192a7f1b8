"""Detection: what a listing says against what state knows, one batch at a time.

Pure decisions over flat lists; reading, if one is needed, happens elsewhere.
"""

from __future__ import annotations

from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython

UNCHANGED = 0
"""Proven equal by ordinal (or content version), logic current: nothing to read."""
NEW = 1
"""Not tracked."""
MAYBE = 2
"""Tracked; the value must be read (or its given fingerprint compared) to know."""
STALE_LOGIC = 3
"""Logic, mode or an unfinished attempt demand processing, whatever the content."""


def _is_compiled() -> bool:
    return bool(cython.compiled)


def classify(
    keys: list[bytes],
    ordinals: list[Any],
    content_fps: list[Any],
    sizes: list[Any],
    heads: list[Any],
    logic_fp: bytes,
    force: bool,
    trust_ordinals: bool,
    tick: int,
) -> list[int]:
    """One code per key.

    ``heads``: tracked heads (tuples ordinal, content_fp, logic_fp, process_ordinal, max_process_ordinal,
    read_at, size, failed) or None. ``tick``: microseconds within which an equal ordinal proves nothing
    because a second edit may share it (ordinals are taken as microseconds for that).
    """
    result: list[int] = []
    index: cython.Py_ssize_t
    for index in range(len(keys)):
        head = heads[index]
        if head is None:
            result.append(NEW)
            continue
        if force or head[7] or head[2] != logic_fp or head[4] > head[3]:
            result.append(STALE_LOGIC)
            continue
        given = content_fps[index]
        if given is not None and head[1] is not None:
            result.append(UNCHANGED if given == head[1] else MAYBE)
            continue
        ordinal = ordinals[index]
        if not trust_ordinals or ordinal is None or head[0] is None or ordinal != head[0]:
            result.append(MAYBE)
            continue
        size = sizes[index]
        if size is not None and head[6] is not None and size != head[6]:
            result.append(MAYBE)
            continue
        if head[5] - ordinal < tick:
            result.append(MAYBE)
            continue
        result.append(UNCHANGED)
    return result
