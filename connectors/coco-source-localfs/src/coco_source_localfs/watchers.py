"""Being told by the operating system what happens in a set of folders.

On Linux by inotify (package ``inotify_simple``): one watch for each folder, added and removed one by one, so that a
folder that cannot be read costs only itself, and an overflow of the system's queue is known. Elsewhere, and where that
package is missing, by ``watchfiles``.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from coco.errors import SourceError

QUIET_SECONDS = 0.01
"""A batch ends when nothing more happened for so long; every change waits for it once or twice."""

LONGEST_BATCH_SECONDS = 1.0
BURST = 1_000
"""Changed paths in one batch from which on a listing is cheaper and safer than looking at each."""

_DELETED = 3  # watchfiles.Change.deleted
MISSING = "watch_changes=True needs a further package: pip install 'coco-source-localfs[watch]'"


class Happened:
    """What happened: paths that changed, and whether more may have happened, and where is unknown."""

    def __init__(self, paths: Collection[str] = (), *, lost: bool = False) -> None:
        self.paths = set(paths)
        self.lost = lost


class Watcher(Protocol):
    """Watches folders, not what is below them."""

    async def watch(self, folders: Collection[str]) -> bool:
        """Watch exactly these folders (real paths) from now on; missing and unreadable ones are left out.

        Returns whether one of them was not watched until now. Raises ``SourceError`` where the system allows no more
        watches.
        """

    async def wait(self, seconds: float) -> Happened:
        """What happened since the last call; waits for it at most so long."""

    async def close(self) -> None: ...


def can_watch() -> bool:
    """Whether a package for it is installed."""
    return any(importlib.util.find_spec(name) is not None for name in _packages())


def installed_watcher() -> Watcher:
    """The best one that is installed. Raises ``SourceError`` if none is."""
    for name in _packages():
        if importlib.util.find_spec(name) is not None:
            return InotifyWatcher() if name == "inotify_simple" else WatchfilesWatcher()
    raise SourceError(MISSING)


def _packages() -> list[str]:
    return ["inotify_simple", "watchfiles"] if sys.platform == "linux" else ["watchfiles"]


def _refused(error: OSError, folders: int) -> SourceError:
    return SourceError(
        f"the system refuses to watch {folders} folders: {error.strerror or error}; raise its limits "
        "(fs.inotify.max_user_watches and max_user_instances on Linux), exclude folders, or set refresh_interval="
    )


class InotifyWatcher:
    """By inotify. Must be used on one event loop."""

    def __init__(self) -> None:
        from inotify_simple import INotify, flags

        try:
            self._notify: Any = INotify(nonblocking=True)
        except OSError as error:
            raise _refused(error, 1) from error
        self._flags: Any = flags
        self._mask = (
            flags.MODIFY
            | flags.CLOSE_WRITE
            | flags.ATTRIB
            | flags.CREATE
            | flags.DELETE
            | flags.MOVED_FROM
            | flags.MOVED_TO
            | flags.DELETE_SELF
            | flags.MOVE_SELF
            | flags.ONLYDIR
        )
        # What comes next at that path may have the same inode, and is not watched.
        self._ended = flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED | flags.UNMOUNT
        self._folders: dict[int, list[str]] = {}
        self._readable: asyncio.Event | None = None

    async def watch(self, folders: Collection[str]) -> bool:
        return await asyncio.to_thread(self._watch, folders)

    def _watch(self, folders: Collection[str]) -> bool:
        watched: dict[int, list[str]] = {}
        for folder in folders:
            try:
                # A name that is watched already may be that of another folder by now; the same folder is one watch.
                number = self._notify.add_watch(folder, self._mask)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            except OSError as error:
                raise _refused(error, len(folders)) from error
            watched.setdefault(number, []).append(folder)
        for number in self._folders.keys() - watched.keys():
            with contextlib.suppress(OSError):  # ended with its folder
                self._notify.rm_watch(number)
        new = watched.keys() - self._folders.keys()
        self._folders = watched
        return bool(new)

    async def wait(self, seconds: float) -> Happened:
        loop = asyncio.get_running_loop()
        if self._readable is None:
            self._readable = asyncio.Event()
            loop.add_reader(self._notify.fileno(), self._readable.set)
        found = Happened()
        self._take(found)
        if not (found.paths or found.lost):
            self._readable.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._readable.wait()
        end = time.monotonic() + LONGEST_BATCH_SECONDS
        while (  # noqa: ASYNC110  the end of a batch is that nothing comes
            self._take(found) and len(found.paths) < BURST and time.monotonic() < end
        ):
            await asyncio.sleep(QUIET_SECONDS)
        return found

    def _take(self, found: Happened) -> bool:
        """Whether anything came in."""
        events = self._notify.read(timeout=0)
        for event in events:
            folders = self._folders.get(event.wd, ())
            if event.mask & self._flags.Q_OVERFLOW or (folders and event.mask & self._ended):
                found.lost = True
            for folder in folders:
                found.paths.add(os.path.join(folder, event.name) if event.name else folder.rstrip(os.sep))
        return bool(events)

    async def close(self) -> None:
        if self._readable is not None:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._readable = None
        self._notify.close()


class WatchfilesWatcher:
    """By ``watchfiles``, which watches a fixed set of folders: another set is another watch."""

    STEP_MS = 10
    TICK_MS = 50

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._changes: Any = None
        self._found = Happened()

    async def watch(self, folders: Collection[str]) -> bool:
        readable = [folder for folder in folders if os.access(folder, os.R_OK | os.X_OK)]
        # Where a watch covers all that is below, one for each topmost folder will do.
        self._folders = readable if sys.platform == "linux" else _topmost(readable)
        await self._end()
        await self._take()  # begins to watch
        return True

    async def wait(self, seconds: float) -> Happened:
        end = time.monotonic() + seconds
        while not (self._found.paths or self._found.lost):
            await self._take()
            if time.monotonic() >= end:
                break
        found, self._found = self._found, Happened()
        return found

    async def _take(self) -> None:
        """Add what happened within the next moment."""
        from watchfiles import awatch

        if not self._folders:
            await asyncio.sleep(self.TICK_MS / 1_000)
            return
        if self._changes is None:
            self._changes = awatch(
                *self._folders,
                watch_filter=None,
                yield_on_timeout=True,
                rust_timeout=self.TICK_MS,
                step=self.STEP_MS,
                recursive=sys.platform != "linux",
                ignore_permission_denied=True,
            )
        try:
            changes = await anext(self._changes)
        except FileNotFoundError:  # a folder went just now
            await self._begin_again()
        except OSError as error:
            raise _refused(error, len(self._folders)) from error
        except (ExceptionGroup, RuntimeError, StopAsyncIteration):  # a name that is no text ends it
            await self._begin_again()
        else:
            ended = {path for kind, path in changes if kind == _DELETED}
            self._found.paths.update(path for _, path in changes)
            self._found.lost |= any(folder.rstrip(os.sep) in ended for folder in self._folders)

    async def _begin_again(self) -> None:
        self._changes, self._found.lost = None, True
        await asyncio.sleep(self.TICK_MS / 1_000)  # what fails at once must not turn into a busy loop

    async def _end(self) -> None:
        changes, self._changes = self._changes, None
        if changes is not None:
            await changes.aclose()

    async def close(self) -> None:
        await self._end()


def _topmost(folders: Iterable[str]) -> list[str]:
    found: list[str] = []
    for folder in sorted(folders):
        if not (found and folder.startswith(found[-1])):
            found.append(folder)
    return found
