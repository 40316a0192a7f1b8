"""The members of a zip archive as rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from coco import op
from coco.op import NO_ORDINAL, NON_EXISTENCE, PartialSourceRow, PartialSourceRowData


class ZipArchive(op.SourceSpec):
    """path: of the archive. suffix: only members whose names end like this."""

    path: str
    suffix: str = ""


class Name(NamedTuple):
    name: str


@dataclass
class Member:
    content: bytes


@op.source_connector(spec_cls=ZipArchive, key_type=Name, value_type=Member)
class ZipConnector:
    def __init__(self, spec: ZipArchive) -> None:
        self.spec = spec

    @staticmethod
    def create(spec: ZipArchive) -> "ZipConnector":
        return ZipConnector(spec)

    def list(self) -> Iterator[PartialSourceRow[Name, Member]]:
        with ZipFile(self.spec.path) as archive:  # no archive is an error, not an empty listing
            for info in archive.infolist():
                if not info.is_dir() and info.filename.endswith(self.spec.suffix):
                    yield PartialSourceRow(Name(info.filename), facts(info))

    def get_value(self, key: Name) -> PartialSourceRowData[Member]:
        with ZipFile(self.spec.path) as archive:
            if key.name not in archive.namelist():  # deleted since it was listed: not an error
                return PartialSourceRowData(NON_EXISTENCE)
            data = facts(archive.getinfo(key.name))
            data.value = Member(archive.read(key.name))
            return data


def facts(info: ZipInfo) -> PartialSourceRowData[Member]:
    """What the archive lists about a member. Its times are too coarse to order versions."""
    checksum = f"{info.CRC:08x}-{info.file_size}".encode()
    return PartialSourceRowData(ordinal=NO_ORDINAL, content_version_fp=checksum, size=info.file_size)
