"""LocalFile against the rules that hold for every source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coco_source_localfs.spec import LocalFile
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.source_suite import ALL_SOURCE_ABILITIES, SourceSuite

ABILITIES = claim(
    ALL_SOURCE_ABILITIES,
    {
        "fingerprints": NOT_IMPLEMENTED,
        "inline_values": UNSUPPORTED("reading a directory must not read the files in it"),
    },
)


class Folder:
    """A directory whose files get a time of their own with each change, however fast the test is."""

    def __init__(self, root: Path, binary: bool) -> None:
        root.mkdir()
        self.spec = LocalFile(path=str(root), binary=binary, watch_changes=True)
        self._root = root
        self._binary = binary
        self._moment = 1_700_000_000_000_000_000

    def put(self, name: str, text: str) -> Any:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        self._moment += 1_000_000
        os.utime(path, ns=(self._moment, self._moment))
        return name

    def remove(self, name: str) -> None:
        (self._root / name).unlink()

    @contextmanager
    def hide(self, name: str) -> Iterator[None]:
        """By a stand-in for permissions, which do not bind a superuser."""
        folder, scandir = str((self._root / name).parent), os.scandir

        def denied(path: Any) -> Any:
            if str(path).rstrip(os.sep) == folder:
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "scandir", denied)
            yield

    def value(self, text: str) -> dict[str, Any]:
        return {"content": text.encode() if self._binary else text}

    def missing_key(self) -> Any:
        return "no/such/file"


class TestTextFiles(SourceSuite):
    abilities = ABILITIES

    @pytest.fixture
    def world(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "root", binary=False)


class TestBinaryFiles(SourceSuite):
    abilities = ABILITIES

    @pytest.fixture
    def world(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "root", binary=True)
