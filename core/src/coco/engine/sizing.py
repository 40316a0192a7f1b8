"""Adaptive batching: how many rows a batch has, and how many batches are in flight.

Large batches cost least per row. If user functions *wait* (for a model, a service), many small batches are better, so that
one slow call delays few rows. The processor time of the process distinguishes waiting from computing: more batches do not
speed up computation, they only cost memory and thread switches.
"""

from __future__ import annotations

FIRST_BATCH = 64
LARGEST_BATCH = 512
SMALLEST_BATCH = 4
FEWEST_LANES = 3
"""At least three batches are in flight: one is read, one evaluated, one written."""
MOST_LANES = 64
QUICK_SECONDS = 0.25
SLOW_SECONDS = 1.0
BUSY_SHARE = 0.5


class BatchSizer:
    """Chooses the size of the next batch of a source.

    rows: its size, at most ``largest``. lanes: how many batches may be in flight.
    """

    def __init__(self, largest: int = LARGEST_BATCH) -> None:
        self.largest = max(1, min(largest, LARGEST_BATCH))
        self.rows = min(FIRST_BATCH, self.largest)
        self.lanes = FEWEST_LANES

    def learn(self, rows: int, seconds: float, busy: float) -> None:
        """Adjust to a batch of ``rows`` that took ``seconds``, of which the process computed for ``busy`` seconds."""
        if rows < self.rows:
            return  # the rest of a listing, or rows that need only a part of the flow
        waiting = busy < BUSY_SHARE * seconds
        if waiting and seconds > QUICK_SECONDS:
            self.lanes = min(self.lanes * 2, MOST_LANES)
        elif not waiting:
            self.lanes = FEWEST_LANES
        if waiting and seconds > SLOW_SECONDS:
            self.rows = max(self.rows // 2, min(SMALLEST_BATCH, self.largest))
        elif seconds < QUICK_SECONDS * self.lanes:
            self.rows = min(self.rows * 2, self.largest)
