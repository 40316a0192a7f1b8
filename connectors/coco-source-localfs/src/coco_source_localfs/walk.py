"""Listing a directory tree: sorted, in batches, without reading a single file."""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from coco.errors import SourceError
from coco.op import PartialSourceRow, PartialSourceRowData
from coco_source_localfs.ignore import Ignore, ignore_at_root
from coco_source_localfs.names import SortedNames, is_text, shown
from coco_source_localfs.notes import ListingNotes
from coco_source_localfs.owned import OwnedPaths
from coco_source_localfs.rows import FileKey, FileRow
from coco_source_localfs.tree import Tree

BATCH = 1_000
MAX_LINKED_FOLDERS = 100_000
"""Folders that one listing enters by way of links. More than that is links that multiply each other."""

Identity = tuple[int, int]
"""Device and inode."""

_FORMAT_MASK = 0o170000
_REGULAR = stat.S_IFREG
_KEPT = "nothing is deleted for it"
_new_key = functools.partial(tuple.__new__, FileKey)  # a NamedTuple's own constructor takes twice as long


class Folder(NamedTuple):
    """A folder that a listing entered.

    prefix: start of the keys of its files; empty, or ending with ``/``. real: its real path, ending with a separator.
    links: in a folder that a link led to, the links that were followed since, by their real path; else None.
    base: then the real folder that the first of these links leads to. nested: whether further links led here.
    """

    prefix: str
    real: str
    ignore: Ignore | None = None
    links: set[str] | None = None
    base: str = ""
    nested: bool = False


class SeenFolder(NamedTuple):
    """What a watcher needs to know of a folder. mode: with the permissions; ``link``: whether its name is a link."""

    real: str
    identity: Identity
    mode: int
    link: bool


class ListingReport:
    """What a listing could not see, and what a user should know about it.

    incomplete: key prefixes under which files may exist that were not listed. errors: one message each.
    skipped: (name as text, message) of each file or folder that cannot be a row whatever is done. notes: see
    ``ListingNotes``.

    Only if the tree is watched: ``folders``, by key without the last ``/``; ``several``: keys by device and inode, of
    files with several names and of files that a link leads to; ``dangling``: keys of links to nothing.
    """

    def __init__(self) -> None:
        self.incomplete: list[str] = []
        self.errors: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.notes = ListingNotes()
        self.folders: dict[str, SeenFolder] = {}
        self.several: dict[Identity, list[str]] = {}
        self.dangling: list[str] = []


