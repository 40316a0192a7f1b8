"""Where this process runs: which boot of which machine, a clock that nobody sets, and names for who holds a lease.

Host name and process number do not tell processes apart: containers may share the first and repeat the second, and each
sees only its own numbers. So a holder's name also says which boot of the machine it belongs to (Linux: ``boot_id``,
which all containers of a machine share), in which namespace its number counts, and when it started. Only where all of
these are known and equal can a process be said to run no longer.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import time
import uuid
from typing import NamedTuple

_LINUX: bool = sys.platform.startswith("linux")
_OURS: set[str] = set()
"""Names that this process made and still works under."""


@functools.cache
def boot_id() -> str:
    """What processes share whose ``boot_clock`` is the same. Other systems than Linux: the host's name."""
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {_namespace('time')}" if boot else f"host {socket.gethostname()}"


def boot_clock() -> float:
    """Seconds on a clock that setting the time does not move, sleep included. Elsewhere than on Linux: the time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _LINUX else time.time()


class Holder(NamedTuple):
    """Who holds a lease. The last four are empty where they cannot be known."""

    host: str
    process: int
    boot: str = ""
    namespace: str = ""
    started: str = ""
    token: str = ""

    def __str__(self) -> str:
        return f"{self.host}/{self.process}/{self.boot}.{self.namespace}.{self.started}.{self.token}"

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """None for a name of another form."""
        host, _, rest = text.partition("/")
        process, _, token = rest.partition("/")
        if not process.isdigit():
            return None
        parts = token.split(".")
        return cls(host, int(process), *parts) if len(parts) == 4 else cls(host, int(process), token=token)


def new_holder() -> str:
    """A name for this process, which no other has; it counts as at work until ``end_holder``."""
    holder = str(_this_process()._replace(token=uuid.uuid4().hex[:12]))
    _OURS.add(holder)
    return holder


def end_holder(holder: str) -> None:
    """This process no longer works under the name."""
    _OURS.discard(holder)


def is_running(holder: str) -> bool | None:
    """Whether the holder still works; None where that cannot be seen from here."""
    found, us = Holder.parse(holder), _this_process()
    if found is None or os.name == "nt":
        return None
    if _LINUX:
        if not (found.boot and found.namespace and found.started):
            return None
        if (found.boot, found.namespace) != (us.boot, us.namespace):
            return None
        if os.path.realpath("/proc/self") != f"/proc/{os.getpid()}":
            return None  # /proc shows the numbers of another namespace
    elif found.host != us.host or found.boot:
        return None
    if found.process == us.process and found.started == us.started:
        return holder in _OURS
    try:
        os.kill(found.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    started = _started(str(found.process))
    return True if not started or not found.started else started == found.started


def describe_holder(holder: str) -> str:
    """``process 12 on web-1``, for people."""
    found = Holder.parse(holder)
    return holder if found is None else f"process {found.process} on {found.host}"


def _this_process() -> Holder:
    boot = boot_id().partition("-")[0] if _LINUX else ""
    return Holder(socket.gethostname(), os.getpid(), boot, _namespace("pid"), _started("self"))


def _started(process: str) -> str:
    """When a process started, in ticks since the boot."""
    # The name of the program, in brackets, may hold anything.
    fields = _read(f"/proc/{process}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _namespace(kind: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{kind}").strip("pidtme:[]")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
