"""How many rows travel together, and how many batches are under way at once.

Large batches cost least per row. Where user functions *wait* (for a model, a service), small ones are better:
many at once, so that one slow call holds up few rows. Waiting is told from work by the process's own
processor time, for more batches at once do not speed up what keeps the processor busy: they only cost memory
and switches between threads.
"""

from __future__ import annotations

FIRST_BATCH = 64
LARGEST_BATCH = 512
SMALLEST_BATCH = 4
FEWEST_LANES = 3
"""One batch is read, one evaluated, one written."""
MOST_LANES = 64
QUICK_SECONDS = 0.25
SLOW_SECONDS = 1.0
BUSY_SHARE = 0.5


class BatchSizer:
    """What the next batch of a source should look like.

    rows: its size, at most ``largest``. lanes: how many batches may be under way at the same time.
    """

    def __init__(self, largest: int = LARGEST_BATCH) -> None:
        self.largest = max(1, min(largest, LARGEST_BATCH))
        self.rows = min(FIRST_BATCH, self.largest)
        self.lanes = FEWEST_LANES

    def learn(self, rows: int, seconds: float, busy: float) -> None:
        """Functions took ``seconds`` for a batch of ``rows``; meanwhile the process computed for ``busy`` seconds."""
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
