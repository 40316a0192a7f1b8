"""Key and values of the source: structs that are cheap to make, ten thousand at a time."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from coco.op import PartialSourceRow, PartialSourceRowData


class FileKey(NamedTuple):
    """``filename``: path relative to the root, "/" separated."""

    filename: str


class TextFile(NamedTuple):
    """``content``: decoded text."""

    content: str


class BinaryFile(NamedTuple):
    """``content``: the bytes as they are."""

    content: bytes


FileData: TypeAlias = PartialSourceRowData[TextFile | BinaryFile]
FileRow: TypeAlias = PartialSourceRow[FileKey, TextFile | BinaryFile]
