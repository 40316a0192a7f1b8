"""Changes pushed by the operating system, through the optional ``watchfiles`` (spec S-LocalFile-2, CS-6).

What a watcher says is a hint. Each changed file becomes ``(key, None, ack)``: go and look. An *empty* batch
says that files changed which cannot be named, so the whole tree must be listed: after the start (files may
have changed before the watcher was ready), after a burst (the system's queue may have overflowed, which
watchfiles does not tell), and when a directory came, went or was renamed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Protocol, TypeAlias

from coco.errors import SourceError
from coco_source_localfs.glob import PathFilter
from coco_source_localfs.rows import FileKey

BURST = 1_000
"""Changed paths in one batch from which on a listing is cheaper and safer than looking at each."""

READY_MS = 500
"""Milliseconds within which the watcher reports that it is at work although nothing changed."""

QUIET_MS = 10
"""A batch ends when nothing more happened for so long; every change waits for it once or twice. The watcher looks that
often, which takes half a per cent of a processor, twice what 50 ms take."""

Change: TypeAlias = tuple[FileKey, None, Callable[[], None]]
_DELETED = 3  # watchfiles.Change.deleted; spelled out to keep the import lazy


class Watcher(Protocol):
    """The part of ``watchfiles.awatch`` that is used."""

    def __call__(
        self, path: str, /, *, watch_filter: None, yield_on_timeout: bool, rust_timeout: int, step: int
    ) -> AsyncIterator[Iterable[tuple[int, str]]]: ...


async def change_batches(
    root: str,
    paths: PathFilter,
    directories: Callable[[], Collection[str] | None],
    watcher: Watcher | None = None,
) -> AsyncIterator[list[Change]]:
    """Batches of changes under ``root`` (absolute, ending with a separator), until cancelled.

    ``directories()``: relative paths of the directories in the last listing, or None before the first one.
    ``watcher`` replaces ``watchfiles.awatch`` in tests. Raises ``SourceError`` if watching is impossible.
    """
    watch = _installed_watcher() if watcher is None else watcher
    ready = False
    try:
        async for events in watch(
            root, watch_filter=None, yield_on_timeout=True, rust_timeout=READY_MS, step=QUIET_MS
        ):
            if not ready:
                ready = True
                yield []
                continue
            found = sorted(set(events), key=lambda event: event[1])
            if not found:
                continue
            keys = _changed_keys(found, root, paths, directories())
            if keys is None:
                yield []
            elif keys:
                yield [(FileKey(key), None, _nothing_to_acknowledge) for key in keys]
    except OSError as error:
        raise SourceError(
            f"cannot watch {root}: {error.strerror or error}; "
            "is it there, and are the system's limits on watches high enough?"
        ) from error


def _changed_keys(
    events: list[tuple[int, str]], root: str, paths: PathFilter, directories: Collection[str] | None
) -> list[str] | None:
    """Keys to look at, in order; None when only a listing can tell."""
    if len(events) >= BURST:
        return None
    keys: dict[str, None] = {}
    for kind, path in events:
        key = _relative(path, root)
        if key is None:
            return None
        if _is_hidden(key, paths):
            continue
        if kind == _DELETED:
            if directories is None or key in directories:
                return None
        elif os.path.isdir(path):
            if directories is None or key not in directories:
                return None
            continue
        if paths.admits(key):
            keys[key] = None
    return list(keys)


def _relative(path: str, root: str) -> str | None:
    """The key of ``path``; None for the root itself and for what is spelled as if it were elsewhere."""
    for start in (root, os.path.join(os.path.realpath(root), "")):
        if path.startswith(start) and len(path) > len(start):
            return path[len(start) :].replace(os.sep, "/")
    return None


def _is_hidden(key: str, paths: PathFilter) -> bool:
    """Whether ``key``, or a directory above it, is one that no listing enters."""
    if not key.isascii():
        try:
            key.encode("utf-8")
        except UnicodeEncodeError:
            return True
    if paths.pruned(key) and not paths.admits(key):
        return True
    end = key.find("/")
    while end >= 0:
        if paths.pruned(key[:end]):
            return True
        end = key.find("/", end + 1)
    return False


def _nothing_to_acknowledge() -> None:
    """A file system does not send again."""


def _installed_watcher() -> Watcher:
    try:
        from watchfiles import awatch
    except ImportError as error:
        raise SourceError(MISSING) from error
    return awatch


MISSING = "watch_changes=True needs the package watchfiles: pip install 'coco-source-localfs[watch]'"
