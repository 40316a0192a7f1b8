"""Ctrl-C and SIGTERM: the first one ends the command in order, the second one at once (CLI-16, CLI-28)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from coco.cli.streams import write_failure

INTERRUPTED = 130
TERMINATED = 143
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, on the way through the program like Ctrl-C."""


def leave(code: int) -> None:
    """End the process now. Threads that hang are not waited for; state and targets stay fit for the next update."""
    write_failure(code, "ended by a signal before there was a result")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, RuntimeError, AttributeError):  # closed, or in the middle of a write
            pass
    os._exit(code)


@contextmanager
def handled(first: Callable[[int], None]) -> Iterator[list[int]]:
    """``first(number)`` at the first signal; the second ends the process. Gives the signals that came."""
    came: list[int] = []
    before: dict[int, Any] = {}

    def receive(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            leave(INTERRUPTED if number == signal.SIGINT else TERMINATED)
        first(number)

    for number in SIGNALS:
        before[number] = signal.signal(number, receive)
    try:
        yield came
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)


def interrupt(number: int) -> None:
    """What a signal does to a command: it leaves through its ``finally`` blocks."""
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt
