"""The nearest of many packed vectors, exactly, block by block: memory stays bounded however many rows there are."""

from __future__ import annotations

import heapq
import math
import operator
import sqlite3
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from coco.index import VectorSimilarityMetric

BLOCK_BYTES = 4 * 1024 * 1024
Block = list[tuple[int, bytes]]
"""Row ids with packed vectors."""
Found = list[tuple[float, int]]
"""(score, minus the row id): larger is better, and among equals the older row."""
Pick = Callable[[Block], Found]
"""The best rows of a block, perhaps with more; without scores that are no number."""


def numpy_if_there() -> ModuleType | None:
    """NumPy, which is optional here and many times faster."""
    try:
        import numpy
    except ModuleNotFoundError:
        return None
    return numpy


def packed_size(code: str, dimension: int) -> int:
    """Bytes of a packed vector. code: ``f``, ``d`` or ``q``, how a number is packed."""
    return struct.calcsize(f"<{code}") * dimension


def nearest(
    rows: sqlite3.Cursor, query: Sequence[float], code: str, metric: VectorSimilarityMetric, limit: int
) -> list[tuple[int, float]]:
    """(row id, score) of the best rows, best first, ties in order of row ids; larger scores are closer.

    rows: yields (row id, packed vector), all as long as ``query``. Scores that are no number are left out.
    """
    numpy = numpy_if_there()
    if numpy is None:
        pick = _python_picker(query, code, metric)
    else:
        pick = _numpy_picker(numpy, query, code, metric, limit)
    count = max(64, BLOCK_BYTES // packed_size(code, len(query)))
    best: Found = []
    while block := rows.fetchmany(count):
        best = heapq.nlargest(limit, [*best, *pick(block)])
    return [(-row_id, score) for score, row_id in best]


def _numpy_picker(
    np: Any, query: Sequence[float], code: str, metric: VectorSimilarityMetric, limit: int
) -> Pick:
    wide = np.float32 if code == "f" else np.float64
    wanted = np.asarray(query, dtype=wide)
    stored = np.dtype({"f": "<f4", "d": "<f8", "q": "<i8"}[code])
    length = float(np.linalg.norm(wanted.astype(np.float64)))

    def scores(matrix: Any) -> Any:
        if metric is VectorSimilarityMetric.L2_DISTANCE:
            difference = matrix - wanted
            return -np.sqrt(np.einsum("ij,ij->i", difference, difference))
        products = matrix @ wanted
        if metric is VectorSimilarityMetric.INNER_PRODUCT:
            return products
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix)) * length
        return np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), 0.0)

    def pick(block: Block) -> Found:
        ids, packed = zip(*block, strict=True)
        matrix = np.frombuffer(b"".join(packed), dtype=stored)
        matrix = matrix.reshape(len(block), len(wanted)).astype(wide, copy=False)
        with np.errstate(all="ignore"):
            found = scores(matrix)
        places = np.flatnonzero(~np.isnan(found))
        if len(places) > limit:
            least = np.partition(found[places], len(places) - limit)[len(places) - limit]
            places = places[found[places] >= least]
        return [(float(found[place]), -ids[place]) for place in places.tolist()]

    return pick


def _python_picker(query: Sequence[float], code: str, metric: VectorSimilarityMetric) -> Pick:
    wanted = list(query)
    length = math.hypot(*wanted)
    swap = sys.byteorder == "big"

    def score(packed: bytes) -> float:
        vector: array[Any] = array(code)
        vector.frombytes(packed)
        if swap:
            vector.byteswap()
        if metric is VectorSimilarityMetric.L2_DISTANCE:
            return -math.dist(vector, wanted)
        product = float(sum(map(operator.mul, vector, wanted)))
        if metric is VectorSimilarityMetric.INNER_PRODUCT:
            return product
        lengths = length * math.hypot(*vector)
        return product / lengths if lengths > 0 else math.nan if lengths != lengths else 0.0

    def pick(block: Block) -> Found:
        found = [(score(packed), -row_id) for row_id, packed in block]
        return [item for item in found if item[0] == item[0]]

    return pick
