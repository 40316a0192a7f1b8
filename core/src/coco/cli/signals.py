"""Ctrl-C and SIGTERM: the first one ends the command in order, the second one at once.

The kernel handles the second signal and ends the process in any case: a function in C code that holds the interpreter
prevents Python from running any handler, even that of the first signal. So the handlers are installed such that the kernel
resets them once they have been called (SA_RESETHAND), on platforms whose form of that call is implemented here; on others
the first handler does it.
"""

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
    """Raised by SIGTERM, as ``KeyboardInterrupt`` is by Ctrl-C."""


def leave(code: int) -> None:
    """End the process now, without waiting for threads that hang. The next update continues from the stored state."""
    write_failure(code, "ended by a signal before there was a result")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, RuntimeError, AttributeError):  # closed, or interrupted during a write
            pass
    os._exit(code)


class _Receiver:
    """A handler that calls ``first`` with the number of the first signal and makes the next signal end the process."""

    def __init__(self, first: Callable[[int], None]) -> None:
        self.came: list[int] = []
        self._first = first

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.came:  # it arrived before the handler was reset
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.came.append(number)
        for other in SIGNALS:
            _leave_to_kernel(other)
        self._first(number)


@contextmanager
def handled(first: Callable[[int], None]) -> Iterator[list[int]]:
    """Call ``first(number)`` at the first signal; the second one ends the process. Yields the received signals."""
    receiver = _Receiver(first)
    before: dict[int, Any] = {number: signal.signal(number, receiver) for number in SIGNALS}
    arm()
    try:
        yield receiver.came
    finally:
        outer = {handler for handler in before.values() if isinstance(handler, _Receiver)}
        for number, handler in before.items():
            # If one arrived already, the next one still ends the process.
            signal.signal(number, signal.SIG_DFL if receiver.came and handler in outer else handler)
        for handler in outer:
            handler.came += receiver.came
        arm()


def interrupt(number: int) -> None:
    """Raise the exception of a signal, so that the command leaves through its ``finally`` blocks."""
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt


_may_arm = False


def arm(allow: bool = False) -> None:
    """Make the kernel reset the current handlers once they have been called.

    Does nothing until the first call with ``allow``: it needs an import that ``--help`` should not pay for.
    """
    global _may_arm
    _may_arm = _may_arm or allow
    if _may_arm:
        for number in SIGNALS:
            if isinstance(signal.getsignal(number), _Receiver):
                _forget_after_one(number)


def _leave_to_kernel(number: int) -> None:
    """Make the kernel end the process at this signal.

    The Python handler stays registered if possible: without it, Python drops a signal that has already arrived.
    """
    if _may_arm and os.name == "posix":
        import ctypes

        ctypes.CDLL(None).signal(number, None)
    else:
        signal.signal(number, signal.SIG_DFL)


_LINUX = ("aarch64", "armv7l", "i686", "ppc64le", "riscv64", "x86_64")
"""Machines whose C libraries on Linux have the fields of ``struct sigaction`` in the order below."""


def _forget_after_one(number: int) -> None:
    import ctypes

    machine = os.uname().machine if hasattr(os, "uname") else ""
    if sys.platform == "linux" and machine in _LINUX:
        flag, mask = 0x8000_0000, ctypes.c_ubyte * 128
    elif sys.platform == "darwin":
        flag, mask = 0x0004, ctypes.c_ubyte * 4
    else:
        return

    class Action(ctypes.Structure):
        _fields_ = (
            ("handler", ctypes.c_void_p),
            ("mask", mask),
            ("flags", ctypes.c_uint),
            ("restorer", ctypes.c_void_p),
        )

    action = Action()
    sigaction = ctypes.CDLL(None).sigaction
    if sigaction(number, None, ctypes.byref(action)) == 0:
        action.flags |= flag
        sigaction(number, ctypes.byref(action), None)