class TreeWalk:
    """One walk over a tree. Iterate once. ``patterns``: those of which the report says that they match no file.

    watched: the report also holds what a watcher needs. batch: rows in one list, at least.

    Keys come in ascending order of the whole relative path. ``report`` is complete when the iteration is.
    Raises ``SourceError`` when the root cannot be listed, also when it disappears on the way.

    A folder is entered by its real name, and once more by each link that leads to it. In a folder that a link led to,
    a further link is followed only if it is met nowhere else: not below the root by its real name, nor a second time by
    way of the same first link. So the work is in proportion to folders and links, even where folders link to each other.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        patterns: Iterable[str] = (),
        watched: bool = False,
        batch: int = BATCH,
    ) -> None:
        self.report = ListingReport()
        self._root = tree.root
        self._real_root = os.path.join(os.path.realpath(tree.root), "")
        self._selection = tree.selection
        self._owned = OwnedPaths(self._real_root, tree.owned)
        self._patterns = tuple(patterns)
        self._watched = watched
        self._batch = batch
        self._linked = 0
        self._something_vanished = False
        self._open: list[tuple[Folder, Iterator[str]]] = []

    def __iter__(self) -> Iterator[list[FileRow]]:
        notes = self.report.notes
        notes.begin(self._patterns)
        rows: list[FileRow] = []
        for prefix, names in self._files():
            before = len(rows)
            self._append_rows(prefix, names, rows)
            if len(rows) > before:
                notes.see(prefix, names)
            if len(rows) >= self._batch:
                yield rows
                rows = []
        if rows:
            yield rows
        if self._something_vanished and not os.path.isdir(self._root):
            raise SourceError(f"the root directory {self._root} disappeared while it was listed")

    def _files(self) -> Iterator[tuple[str, list[str]]]:
        """(prefix, names of files), cut so that keys come in order over all folders."""
        ignore = ignore_at_root(self._real_root) if self._selection.gitignore else None
        root = Folder("", self._real_root, ignore)
        stack = self._open
        stack.append((root, iter(self._read_root(root))))
        while stack:
            folder, entries = stack[-1]
            prefix, ignored = folder.prefix, folder.ignore
            names: list[str] = []
            for name in entries:
                if ignored is not None and ignored.hides(prefix + name):
                    continue
                if name[-1] != "/":
                    names.append(name)
                    if len(names) < self._batch:
                        continue
                if names:
                    yield prefix, names
                    names = []
                if name[-1] == "/":
                    inner = self._enter(folder, name)
                    if inner is not None:
                        stack.append(inner)
                        break
            else:
                if names:
                    yield prefix, names
                stack.pop()

    def _append_rows(self, prefix: str, names: list[str], rows: list[FileRow]) -> None:
        max_size = self._selection.max_size
        owned = self._owned.files
        start = self._root + prefix
        append, look = rows.append, os.stat
        for name in names:
            try:
                found = look(start + name)
            except FileNotFoundError:  # deleted meanwhile, or a link to nothing
                self._something_vanished = True
                if self._watched and os.path.islink(start + name):
                    self.report.dangling.append(prefix + name)
                continue
            except OSError as error:
                if error.errno != errno.ELOOP:
                    self._unseen(prefix + name, error)
                continue
            if found.st_mode & _FORMAT_MASK != _REGULAR:
                continue
            size = found.st_size
            if max_size is not None and size > max_size:
                continue
            if owned and (found.st_dev, found.st_ino) in owned:
                continue
            if self._watched and (found.st_nlink > 1 or os.path.islink(start + name)):
                self.report.several.setdefault((found.st_dev, found.st_ino), []).append(prefix + name)
            ordinal = found.st_mtime_ns // 1000
            append(
                PartialSourceRow(_new_key((prefix + name,)), PartialSourceRowData(None, ordinal, None, size))
            )

    # -- folders ----------------------------------------------------------------------------------
    def _read_root(self, root: Folder) -> Iterable[str]:
        try:
            if self._watched:
                self._note_folder(root, link=os.path.islink(self._root.rstrip(os.sep)))
            return self._read(root)
        except FileNotFoundError:  # the cause would say the same once more
            raise SourceError(
                f"the root directory {self._root} does not exist; {_KEPT}. Create it, or correct LocalFile.path"
            ) from None
        except NotADirectoryError:
            raise SourceError(
                f"the root {self._root} is not a directory; {_KEPT}. Correct LocalFile.path"
            ) from None
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(f"cannot list the root directory {self._root}: {reason}; {_KEPT}") from error

    def _enter(self, parent: Folder, name: str) -> tuple[Folder, Iterator[str]] | None:
        """The folder ``name``, with what is in it; None if it is not to be entered or cannot be."""
        prefix = parent.prefix + name
        path = self._root + prefix[:-1]
        try:
            link = os.path.islink(path)
            if link:
                found = self._linked_folder(parent, name, prefix)
                if found is None:
                    return None
                folder = found
            else:
                folder = parent._replace(prefix=prefix, real=parent.real + name[:-1] + os.sep)
            if folder.links is not None and not self._count_linked(prefix):
                return None
            if folder.ignore is not None:
                folder = folder._replace(ignore=folder.ignore.within(folder.real, prefix))
            if self._watched:
                self._note_folder(folder, link=link)
            return folder, iter(self._read(folder))
        except (FileNotFoundError, NotADirectoryError):
            self._something_vanished = True
        except OSError as error:
            self._unseen(prefix, error)
        return None

    def _linked_folder(self, parent: Folder, name: str, prefix: str) -> Folder | None:
        follow = self._selection.follow
        if not follow:
            return None
        real = os.path.join(os.path.realpath(self._root + prefix[:-1]), "")
        if follow == "inside" and not real.startswith(self._real_root):
            return None
        if any(folder.real == real for folder, _ in self._open):  # it leads to itself
            return None
        if self._owned and self._owned.has_place(real):
            return None
        place = parent.real + name[:-1]
        if parent.links is None:
            return Folder(prefix, real, parent.ignore, {place}, real)
        if self._is_listed(place):
            return None
        if parent.nested and (place in parent.links or place.startswith(parent.base)):
            return None
        parent.links.add(place)
        return parent._replace(prefix=prefix, real=real, nested=True)

    def _is_listed(self, place: str) -> bool:
        """Whether the listing meets a link at its real path, too."""
        if not place.startswith(self._real_root) or self._selection.gitignore or not is_text(place):
            return False
        key = place[len(self._real_root) :].replace(os.sep, "/")
        pruned = self._selection.paths.pruned
        end = key.find("/")
        while end >= 0:
            if pruned(key[:end]):
                return False
            end = key.find("/", end + 1)
        return not pruned(key)

    def _count_linked(self, prefix: str) -> bool:
        """Whether one more folder may be entered through a link. Reports once that the limit leaves folders out."""
        self._linked += 1
        if self._linked <= MAX_LINKED_FOLDERS:
            return True
        self.report.incomplete.append(prefix)
        if self._linked == MAX_LINKED_FOLDERS + 1:
            self.report.errors.append(
                f"links below {self._root} lead to more than {MAX_LINKED_FOLDERS} folders; {prefix} and what else they "
                "lead to is not listed, and the rows from there are kept. Set follow_links=False, or "
                "exclude the folders that hold the links"
            )
        return False

    def _note_folder(self, folder: Folder, *, link: bool) -> None:
        found = os.stat(self._root + folder.prefix)
        self.report.folders[folder.prefix[:-1]] = SeenFolder(
            folder.real, (found.st_dev, found.st_ino), found.st_mode, link
        )

    def _read(self, folder: Folder) -> SortedNames:
        """Names that count, in order. A folder's name ends with ``/``, which puts its contents in order."""
        prefix = folder.prefix
        paths = self._selection.paths
        pruned, included, excluded, suffixes = paths.pruned, paths.included, paths.excluded, paths.suffixes
        notes = self.report.notes
        unmet, others = notes.unmet, notes.others
        hidden = self._owned.by_folder.get(folder.real)
        owned_folders = self._owned.folders
        all_links = self._selection.follow is True
        names = SortedNames()
        with os.scandir(self._root + prefix) as listing:
            try:
                for entry in listing:
                    name = entry.name
                    if not name.isascii() and not is_text(name):
                        self._skip(folder, entry)
                        continue
                    if hidden is not None and name in hidden:
                        continue
                    try:
                        is_folder = entry.is_dir()
                    except OSError as error:
                        if error.errno != errno.ELOOP and not self._selection.is_left_out(prefix + name):
                            self._unseen(prefix + name, error)
                        continue
                    if is_folder:
                        if owned_folders and self._is_owned_folder(entry):
                            continue
                        if not pruned(prefix + name):
                            names.append(name + "/")
                    elif suffixes is not None:
                        if name.endswith(suffixes):
                            if all_links or self._may_follow(entry):
                                names.append(name)
                                if unmet:
                                    notes.meet(prefix + name)
                        elif len(others) < 3:
                            others.append(prefix + name)
                    elif included(path := prefix + name):
                        if not excluded(path) and (all_links or self._may_follow(entry)):
                            names.append(name)
                            if unmet:
                                notes.meet(path)
                    elif len(others) < 3:
                        others.append(path)
            except OSError as error:  # broke off half-way: what was read is good, the rest unknown
                if not prefix:
                    raise
                self._unseen(prefix, error)
        return names

    def _may_follow(self, entry: os.DirEntry[str]) -> bool:
        """Whether a file counts although not all links are followed."""
        if not entry.is_symlink():
            return True
        return self._selection.follow == "inside" and os.path.realpath(entry.path).startswith(self._real_root)

    def _is_owned_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            found = entry.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) in self._owned.folders

    def _skip(self, folder: Folder, entry: os.DirEntry[str]) -> None:
        """Say that a file or folder cannot be a key, unless it would not count anyway."""
        name = shown(folder.prefix + entry.name)
        if not self._selection.counts(name, is_folder=_is_folder(entry)):
            return
        if folder.ignore is not None and folder.ignore.hides(f"{name}/" if _is_folder(entry) else name):
            return
        text = f"skipped {self._root}{name}: its name is not valid text, rename it; all other files are treated as usual"
        self.report.skipped.append((name, text))

    def _unseen(self, prefix: str, error: OSError) -> None:
        self.report.incomplete.append(prefix)
        self.report.errors.append(
            f"cannot look at {self._root}{prefix}: {error.strerror or error}; its rows are kept"
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
