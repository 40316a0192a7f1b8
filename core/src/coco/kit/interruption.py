"""Ending a call that takes too long: what a connector says of itself, so that the engine can.

The engine gives each call of a target a limit (``Settings.target_call_timeout``). No thread can be stopped from
outside, but what it waits for can be::

    with interruptible(connection.cancel):
        connection.execute(statement)

Outside of a call of the engine, such as in a script of yours, nothing of this has an effect.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

__all__ = ["LimitedCall", "current_call", "interruptible", "is_interrupted", "progressed"]

LOG = logging.getLogger("coco")


class LimitedCall:
    """A call that may be interrupted, from its start to its end. The engine makes it; all methods are thread-safe."""

    def __init__(self) -> None:
        self.interrupted = False
        """Whether its time was up. It stays so: what the call does next is to end."""
        self.progressed_at = time.monotonic()
        """When it last got on, by ``time.monotonic``."""
        self._guard = threading.Lock()
        self._stops: dict[object, Callable[[], object]] = {}

    def interrupt(self) -> None:
        """Make the call end: run what it registered. May take as long as that does; errors of it are logged."""
        with self._guard:
            self.interrupted = True
            for stop in reversed(self._stops.values()):
                try:
                    stop()
                except Exception as error:
                    LOG.warning("a call that took too long could not be interrupted: %s", error)

    @contextlib.contextmanager
    def with_stop(self, stop: Callable[[], object]) -> Iterator[None]:
        """See ``interruptible``."""
        mark = object()
        with self._guard:
            if self.interrupted:
                raise TimeoutError("the call was interrupted, as it took too long")
            self._stops[mark] = stop
        try:
            yield
        finally:
            with self._guard:  # a stop that runs is over before what it stops is used for anything else
                del self._stops[mark]


current_call: ContextVar[LimitedCall | None] = ContextVar("coco_current_call", default=None)
"""The call that runs in this context, for the engine to set."""


@contextlib.contextmanager
def interruptible(stop: Callable[[], object]) -> Iterator[None]:
    """For the block, ``stop`` is what makes this thread go on if the call takes too long.

    stop: called in another thread while the block runs, and again while it goes on: cancels a statement, closes a
    socket. What the block then raises ends the call. Blocks may be nested; inner ones are stopped first.
    Raises ``TimeoutError`` if the call was interrupted already.
    """
    call = current_call.get()
    if call is None:
        yield
        return
    with call.with_stop(stop):
        yield


def progressed() -> None:
    """Report progress of the current call, which restarts its time limit. For work in parts that each end by themselves."""
    call = current_call.get()
    if call is not None:
        call.progressed_at = time.monotonic()


def is_interrupted() -> bool:
    """Whether the call that this is part of was interrupted; it is to end and to try nothing again."""
    call = current_call.get()
    return call is not None and call.interrupted
