"""The LocalFile source: files under a directory as rows.

Importing this module registers the operation.
"""

from __future__ import annotations

import builtins
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal

from coco import op
from coco.errors import DefinitionError, SourceError, SourceReadError
from coco.op import NON_EXISTENCE, PartialSourceRowData, SourceReadOptions, SourceSpec
from coco_source_localfs.glob import PatternError, check_patterns, compile_filter
from coco_source_localfs.owned import OwnedPaths
from coco_source_localfs.read import decode_text, path_of, read_file
from coco_source_localfs.rows import BinaryFile, FileData, FileKey, FileRow, TextFile
from coco_source_localfs.tree import Selection, Tree
from coco_source_localfs.walk import ListingReport, TreeWalk
from coco_source_localfs.watch import Change, change_batches
from coco_source_localfs.watchers import MISSING, can_watch

logger = logging.getLogger("coco.source.localfs")


class LocalFile(SourceSpec):
    """Files under a local directory: key ``filename``, value ``content``.

    coco never lists files that it writes itself: the state store, and the files and folders of the project's targets.

    Raises ``ValueError``, with the name of the field, for an invalid pattern, an empty path or a negative size.
    """

    path: str
    """The root directory. A relative path is resolved against the working directory when an update starts."""
    binary: bool = False
    """``content`` is bytes instead of text. Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark. Bytes that cannot be
    decoded become U+FFFD, with one warning per file."""
    included_patterns: list[str] | None = None
    """Only files that match one of these; None: all. ``glob`` describes the syntax."""
    excluded_patterns: list[str] | None = None
    """Files and whole directories to leave out. They win over ``included_patterns``."""
    max_file_size: int | None = None
    """In bytes. A larger file is treated as if it did not exist. None: no limit."""
    watch_changes: bool = False
    """In live mode, the operating system reports changes. Needs the extra ``watch``."""
    gitignore: bool = False
    """Leave out what ``.gitignore`` files name, nested ones and those of the repository around the root included, and ``.git``
    itself. The patterns apply as well."""
    follow_links: bool | Literal["inside"] = True
    """Which symbolic links to follow. True: all, also those to places outside of the root. "inside": those to places below the
    root. False: none. A root that is a link is always followed."""

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise DefinitionError(
                f"LocalFile.path: {self.path!r} is not the name of a directory ('.' is the current one)"
            )
        if _GLOB.search(self.path) and not os.path.isdir(self.path):
            raise DefinitionError(_glob_hint(self.path))
        for field, patterns in (
            ("included_patterns", self.included_patterns),
            ("excluded_patterns", self.excluded_patterns),
        ):
            check_patterns(patterns, f"LocalFile.{field}")
            for pattern in patterns or ():
                if pattern.startswith("/"):
                    raise PatternError(
                        f"LocalFile.{field}: {pattern!r} can never match: "
                        "names are relative to path, drop the '/'"
                    )
        if self.max_file_size is not None and self.max_file_size < 0:
            raise DefinitionError(
                f"LocalFile.max_file_size: expected 0 or more bytes, got {self.max_file_size}"
            )
        if self.follow_links not in (True, False, "inside"):
            raise DefinitionError(
                f"LocalFile.follow_links: expected True, False or 'inside', got {self.follow_links!r}"
            )
        if self.watch_changes and not can_watch():
            raise DefinitionError(f"LocalFile: {MISSING}")


