"""The table of chunks that both splitters give out: one row per chunk, keyed by ``location``."""

from collections.abc import Sequence
from typing import NamedTuple

from coco.typing import Range

from .positions import Chunk, Span, chunks_of


class ChunkKey(NamedTuple):
    """The key of a chunk: its half-open range of characters in the text."""

    location: Range


ChunkTable = dict[ChunkKey, Chunk]
"""``location`` -> ``text``, ``start``, ``end`` (FN-SplitRecursively-4)."""


def chunk_table(text: str, spans: Sequence[Span]) -> ChunkTable:
    """The rows for some ranges of ``text``."""
    return {ChunkKey(span): chunk for span, chunk in chunks_of(text, spans).items()}
