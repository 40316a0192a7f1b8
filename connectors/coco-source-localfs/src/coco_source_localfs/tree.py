"""Which files below a root count as rows: the part of the spec that chooses."""

from __future__ import annotations

import functools
import os
from typing import Literal, NamedTuple

from coco_source_localfs.glob import PathFilter
from coco_source_localfs.ignore import ignore_at_root
from coco_source_localfs.owned import OwnedPaths

Follow = bool | Literal["inside"]


class Selection(NamedTuple):
    """Which files of a tree count.

    paths: the compiled patterns. max_size: of a file, in bytes; None: no limit. follow: which symbolic links are
    followed: all, those to places below the root, or none. gitignore: whether ``.gitignore`` files count.
    """

    paths: PathFilter
    max_size: int | None = None
    follow: Follow = True
    gitignore: bool = False

    def counts(self, key: str, *, is_folder: bool) -> bool:
        """Whether patterns admit a file, or may admit files in a folder; the folders above it are not asked."""
        paths = self.paths
        if is_folder:
            return not paths.pruned(key)
        return bool(paths.included(key)) and not paths.excluded(key)

    def is_left_out(self, key: str) -> bool:
        """Whether it does not count, be it a file or a folder."""
        return not (self.counts(key, is_folder=False) or self.counts(key, is_folder=True))


class Tree(NamedTuple):
    """A tree as one source sees it.

    root: absolute, ending with a separator. owned: files and folders that coco writes, which are left out.
    """

    root: str
    selection: Selection
    owned: tuple[str, ...] = ()

    def admits(self, key: str) -> bool:
        """Whether a file of this name would be listed, as far as patterns, owned paths and links tell."""
        selection = self.selection
        if not selection.paths.admits(key):
            return False
        if not self.owned and selection.follow is True:
            return True
        real_root = os.path.join(os.path.realpath(self.root), "")
        if self.owned and _owned(real_root, self.owned).has_key(key):
            return False
        if selection.follow is not True:
            real = os.path.realpath(self.root + key)
            if not real.startswith(real_root) or (not selection.follow and real != real_root + key):
                return False
        return True

    def ignores(self, key: str) -> bool:
        """Whether a ``.gitignore`` file hides a file, or a folder above it."""
        ignore = ignore_at_root(os.path.join(os.path.realpath(self.root), ""))
        end = key.find("/")
        while end >= 0:
            prefix = key[: end + 1]
            if ignore.hides(prefix):
                return True
            ignore = ignore.within(self.root + prefix, prefix)
            end = key.find("/", end + 1)
        return ignore.hides(key)


@functools.lru_cache(maxsize=64)
def _owned(real_root: str, paths: tuple[str, ...]) -> OwnedPaths:
    return OwnedPaths(real_root, paths)
