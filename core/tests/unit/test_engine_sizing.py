"""Batches grow with quick functions, and shrink and multiply with functions that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coco.engine.sizing import FEWEST_LANES, LARGEST_BATCH, MOST_LANES, SMALLEST_BATCH, BatchSizer


def test_quick_functions_make_large_batches() -> None:
    sizer = BatchSizer()
    for _ in range(10):
        sizer.learn(sizer.rows, 0.01, 0.01)
    assert (sizer.rows, sizer.lanes) == (LARGEST_BATCH, FEWEST_LANES)


def test_waiting_makes_many_small_batches() -> None:
    sizer = BatchSizer()
    for _ in range(10):
        sizer.learn(sizer.rows, 5.0, 0.1)
    assert (sizer.rows, sizer.lanes) == (SMALLEST_BATCH, MOST_LANES)


def test_a_busy_processor_does_not_add_batches() -> None:
    """Batches that queue for one processor are slow together; cutting them up would make them slower."""
    sizer = BatchSizer()
    before = sizer.rows
    for _ in range(10):
        sizer.learn(sizer.rows, 5.0, 4.0)
    assert (sizer.rows, sizer.lanes) == (before, FEWEST_LANES)


def test_a_part_of_a_batch_is_not_measured() -> None:
    sizer = BatchSizer()
    before = sizer.rows
    sizer.learn(before - 1, 0.001, 0.001)
    assert sizer.rows == before


@given(
    st.integers(1, 2_000),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30),
)
def test_bounds(largest: int, history: list[tuple[float, float]]) -> None:
    sizer = BatchSizer(largest)
    for seconds, busy in history:
        sizer.learn(sizer.rows, seconds, busy)
        assert min(SMALLEST_BATCH, largest) <= sizer.rows <= min(largest, LARGEST_BATCH)
        assert FEWEST_LANES <= sizer.lanes <= MOST_LANES
