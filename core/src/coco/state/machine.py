"""Identifies this process and its machine, for leases: the boot of the machine, its monotonic clock, and holders' names.

A host name and a process number do not identify a process: several containers may have the same host name and the same
numbers, and each sees only its own numbers. So the name of a holder also has the boot of the machine (on Linux ``boot_id``,
which all containers of a machine share), the namespace of the process number, and the time when the process started.
Only if all of these are known and equal, coco can conclude that a process has ended.
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
"""Names that this process has made and still uses."""


@functools.cache
def boot_id() -> str:
    """Return text that is equal for all processes with the same ``boot_clock``. Without Linux: the host's name."""
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {_namespace('time')}" if boot else f"host {socket.gethostname()}"


def boot_clock() -> float:
    """Return seconds of a clock that counts sleep and ignores changes of the time. Without Linux: the time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _LINUX else time.time()


class Holder(NamedTuple):
    """A process that holds a lease. The last four fields are empty if they are unknown."""

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
        """Return the holder that a name describes; None for a name of another form."""
        host, _, rest = text.partition("/")
        process, _, token = rest.partition("/")
        if not process.isdigit():
            return None
        parts = token.split(".")
        return cls(host, int(process), *parts) if len(parts) == 4 else cls(host, int(process), token=token)


def new_holder() -> str:
    """Return a new name for this process. The process counts as running under it until ``end_holder``."""
    holder = str(_this_process()._replace(token=uuid.uuid4().hex[:12]))
    _OURS.add(holder)
    return holder


def end_holder(holder: str) -> None:
    """Note that this process no longer uses a name."""
    _OURS.discard(holder)


def is_running(holder: str) -> bool | None:
    """Return whether the process of a holder still runs; None if that is unknown on this machine."""
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
    """Return ``process 12 on web-1``, for messages."""
    found = Holder.parse(holder)
    return holder if found is None else f"process {found.process} on {found.host}"


def _this_process() -> Holder:
    boot = boot_id().partition("-")[0] if _LINUX else ""
    return Holder(socket.gethostname(), os.getpid(), boot, _namespace("pid"), _started("self"))


def _started(process: str) -> str:
    """Return the time when a process started, in ticks since the boot."""
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
