"""Changes of a tree, as they happen.

What a watcher says is a hint. Each changed file becomes ``(key, None, ack)``: go and look. An *empty* batch says that
files changed which cannot be named, so the whole tree must be listed: after the start (files may have changed before
the watcher was ready), after a burst or an overflow of the system's queue, and when a folder came, went, was renamed or
replaced, or a link to one was. The watch follows the path of the root: another folder in its place is watched from then
on, and it waits for a root that is missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from coco.errors import SourceError
from coco_source_localfs.index import TreeIndex
from coco_source_localfs.rows import FileKey
from coco_source_localfs.tree import Tree
from coco_source_localfs.watchers import BURST, Happened, Watcher, installed_watcher

logger = logging.getLogger("coco.source.localfs")

PROBE_SECONDS = 0.5
"""How often is looked for what no watcher tells: a root or a link that leads elsewhere, a file changed by another name."""

SETTLING_ROUNDS = 5
"""How often the tree is listed again, at most, because folders came while others were being watched."""

Change: TypeAlias = tuple[FileKey, None, Callable[[], None]]


async def change_batches(tree: Tree, watcher: Watcher | None = None) -> AsyncIterator[list[Change]]:
    """Batches of changes, until cancelled. ``watcher``: by default the one that is installed.

    Raises ``SourceError`` if watching is impossible, because a package is missing or the system refuses.
    """
    watch = installed_watcher() if watcher is None else watcher
    try:
        while True:
            index = await _settled(tree, watch)
            if index is None:
                await _until_there(tree)
                continue
            yield []
            async for keys in _keys(index, watch):
                yield [(FileKey(key), None, _nothing_to_acknowledge) for key in keys]
    finally:
        await watch.close()


async def _keys(index: TreeIndex, watch: Watcher) -> AsyncIterator[list[str]]:
    """Lists of keys to look at; ends when only a listing can tell."""
    next_probe = time.monotonic() + PROBE_SECONDS
    while True:
        happened = await watch.wait(max(next_probe - time.monotonic(), 0.0))
        keys = _told(index, happened)
        if keys is None:
            return
        if keys:
            yield keys
        if time.monotonic() >= next_probe:
            keys = await asyncio.to_thread(index.probe)
            if keys is None:
                return
            if keys:
                yield keys
            next_probe = time.monotonic() + PROBE_SECONDS


def _told(index: TreeIndex, happened: Happened) -> list[str] | None:
    if happened.lost or len(happened.paths) >= BURST:
        return None
    return index.keys_of(happened.paths)


async def _settled(tree: Tree, watch: Watcher) -> TreeIndex | None:
    """An index whose folders are all watched; None if the root cannot be listed."""
    try:
        index = await asyncio.to_thread(TreeIndex, tree)
        for _ in range(SETTLING_ROUNDS):
            watched = index.folders
            if not await watch.watch(watched):
                break
            # A folder made before its parent was watched was not announced.
            index = await asyncio.to_thread(TreeIndex, tree)
            if index.folders <= watched:
                break
    except SourceError:
        if _is_there(tree):
            raise
        return None
    return index


async def _until_there(tree: Tree) -> None:
    logger.warning(
        "%s is missing or cannot be read; its rows are kept, and coco watches it again when it is back",
        tree.root,
    )
    while not _is_there(tree):  # noqa: ASYNC110  no event tells that a missing path exists again
        await asyncio.sleep(PROBE_SECONDS)


def _is_there(tree: Tree) -> bool:
    return os.path.isdir(tree.root) and os.access(tree.root, os.R_OK | os.X_OK)


def _nothing_to_acknowledge() -> None:
    """A file system does not send again."""
