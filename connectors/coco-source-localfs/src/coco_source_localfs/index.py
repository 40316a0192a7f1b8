"""What a watcher knows of a tree: which keys a changed path stands for, and what must be looked at from time to time.

A real folder may have several keys, by links that lead to it; a file may have several, by hard links and by links to
it. What happens to them by a name outside of the watched folders the system does not tell, nor that a link, or a folder
above one, leads elsewhere now: that is looked for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from coco_source_localfs.ignore import files_above
from coco_source_localfs.names import is_text, shown
from coco_source_localfs.owned import OwnedPaths
from coco_source_localfs.tree import Tree
from coco_source_localfs.walk import Identity, TreeWalk

PROBES = 1_000
"""Things that are looked at in one round; a system call each, some 2 ms in all."""

_Facts = tuple[int, ...] | None


class TreeIndex:
    """One tree as it was when the index was made. Making it lists the tree; raises ``SourceError`` if it cannot."""

    def __init__(self, tree: Tree) -> None:
        walk = TreeWalk(tree, watched=True)
        for _ in walk:
            pass
        self._tree = tree
        self._root = tree.root
        self._report = report = walk.report
        real_root = os.path.join(os.path.realpath(tree.root), "")
        self._owned = OwnedPaths(real_root, tree.owned)
        self._prefixes: dict[str, list[str]] = {}
        for key, seen in report.folders.items():
            self._prefixes.setdefault(seen.real, []).append(f"{key}/" if key else "")
        self._files: dict[str, _Facts] = {}
        for keys in report.several.values():
            for key in keys:
                self._files[key] = _facts(self._root + key)
        self._files.update(dict.fromkeys(report.dangling))
        self._rules = files_above(real_root) if tree.selection.gitignore else []
        self._rules_facts = list(map(_facts, self._rules))
        self._skipped = {name for name, _ in report.skipped}
        self._links = _Round(
            [key for key, folder in report.folders.items() if folder.link] + list(self._files)
        )
        self._plain = _Round([key for key, folder in report.folders.items() if not folder.link])

    @property
    def folders(self) -> set[str]:
        """Real paths of the folders to watch."""
        return set(self._prefixes)

    # -- what the system tells --------------------------------------------------------------------
    def keys_of(self, paths: Iterable[str]) -> list[str] | None:
        """Keys to look at, in order, for paths that changed; None when only a listing can tell."""
        found: set[str] = set()
        for path in paths:
            folder, name = os.path.split(path)
            prefixes = self._prefixes.get(os.path.join(path, ""))
            if prefixes is not None and any(self._is_other(prefix.rstrip("/")) for prefix in prefixes):
                return None
            place = os.path.join(folder, "")
            while place not in self._prefixes:  # where a watch covers more than one folder
                folder, name = os.path.split(folder)
                if not name:
                    break
                place = os.path.join(folder, "")
            if name in self._owned.by_folder.get(place, ()):
                continue
            for prefix in self._prefixes.get(place, ()):
                keys = self._keys_at(prefix + name)
                if keys is None:
                    return None
                found.update(keys)
        return sorted(found)

    def _keys_at(self, key: str) -> Iterable[str] | None:
        if not is_text(key):
            return self._skipped_at(key)
        if self._owned.has_key(key):
            return ()
        selection = self._tree.selection
        known = key in self._report.folders
        pruned = selection.paths.pruned(key)
        if selection.gitignore:
            if key.rpartition("/")[2] == ".gitignore":
                return None
            if not known and self._tree.ignores(key):
                return ()
        try:
            found = os.stat(self._root + key)
        except OSError:
            if known:
                return None
            if not self._tree.admits(key):
                return ()
            if os.path.islink(self._root + key):  # what it leads to may come
                self._look_at(key)
            return (key,)
        if stat.S_ISDIR(found.st_mode):
            if known:
                return None if self._is_other(key) else ()
            if pruned or (selection.gitignore and self._tree.ignores(key + "/")):
                return ()
            return None
        if known:
            return None
        if not self._tree.admits(key):
            return ()
        return self._names_of(key, found)

    def _skipped_at(self, key: str) -> Iterable[str] | None:
        """No keys for a name that is no text; None if a listing would say something else about it than the last one."""
        place = self._root + key
        name, is_folder = shown(key), os.path.isdir(place)
        counts = os.path.lexists(place) and self._tree.selection.counts(name, is_folder=is_folder)
        return () if counts == (name in self._skipped) else None

    def _names_of(self, key: str, found: os.stat_result) -> Iterable[str] | None:
        """All keys of the file that ``key`` leads to; None if some may be unknown."""
        identity: Identity = (found.st_dev, found.st_ino)
        several = self._report.several
        names = several.get(identity)
        if names is None and found.st_nlink > 1:
            return None
        if key not in self._files and (found.st_nlink > 1 or os.path.islink(self._root + key)):
            names = several.setdefault(identity, [])
            names.append(key)
            self._look_at(key)
        return (key,) if names is None else {key, *names}

    def _look_at(self, key: str) -> None:
        """Look for changes of a file from now on."""
        if key not in self._files:
            self._files[key] = _facts(self._root + key)
            self._links.places.append(key)

    # -- what has to be looked for ----------------------------------------------------------------
    def probe(self) -> list[str] | None:
        """Keys to look at although nothing was told; None when only a listing can tell. Looks at some places a call."""
        if self._is_other("") or list(map(_facts, self._rules)) != self._rules_facts:
            return None
        found: set[str] = set()
        for key in (*self._links.some(PROBES // 2), *self._plain.some(PROBES // 2)):
            if key not in self._files:
                if self._is_other(key):
                    return None
                continue
            facts = _facts(self._root + key)
            if facts != self._files[key]:
                if facts is not None and stat.S_ISDIR(facts[-1]):
                    return None
                self._files[key] = facts
                found.add(key)
        for prefix in self._report.incomplete[:PROBES]:
            place = self._root + prefix
            if os.access(place, os.R_OK | os.X_OK if prefix.endswith("/") else os.R_OK):
                return None
        return sorted(found)

    def _is_other(self, key: str) -> bool:
        """Whether a folder is missing, was replaced, or has other permissions."""
        seen = self._report.folders.get(key)
        if seen is None:
            return False
        try:
            found = os.stat(self._root + key)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != seen.identity or found.st_mode != seen.mode


class _Round:
    """Places that are looked at one after the other, again and again."""

    def __init__(self, places: list[str]) -> None:
        self.places = places
        self._next = 0

    def some(self, count: int) -> list[str]:
        """The next ones, none of them twice."""
        start = self._next if self._next < len(self.places) else 0
        chosen = self.places[start : start + count]
        self._next = start + len(chosen)
        return chosen


def _facts(path: str) -> _Facts:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode
