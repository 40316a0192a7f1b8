"""The LocalFile source: files under a directory as rows (spec S-LocalFile-1 to -11).

Importing this module registers the operation.
"""

from __future__ import annotations

import builtins
import importlib.util
import logging
import os
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Any

from coco import op
from coco.errors import DefinitionError, SourceReadError
from coco.op import NON_EXISTENCE, PartialSourceRowData, SourceReadOptions, SourceSpec
from coco_source_localfs.glob import PatternError, check_patterns, compile_filter
from coco_source_localfs.read import decode_text, path_of, read_file
from coco_source_localfs.rows import BinaryFile, FileData, FileKey, FileRow, TextFile
from coco_source_localfs.walk import ListingReport, TreeWalk
from coco_source_localfs.watch import MISSING, Change, change_batches

logger = logging.getLogger("coco.source.localfs")


class LocalFile(SourceSpec):
    """Files under a local directory: key ``filename``, value ``content``.

    path: the root directory; a relative one is taken from the working directory when an update starts.
    binary: ``content`` is bytes instead of text. Text is UTF-8 (UTF-16 with a byte order mark); bytes that do
        not decode become U+FFFD, with one warning per file.
    included_patterns: only files that match one of these; None means all. Syntax: see ``glob``.
    excluded_patterns: files and whole directories to leave out; wins over ``included_patterns``.
    max_file_size: in bytes; a larger file is treated as if it did not exist. None: no limit.
    watch_changes: in live mode, be told of changes by the operating system. Needs the extra ``watch``.

    Raises ``ValueError`` naming the field for an invalid pattern, an empty path or a negative size.
    """

    path: str
    binary: bool = False
    included_patterns: list[str] | None = None
    excluded_patterns: list[str] | None = None
    max_file_size: int | None = None
    watch_changes: bool = False

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise DefinitionError(
                f"LocalFile.path: {self.path!r} is no directory name ('.' is the current one)"
            )
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
        if self.watch_changes and importlib.util.find_spec("watchfiles") is None:
            raise DefinitionError(f"LocalFile: {MISSING}")


@op.source_connector(spec_cls=LocalFile)
class LocalFileConnector:
    """Reads one tree. Made per flow run; keeps what the last listing said about itself."""

    def __init__(self, spec: LocalFile) -> None:
        self._root = os.path.join(os.path.abspath(spec.path), "")
        self._binary = spec.binary
        self._max_size = spec.max_file_size
        self._watching = spec.watch_changes
        self._paths = compile_filter(spec.included_patterns, spec.excluded_patterns)
        self._listed: ListingReport | None = None
        self._warned: set[str] = set()

    @staticmethod
    def types(spec: LocalFile) -> tuple[type[FileKey], type[TextFile] | type[BinaryFile]]:
        """Key and value type: ``content`` is Str or Bytes (S-Files-1)."""
        return FileKey, BinaryFile if spec.binary else TextFile

    @staticmethod
    def announces_changes(spec: LocalFile) -> bool:
        """Only if the operating system is asked to tell of them."""
        return spec.watch_changes

    @staticmethod
    def data_identity(spec: LocalFile) -> dict[str, Any]:
        """Patterns and limits choose files; only ``binary`` alters what a file's row holds (S-Common-25)."""
        return {"binary": spec.binary}

    @staticmethod
    def create(spec: LocalFile) -> LocalFileConnector:
        return LocalFileConnector(spec)

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
        walk = TreeWalk(self._root, self._paths, self._max_size)
        self._listed = walk.report
        yield from walk

    def incomplete_prefixes(self) -> builtins.list[str]:
        """Starts of keys that the last listing could not see: unreadable directories."""
        return [] if self._listed is None else builtins.list(self._listed.incomplete)

    def listing_errors(self) -> builtins.list[str]:
        """One message per unreadable directory and per skipped name of the last listing."""
        return [] if self._listed is None else builtins.list(self._listed.errors)

    def get_value(self, key: FileKey, options: SourceReadOptions) -> FileData:
        """Content, modification time and size of one file.

        ``NON_EXISTENCE`` if it is gone, no regular file, too large, or not admitted by the patterns. Raises
        ``SourceReadError`` if it is there but unreadable, or if ``key`` is no name under the root.
        """
        name = key.filename
        path = path_of(self._root, name)
        if not self._paths.admits(name):
            return PartialSourceRowData(NON_EXISTENCE)
        content = read_file(path, self._max_size, with_data=options.include_value)
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
            async for batch in change_batches(self._root, self._paths, self._directories):
                yield batch

    def _directories(self) -> Collection[str] | None:
        return None if self._listed is None else self._listed.directories

    def _value(self, name: str, data: bytes) -> TextFile | BinaryFile:
        if self._binary:
            return BinaryFile(data)
        text, clean = decode_text(data)
        if not clean and name not in self._warned:
            self._warned.add(name)
            logger.warning(
                "%s%s holds bytes that are no valid text; each is now U+FFFD (binary=True keeps them)",
                self._root,
                name,
            )
        return TextFile(text)
