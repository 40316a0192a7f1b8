"""The sizes of a split. By themselves, since they are checked where a flow is defined, before any text is there."""

from __future__ import annotations

from typing import NamedTuple


class Sizes(NamedTuple):
    """The limits of a chunk in bytes of UTF-8. ``least`` <= ``most``; ``overlap`` < ``most``."""

    most: int
    least: int
    overlap: int


def sizes_of(chunk_size: int, min_chunk_size: int | None = None, chunk_overlap: int | None = None) -> Sizes:
    """Checks the sizes of a split, all in bytes of UTF-8.

    ``min_chunk_size``: default half of ``chunk_size``, rounded down. ``chunk_overlap``: default 0.

    Raises ``ValueError`` for ``chunk_size`` < 1, ``min_chunk_size`` outside 0 .. ``chunk_size``, or
    ``chunk_overlap`` outside 0 .. ``chunk_size - 1``.
    """
    if type(chunk_size) is not int or min_chunk_size is not None or chunk_overlap is not None:
        _check_types(chunk_size=chunk_size, min_chunk_size=min_chunk_size, chunk_overlap=chunk_overlap)
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


def _check_types(**sizes: object) -> None:
    for name, size in sizes.items():
        if (size is None and name != "chunk_size") or (isinstance(size, int) and not isinstance(size, bool)):
            continue
        raise ValueError(f"{name} must be a number of bytes, got {size!r}")
