from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.source_suite import ALL_SOURCE_ABILITIES, SourceSuite

from coco_source_zip.source import ZipArchive


class Archive:
    """An archive that the test changes; has the methods of ``World``."""

    def __init__(self, path: Path) -> None:
        self.spec = ZipArchive(path=str(path))
        self.members: dict[str, str] = {}
        self.save()

    def save(self) -> None:
        with ZipFile(self.spec.path, "w") as archive:
            for name, text in self.members.items():
                archive.writestr(name, text)

    def put(self, name: str, text: str) -> Any:
        self.members[name] = text
        self.save()
        return name

    def remove(self, name: str) -> None:
        del self.members[name]
        self.save()

    def value(self, text: str) -> dict[str, Any]:
        return {"content": text.encode()}

    def missing_key(self) -> Any:
        return "never was"


class TestZipArchive(SourceSuite):
    abilities = claim(
        ALL_SOURCE_ABILITIES,
        {
            "ordinals": UNSUPPORTED("times in archives have a resolution of two seconds"),
            "inline_values": NOT_IMPLEMENTED,
            "get_values": NOT_IMPLEMENTED,
            "list_batches": NOT_IMPLEMENTED,
            "incomplete_listings": UNSUPPORTED("an archive has one list, which is read or not"),
            "change_stream": UNSUPPORTED("a file announces no changes"),
            "change_stream.redelivers": UNSUPPORTED("a file announces no changes"),
        },
    )

    @pytest.fixture
    def world(self, tmp_path: Path) -> Archive:
        return Archive(tmp_path / "world.zip")
