"""Splits a text level by level: a piece that fits is never cut, one that does not goes to the next level.

The text is first taken apart into sections (strong levels); sections that fit stand in runs of neighbours, a
section that does not fit is taken apart by itself. What remains too large without sections is cut into pieces
at the weak levels. Every run is then packed into chunks on its own (see ``packing``).
"""

from __future__ import annotations

from collections.abc import Sequence

from coco_function_text.hot import take_apart
from coco_function_text.levels import PLAIN_TEXT, Level
from coco_function_text.packing import Packer
from coco_function_text.positions import Span
from coco_function_text.ruler import Ruler
from coco_function_text.sizes import sizes_of


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

    Raises ``ValueError`` as ``sizes_of``.
    """
    sizes = sizes_of(chunk_size, min_chunk_size, chunk_overlap)
    ruler = Ruler(text)
    return Packer(ruler, sizes, levels).pack(take_apart(ruler, sizes.most, levels))
