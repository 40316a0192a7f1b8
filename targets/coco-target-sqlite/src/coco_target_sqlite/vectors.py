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
from fractions import Fraction
from types import ModuleType
from typing import Any

from coco.index import VectorSimilarityMetric

BLOCK_BYTES = 4 * 1024 * 1024
Block = list[tuple[int, bytes]]
"""Row ids with packed vectors."""
Found = list[tuple[float, int]]
"""(score, minus the row id): larger is better, and among equals the older row."""
Pick = Callable[[Block], Found]
"""The best rows of a block, perhaps with more; without vectors that have no score."""


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

    rows: yields (row id, packed vector), all as long as ``query``, which holds finite numbers. Vectors that hold NaN or
    infinity are left out. Scores are the same with NumPy and without, up to rounding, for vectors of any length; one
    without direction has the cosine similarity 0.
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
    exact = _exact_score(query, code, metric)
    stored = np.dtype({"f": "<f4", "d": "<f8", "q": "<i8"}[code])
    wanted = np.asarray(
        query if metric is not VectorSimilarityMetric.COSINE_SIMILARITY else _direction(query)
    )

    def scores(matrix: Any) -> tuple[Any, Any]:
        """Scores, and which of them hold: the others left what squares of numbers can be."""
        if metric is VectorSimilarityMetric.INNER_PRODUCT:
            found = matrix @ wanted
            return found, np.isfinite(found)
        if metric is VectorSimilarityMetric.L2_DISTANCE:
            matrix = matrix - wanted
        squares = np.einsum("ij,ij->i", matrix, matrix)
        lengths = np.sqrt(squares)
        holds = (squares > _LEAST_SQUARE) & (squares < _LARGEST_SQUARE)
        return (
            -lengths if metric is VectorSimilarityMetric.L2_DISTANCE else matrix @ wanted / lengths
        ), holds

    def pick(block: Block) -> Found:
        ids, packed = zip(*block, strict=True)
        matrix = np.frombuffer(b"".join(packed), dtype=stored)
        with np.errstate(all="ignore"):
            found, holds = scores(matrix.reshape(len(block), len(wanted)).astype(np.float64))
        for place in np.flatnonzero(~holds).tolist():
            found[place] = exact(packed[place])
        places = np.flatnonzero(~np.isnan(found))
        if len(places) > limit:
            least = np.partition(found[places], len(places) - limit)[len(places) - limit]
            places = places[found[places] >= least]
        return [(float(found[place]), -ids[place]) for place in places.tolist()]

    return pick


def _python_picker(query: Sequence[float], code: str, metric: VectorSimilarityMetric) -> Pick:
    score = _exact_score(query, code, metric)

    def pick(block: Block) -> Found:
        found = [(score(packed), -row_id) for row_id, packed in block]
        return [item for item in found if item[0] == item[0]]

    return pick


_LEAST_SQUARE = 1e-280
_LARGEST_SQUARE = 1e300
"""Between these, squares of lengths neither overflow nor lose digits."""
_LEAST_LENGTH = 1e-140
_LARGEST_LENGTH = 1e150


def _exact_score(
    query: Sequence[float], code: str, metric: VectorSimilarityMetric
) -> Callable[[bytes], float]:
    """Packed vector -> score; NaN if the vector holds something else than finite numbers."""
    wanted = list(query)
    direction = _direction(wanted)
    swap = sys.byteorder == "big"

    def score(packed: bytes) -> float:
        vector: array[Any] = array(code)
        vector.frombytes(packed)
        if swap:
            vector.byteswap()
        if metric is VectorSimilarityMetric.L2_DISTANCE:
            distance = math.dist(vector, wanted)
            return -distance if math.isfinite(distance) or _is_finite(vector) else math.nan
        if metric is VectorSimilarityMetric.INNER_PRODUCT:
            product = float(sum(map(operator.mul, vector, wanted)))
            if math.isfinite(product):
                return product
            return _exact_product(vector, wanted) if _is_finite(vector) else math.nan
        length = math.hypot(*vector)
        if _LEAST_LENGTH < length < _LARGEST_LENGTH:
            return float(sum(map(operator.mul, vector, direction))) / length
        if not _is_finite(vector):
            return math.nan
        return float(sum(map(operator.mul, _direction(vector), direction)))

    return score


def _is_finite(vector: Sequence[float]) -> bool:
    return all(map(math.isfinite, vector))


def _direction(vector: Sequence[float]) -> list[float]:
    """The vector with length 1, however long or short it is; zeros stay zeros."""
    largest = max(map(abs, vector), default=0)
    if not largest:
        return [0.0] * len(vector)
    scaled = [number / largest for number in vector]
    length = math.hypot(*scaled)
    return [number / length for number in scaled]


def _exact_product(vector: Sequence[float], wanted: Sequence[float]) -> float:
    """The inner product where a partial sum is too large for a float; infinite if the whole one is, too."""
    product = sum(Fraction(one) * Fraction(other) for one, other in zip(vector, wanted, strict=True))
    try:
        return float(product)
    except OverflowError:
        return math.inf if product > 0 else -math.inf
