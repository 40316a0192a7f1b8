"""Logs the failed rows of one run with the flow's logger, ``coco.<flow>``.

A run may fail on every row for the same reason. So the first rows of each kind of failure are logged in full, and the
number of the others at the end; state has all of them.
"""

from __future__ import annotations

import logging

from coco.engine.stats import RowError
from coco.errors import wants_tracebacks
from coco.printable import printable, printable_lines

ROWS_OF_A_KIND = 5
"""Most rows logged for one source, operation and type of error."""
ROWS = 50
"""Most rows logged in one run."""


class FailureLog:
    """The log of one run of ``flow`` (its full name)."""

    def __init__(self, flow: str = "") -> None:
        self._flow = flow
        self._logger = logging.getLogger(f"coco.{flow}")
        self._kinds: dict[tuple[str, str, str], int] = {}
        self._logged = 0
        self._left_out = 0

    def add(self, error: RowError) -> None:
        """Log one row, or count it."""
        kind = (error.source, error.op, error.error_type)
        self._kinds[kind] = count = self._kinds.get(kind, 0) + 1
        if count > ROWS_OF_A_KIND or self._logged >= ROWS:
            self._left_out += 1
            return
        self._logged += 1
        text = f"flow {self._flow}: {error}"
        if wants_tracebacks() or self._logger.isEnabledFor(logging.DEBUG):
            self._logger.error("%s\n%s", printable(text), printable_lines(error.traceback))
        else:
            self._logger.error("%s", printable(text))

    def end(self) -> None:
        """Log how many rows were not logged."""
        if self._left_out:
            self._logger.error(
                "flow %s: %d more row(s) failed; flow.errors() and `coco errors` list them all",
                self._flow,
                self._left_out,
            )
            self._left_out = 0
