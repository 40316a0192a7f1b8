"""Ctrl-C and SIGTERM: the first one ends the command in order, the second one at once.

The second one is left to the kernel, which ends the process whatever it does: a function in C code that holds the
interpreter keeps Python from running any handler, even that of the first signal. So the kernel itself forgets a handler
once it was called (SA_RESETHAND), where the platform's form of that call is known; elsewhere the first handler does it.
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


class _Receiver:
    """A handler: calls ``first`` with the number of the first signal, and makes the next one end the process."""

    def __init__(self, first: Callable[[int], None]) -> None:
        self.came: list[int] = []
        self._first = first

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.came:  # it arrived before the kernel was told
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.came.append(number)
        for other in SIGNALS:
            _leave_to_kernel(other)
        self._first(number)


@contextmanager
def handled(first: Callable[[int], None]) -> Iterator[list[int]]:
    """``first(number)`` at the first signal; the second ends the process. Gives the signals that came."""
    receiver = _Receiver(first)
    before: dict[int, Any] = {number: signal.signal(number, receiver) for number in SIGNALS}
    arm()
    try:
        yield receiver.came
    finally:
        outer = {handler for handler in before.values() if isinstance(handler, _Receiver)}
        for number, handler in before.items():
            # Where one came already, the next one still ends the process.
            signal.signal(number, signal.SIG_DFL if receiver.came and handler in outer else handler)
        for handler in outer:
            handler.came += receiver.came
        arm()


def interrupt(number: int) -> None:
    """What a signal does to a command: it leaves through its ``finally`` blocks."""
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt


_may_arm = False


def arm(allow: bool = False) -> None:
    """Have the kernel forget the handlers in force once they were called, from the first call with ``allow`` on.

    Before, nothing is done: it costs an import that help can do without.
    """
    global _may_arm
    _may_arm = _may_arm or allow
    if _may_arm:
        for number in SIGNALS:
            if isinstance(signal.getsignal(number), _Receiver):
                _forget_after_one(number)


def _leave_to_kernel(number: int) -> None:
    """Have the kernel end the process at this signal.

    Python keeps its handler where that is possible: it drops a signal that came already if the handler is gone.
    """
    if _may_arm and os.name == "posix":
        import ctypes

        ctypes.CDLL(None).signal(number, None)
    else:
        signal.signal(number, signal.SIG_DFL)


_LINUX = ("aarch64", "armv7l", "i686", "ppc64le", "riscv64", "x86_64")
"""Machines on which C libraries of Linux have the fields of ``struct sigaction`` in the order below."""


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
