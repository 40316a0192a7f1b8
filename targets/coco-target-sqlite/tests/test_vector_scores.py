"""Scores do not depend on whether NumPy is there, whatever numbers vectors hold."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco.index import VectorSimilarityMetric
from coco_target_sqlite import vectors

COSINE = VectorSimilarityMetric.COSINE_SIMILARITY


class FewRows:
    """A cursor that gives few rows at a time."""

    def __init__(self, block: list[tuple[int, bytes]]) -> None:
        self.left = block

    def fetchmany(self, count: int) -> list[tuple[int, bytes]]:
        part, self.left = self.left[:7], self.left[7:]
        return part


ODD = st.sampled_from(
    [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e-300, -1e-160, 1e160, 1.7e308, -1.7e308]
)
ODD_FLOATS = {
    "d": st.one_of(ODD, st.floats()),
    "f": st.one_of(st.sampled_from([math.nan, math.inf, 1e-45, 2e-30, 2e20, -3e38]), st.floats(width=32)),
    "q": st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 2**62])),
}


@settings(max_examples=examples(100), suppress_health_check=list(HealthCheck))
@given(data=st.data(), code=st.sampled_from("fdq"), metric=st.sampled_from(list(VectorSimilarityMetric)))
def test_any_vector_has_the_same_score_with_numpy_and_without(
    data: st.DataObject, code: str, metric: VectorSimilarityMetric
) -> None:
    """NaN, infinite, huge and tiny ones are left out or scored alike, and as exact arithmetic says."""
    numpy = pytest.importorskip("numpy")
    pair = st.tuples(ODD_FLOATS[code], ODD_FLOATS[code])
    rows = data.draw(st.lists(pair, min_size=1, max_size=9))
    query = data.draw(
        st.tuples(*[st.one_of(ODD, st.floats())] * 2).filter(lambda item: all(map(math.isfinite, item)))
    )

    block = [(n, struct.pack(f"<2{code}", *row)) for n, row in enumerate(rows)]
    answers = []
    for there in (numpy, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vectors, "numpy_if_there", lambda there=there: there)
            answers.append(dict(vectors.nearest(FewRows(block), query, code, metric, 99)))  # type: ignore[arg-type]
    finite = {n for n, row in enumerate(rows) if all(map(math.isfinite, row))}
    assert answers[0].keys() == answers[1].keys() == finite
    for n in finite:
        room = 1e-12 if metric is COSINE else 1e-12 * math.hypot(*rows[n]) * math.hypot(*query)
        assert answers[0][n] == pytest.approx(
            answers[1][n], rel=1e-9, abs=room if math.isfinite(room) else 1e300
        )
        if metric is COSINE:
            assert answers[1][n] == pytest.approx(exact_cosine(rows[n], query), abs=1e-9)


def exact_cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """By fractions, whose squares neither overflow nor vanish."""
    squares = [sum(Fraction(number) ** 2 for number in vector) for vector in (one, other)]
    if not all(squares):
        return 0.0
    product = sum(Fraction(a) * Fraction(b) for a, b in zip(one, other, strict=True))
    square = float(product**2 / (squares[0] * squares[1]))
    return math.copysign(math.sqrt(square), float(product > 0) - 0.5)