@op.source_connector(spec_cls=LocalFile)
class LocalFileConnector:
    """Reads one tree. Made per flow run; keeps what the last listing said about itself."""

    def __init__(self, spec: LocalFile) -> None:
        self._root = os.path.join(os.path.abspath(spec.path), "")
        self._binary = spec.binary
        self._watching = spec.watch_changes
        self._patterns = tuple(spec.included_patterns or ())
        paths = compile_filter(spec.included_patterns, spec.excluded_patterns)
        self._tree = Tree(self._root, Selection(paths, spec.max_file_size, spec.follow_links, spec.gitignore))
        self._listed: ListingReport | None = None
        self._warned: set[str] = set()

    @staticmethod
    def types(spec: LocalFile) -> tuple[type[FileKey], type[TextFile] | type[BinaryFile]]:
        """Key and value type: ``content`` is Str or Bytes."""
        return FileKey, BinaryFile if spec.binary else TextFile

    @staticmethod
    def announces_changes(spec: LocalFile) -> bool:
        """Only if the operating system is asked to tell of them."""
        return spec.watch_changes

    @staticmethod
    def data_identity(spec: LocalFile) -> dict[str, Any]:
        """Patterns and limits choose files; only ``binary`` alters what a file's row holds."""
        return {"binary": spec.binary}

    @staticmethod
    def create(spec: LocalFile) -> LocalFileConnector:
        return LocalFileConnector(spec)

    @staticmethod
    def check(spec: LocalFile) -> None:
        """Raise ``SourceError`` if the root is not there: such a flow is not set up."""
        root = os.path.abspath(spec.path)
        if not os.path.isdir(root):
            problem = "is not a directory" if os.path.lexists(root) else "does not exist"
            raise SourceError(f"the root directory {root} {problem}; create it, or correct LocalFile.path")

    def exclude_paths(self, paths: Sequence[str]) -> builtins.list[str]:
        """Leave out these files and folders, which coco writes itself. Called before the first listing.

        Returns those that are read all the same: folders in which the root lies.
        """
        self._tree = self._tree._replace(owned=tuple(paths))
        return OwnedPaths(os.path.join(os.path.realpath(self._root), ""), paths).around

    @staticmethod
    def provides_ordinal() -> bool:
        """Modification times, microseconds since 1970. They may go back: any difference is a change."""
        return True

    def list(self, options: SourceReadOptions) -> Iterator[FileRow]:
        """Every admitted file, in key order, with ordinal and size; contents are never read here.

        Raises ``SourceError`` if the root is missing or unreadable.
        """
        for rows in self.list_batches(options):
            yield from rows

    def list_batches(self, options: SourceReadOptions) -> Iterator[builtins.list[FileRow]]:
        """As ``list``, in lists."""
        walk = TreeWalk(self._tree, patterns=self._patterns)
        self._listed = walk.report
        yield from walk

    def incomplete_prefixes(self) -> builtins.list[str]:
        """Starts of keys that the last listing could not see: unreadable directories."""
        return [] if self._listed is None else builtins.list(self._listed.incomplete)

    def listing_errors(self) -> builtins.list[str]:
        """One message per unreadable directory of the last listing."""
        return [] if self._listed is None else builtins.list(self._listed.errors)

    def skipped_rows(self) -> builtins.list[tuple[str, str]]:
        """(name, message) of each file of the last listing that cannot be a row: its name is not valid text."""
        return [] if self._listed is None else builtins.list(self._listed.skipped)

    def listing_warnings(self) -> builtins.list[str]:
        """Patterns that matched nothing in the last listing, and files that probably should not be read."""
        return [] if self._listed is None else self._listed.notes.messages(self._root)

    def get_value(self, key: FileKey, options: SourceReadOptions) -> FileData:
        """Content, modification time and size of one file.

        ``NON_EXISTENCE`` if it is missing, not a regular file, too large, or not admitted by the patterns. Raises
        ``SourceReadError`` if it is there but unreadable, or if ``key`` is no name under the root.
        """
        name = key.filename
        path = path_of(self._root, name)
        if not self._tree.admits(name):
            return PartialSourceRowData(NON_EXISTENCE)
        content = read_file(path, self._tree.selection.max_size, with_data=options.include_value)
        if content is None:
            return PartialSourceRowData(NON_EXISTENCE)
        data, mtime_ns, size = content
        value = None if data is None else self._value(name, data)
        return PartialSourceRowData(value, mtime_ns // 1000, None, size)

    def get_values(
        self, keys: Sequence[FileKey], options: SourceReadOptions
    ) -> builtins.list[FileData | SourceReadError]:
        """As ``get_value`` for many; a file that cannot be read has its error in its place."""
        answers: builtins.list[FileData | SourceReadError] = []
        for key in keys:
            try:
                answers.append(self.get_value(key, options))
            except SourceReadError as error:
                answers.append(error)
        return answers

    async def change_stream(self) -> AsyncIterator[builtins.list[Change]]:
        """Batches of ``(key, None, ack)``; an empty batch asks for a listing.

        Ends at once unless ``watch_changes``. Raises ``SourceError`` if the tree cannot be watched.
        """
        if self._watching:
            async for batch in change_batches(self._tree):
                yield batch

    def _value(self, name: str, data: bytes) -> TextFile | BinaryFile:
        if self._binary:
            return BinaryFile(data)
        text, clean = decode_text(data)
        if not clean:
            self._warn(
                name, "contains bytes that are not valid text; each is now U+FFFD (binary=True keeps them)"
            )
        elif "\0" in text:
            self._warn(
                name,
                "contains U+0000, so it is binary, or text in an encoding without a byte order mark; save it as UTF-8, "
                "exclude it, or read bytes with binary=True",
            )
        return TextFile(text)

    def _warn(self, name: str, problem: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            logger.warning("%s%s %s", self._root, name, problem)


_GLOB = re.compile(r"[*?\[{]")


def _glob_hint(path: str) -> str:
    parts = path.split("/")
    first = next(number for number, part in enumerate(parts) if _GLOB.search(part))
    root, pattern = "/".join(parts[:first]) or ("/" if first else "."), "/".join(parts[first:])
    return (
        f"LocalFile.path: there is no directory {path!r}; path is the root directory, and patterns are given apart: "
        f"LocalFile(path={root!r}, included_patterns=[{pattern!r}])"
    )
