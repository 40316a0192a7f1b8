"""Files and folders in which coco itself writes, as far as they lie below the root of a source."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable


class OwnedPaths:
    """Determines what a listing must exclude: the state store and the targets of the project.

    A path is compared by its real name, and by device and inode where it exists, so that links, further names and
    names in another case are left out too. A path that is the root, or lies above it, does not count: a
    folder that is the root of a source is meant to be read.
    """

    def __init__(self, root: str, paths: Iterable[str] = ()) -> None:
        """``root``: the real path, ending with a separator. ``paths``: absolute or relative to the working directory."""
        self.by_folder: dict[str, set[str]] = {}
        self.files: set[tuple[int, int]] = set()
        self.folders: set[tuple[int, int]] = set()
        self.around: list[str] = []
        self._below: tuple[str, ...] = ()
        below: set[str] = set()
        for path in paths:
            full = os.path.abspath(path)
            named = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
            for place in {named, os.path.realpath(full)}:
                if root.startswith(os.path.join(place, "")):
                    if os.path.isdir(place) and path not in self.around:
                        self.around.append(path)
                    continue
                self._add(place)
                if place.startswith(root):
                    below.add(place[len(root) :].replace(os.sep, "/") + "/")
        self._below = tuple(sorted(below))

    def _add(self, place: str) -> None:
        folder, name = os.path.split(place)
        self.by_folder.setdefault(os.path.join(folder, ""), set()).add(name)
        with contextlib.suppress(OSError):
            found = os.stat(place)
            kind = self.folders if os.path.isdir(place) else self.files
            kind.add((found.st_dev, found.st_ino))

    def __bool__(self) -> bool:
        return bool(self.by_folder)

    def has_key(self, key: str) -> bool:
        """Whether a key of the source names an owned path or one below it, links aside."""
        return bool(self._below) and (key + "/").startswith(self._below)

    def has_place(self, real: str) -> bool:
        """Whether the real path of a folder, ending with a separator, is owned or lies below an owned one."""
        while True:
            folder, name = os.path.split(real.rstrip(os.sep))
            if not name:
                return False
            real = os.path.join(folder, "")
            if name in self.by_folder.get(real, ()):
                return True
