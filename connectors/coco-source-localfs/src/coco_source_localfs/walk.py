"""Listing a directory tree: sorted, in batches, without reading a single file (spec S-LocalFile-4 to -10)."""

from __future__ import annotations

import errno
import functools
import operator
import os
import stat
from collections.abc import Iterator

from coco.errors import SourceError
from coco.op import PartialSourceRow, PartialSourceRowData
from coco_source_localfs.glob import PathFilter
from coco_source_localfs.rows import FileKey, FileRow

BATCH = 1_000
_FORMAT_MASK = 0o170000
_REGULAR = stat.S_IFREG
_KEPT = "nothing is deleted for it"
_Entry = tuple[str, "os.DirEntry[str]"]
_name = operator.itemgetter(0)
_new_key = functools.partial(tuple.__new__, FileKey)  # a NamedTuple's own constructor takes twice as long


class ListingReport:
    """What a listing could not see.

    incomplete: key prefixes under which files may exist that were not listed.
    errors: one message each; also for names that are skipped for good.
    directories: relative paths of the directories that were listed.
    """

    def __init__(self) -> None:
        self.incomplete: list[str] = []
        self.errors: list[str] = []
        self.directories: set[str] = set()


class TreeWalk:
    """One pass over the tree under ``root`` (absolute, ending with a separator). Iterate once.

    Keys come in ascending order of the whole relative path. ``report`` is complete when the iteration is.
    Raises ``SourceError`` when the root cannot be listed, also when it disappears on the way.
    """

    def __init__(self, root: str, paths: PathFilter, max_size: int | None, batch: int = BATCH) -> None:
        self.report = ListingReport()
        self._root = root
        self._paths = paths
        self._max_size = max_size
        self._batch = batch
        self._something_vanished = False

    def __iter__(self) -> Iterator[list[FileRow]]:
        rows: list[FileRow] = []
        for prefix, entries in self._directories():
            for start in range(0, len(entries), self._batch):
                self._append_rows(prefix, entries[start : start + self._batch], rows)
                if len(rows) >= self._batch:
                    yield rows
                    rows = []
        if rows:
            yield rows
        if self._something_vanished and not os.path.isdir(self._root):
            raise SourceError(f"the root directory {self._root} disappeared while it was listed")

    def _directories(self) -> Iterator[tuple[str, list[_Entry]]]:
        """(prefix, entries that are no directories), cut so that keys come in order over all of them."""
        pending: list[tuple[str, list[_Entry], int]] = [("", self._scan_root(), 0)]
        while pending:
            prefix, entries, position = pending.pop()
            end = position
            while end < len(entries) and entries[end][0][-1] != "/":
                end += 1
            if end > position:
                yield prefix, entries[position:end]
            if end < len(entries):
                if end + 1 < len(entries):
                    pending.append((prefix, entries, end + 1))
                inner = prefix + entries[end][0]
                found = self._scan(inner, entries[end][1])
                if found:
                    pending.append((inner, found, 0))

    def _append_rows(self, prefix: str, entries: list[_Entry], rows: list[FileRow]) -> None:
        max_size = self._max_size
        append = rows.append
        for name, entry in entries:
            try:
                found = entry.stat()
            except FileNotFoundError:  # deleted meanwhile, or a link to nothing
                self._something_vanished = True
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
            ordinal = found.st_mtime_ns // 1000
            append(
                PartialSourceRow(_new_key((prefix + name,)), PartialSourceRowData(None, ordinal, None, size))
            )

    def _scan_root(self) -> list[_Entry]:
        try:
            return self._read_directory("")
        except FileNotFoundError as error:
            raise SourceError(f"the root directory {self._root} does not exist; {_KEPT}") from error
        except NotADirectoryError as error:
            raise SourceError(f"the root {self._root} is not a directory; {_KEPT}") from error
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(f"cannot list the root directory {self._root}: {reason}; {_KEPT}") from error

    def _scan(self, prefix: str, entry: os.DirEntry[str]) -> list[_Entry]:
        if entry.is_symlink() and self._is_cycle(prefix):
            return []
        self.report.directories.add(prefix[:-1])
        try:
            return self._read_directory(prefix)
        except (FileNotFoundError, NotADirectoryError):
            self._something_vanished = True
        except OSError as error:
            self._unseen(prefix, error)
        return []

    def _read_directory(self, prefix: str) -> list[_Entry]:
        """Entries that count, sorted. A directory's name ends with "/", which puts its contents in order."""
        paths = self._paths
        pruned, included, excluded, suffixes = paths.pruned, paths.included, paths.excluded, paths.suffixes
        entries: list[_Entry] = []
        with os.scandir(self._root + prefix) as listing:
            try:
                for entry in listing:
                    name = entry.name
                    if not name.isascii() and not self._is_decodable(prefix, name):
                        continue
                    try:
                        is_directory = entry.is_dir()
                    except OSError as error:
                        if error.errno != errno.ELOOP:
                            self._unseen(prefix + name, error)
                        continue
                    if is_directory:
                        if not pruned(prefix + name):
                            entries.append((name + "/", entry))
                    elif suffixes is not None:
                        if name.endswith(suffixes):
                            entries.append((name, entry))
                    elif included(path := prefix + name) and not excluded(path):
                        entries.append((name, entry))
            except OSError as error:  # broke off half-way: what was read is good, the rest unknown
                if not prefix:
                    raise
                self._unseen(prefix, error)
        entries.sort(key=_name)
        return entries

    def _is_decodable(self, prefix: str, name: str) -> bool:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            shown = (self._root + prefix + name).encode("utf-8", "backslashreplace").decode()
            self.report.errors.append(f"skipped {shown}: its name is not valid text, rename it")
            return False
        return True

    def _is_cycle(self, prefix: str) -> bool:
        """Whether the linked directory is one of those that lead to it."""
        parts = prefix[:-1].split("/")
        try:
            here = os.stat(self._root + prefix)
            above = [os.stat(self._root + "/".join(parts[:depth])) for depth in range(len(parts))]
        except OSError:
            return False  # reading it will tell
        return any(os.path.samestat(here, other) for other in above)

    def _unseen(self, prefix: str, error: OSError) -> None:
        self.report.incomplete.append(prefix)
        self.report.errors.append(
            f"cannot look at {self._root}{prefix}: {error.strerror or error}; its rows are kept as they are"
        )
