"""Ends what would run on for ever: work that grows faster than its input never ends on an input that is large enough."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Fail once the process has used so much processor time: many times what the work takes, so not a measurement.

    For the main thread; ``re`` looks for signals while it matches.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not done after {seconds} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
