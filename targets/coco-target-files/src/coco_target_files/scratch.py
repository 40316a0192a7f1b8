"""Where files are written before they get their names: in the root, so that renaming stays within one file system.

Every process has a place of its own there, and every writer a folder in it, since making and renaming files within
one folder goes one after the other. A locked place has an owner that still runs; a place without a lock is what a crash
left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid

if sys.platform != "win32":
    import fcntl

TEMPORARY = ".coco-files.tmp"
_LOCK = ".lock"
_ATTEMPTS = 20
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)


class Scratch:
    """A place for half-written files below ``root``, made when it is first needed. Not for several threads."""

    def __init__(self, root: str) -> None:
        self._place = os.path.join(root, TEMPORARY)
        self._lock: int | None = None
        self._own = ""
        _sweep(self._place)

    def folders(self, number: int) -> list[str]:
        """That many folders, one for each writer. Raises ``OSError``."""
        if self._lock is None:
            self._take()
        found = [os.path.join(self._own, str(writer)) for writer in range(number)]
        for folder in found:
            os.makedirs(folder, exist_ok=True)
        return found

    def _take(self) -> None:
        for attempt in range(_ATTEMPTS):
            own = os.path.join(self._place, uuid.uuid4().hex)
            os.makedirs(self._place, exist_ok=True)
            try:
                self._lock = _locked(own + _LOCK, _FLAGS | os.O_CREAT | os.O_EXCL)
            except FileNotFoundError:  # another writer closed, and removed the empty folder
                if attempt == _ATTEMPTS - 1:
                    raise
            if self._lock is not None:
                self._own = own
                return
        raise OSError(f"{self._place} cannot be used: other processes keep taking files from it")

    def close(self) -> None:
        """Remove the place, and the folder of all places if there is no other."""
        if self._lock is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            _remove(self._own + _LOCK, self._lock)
            self._lock = None
        with contextlib.suppress(OSError):
            os.rmdir(self._place)


def _sweep(place: str) -> None:
    """Remove what a crash left half-written."""
    if not os.path.isdir(place) or os.path.islink(place):
        return
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(place):
            path = os.path.join(place, name)
            if name.endswith(_LOCK):
                with contextlib.suppress(OSError):
                    _sweep_dead(path)
            elif name.endswith(".tmp"):  # as releases before the first lock made them
                with contextlib.suppress(OSError):
                    os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(place)


def _sweep_dead(lock: str) -> None:
    descriptor = _locked(lock, _FLAGS, certain=True)
    if descriptor is not None:
        shutil.rmtree(lock.removesuffix(_LOCK), ignore_errors=True)
        _remove(lock, descriptor)


if sys.platform == "win32":

    def _locked(path: str, flags: int, *, certain: bool = False) -> int | None:
        if certain:
            os.unlink(path)  # which is refused while its owner has it open
            flags |= os.O_CREAT | os.O_EXCL
        return os.open(path, flags, 0o666)

    def _remove(path: str, descriptor: int) -> None:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)

else:

    def _locked(path: str, flags: int, *, certain: bool = False) -> int | None:
        """The file opened and locked, or None if another process has it.

        Where the file system has no locks it is only opened, or None if it must be ``certain`` that no other process has it.
        """
        descriptor = os.open(path, flags, 0o666)
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            except OSError:
                if not certain:
                    return descriptor
            else:
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        os.close(descriptor)
        return None

    def _remove(path: str, descriptor: int) -> None:
        """Unlink it while it is locked, so that no process locks a file that is being deleted."""
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
