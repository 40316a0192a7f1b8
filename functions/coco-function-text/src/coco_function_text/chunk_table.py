"""The table of chunks that both splitters give out: one row per chunk, keyed by ``location``."""

from collections.abc import Sequence
from typing import NamedTuple

from coco.typing import Range
from coco_function_text.positions import Chunk, Span, TextPosition, line_feeds


class ChunkKey(NamedTuple):
    """The key of a chunk: its half-open range of characters in the text."""

    location: Range


ChunkTable = dict[ChunkKey, Chunk]
"""``location`` -> ``text``, ``start``, ``end``."""


def chunk_table(text: str, spans: Sequence[Span]) -> ChunkTable:
    """The rows for some ranges of ``text``, in their order; ranges that are equal give one row.

    Linear in the text and the chunks' size if the ranges ascend.
    """
    from coco_function_text.hot import locate_rows  # kernels are loaded when there is a text

    return locate_rows(text, line_feeds(text), spans, ChunkKey, Chunk, TextPosition)
