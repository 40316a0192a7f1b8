"""The spec: mistakes surface where they are made."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from coco.kit.plain import from_plain, to_plain
from coco_source_localfs.rows import BinaryFile, FileKey, TextFile
from coco_source_localfs.spec import LocalFile, LocalFileConnector


def test_defaults() -> None:
    spec = LocalFile(path="docs")
    assert not spec.binary and not spec.watch_changes
    assert spec.included_patterns is None and spec.excluded_patterns is None and spec.max_file_size is None


def test_spec_survives_storage() -> None:
    spec = LocalFile(path="docs", binary=True, included_patterns=["*.{md,txt}"], max_file_size=10)
    assert from_plain(LocalFile, to_plain(spec)) == spec


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"path": ""}, ["LocalFile.path"]),
        ({"path": "a\0b"}, ["LocalFile.path"]),
        ({"path": "x", "included_patterns": ["*.md", "[a"]}, ["LocalFile.included_patterns", "'[a'"]),
        ({"path": "x", "excluded_patterns": ["{a"]}, ["LocalFile.excluded_patterns", "'{a'"]),
        (
            {"path": "x", "excluded_patterns": ["/tmp"]},
            ["LocalFile.excluded_patterns", "'/tmp'", "can never match"],
        ),
        ({"path": "x", "max_file_size": -1}, ["LocalFile.max_file_size", "-1"]),
    ],
)
def test_mistakes_name_the_field(fields: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        LocalFile(**fields)
    for part in parts:
        assert part in str(caught.value)


def test_watching_without_the_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in ("watchfiles", "inotify_simple") else real(name),
    )
    with pytest.raises(ValueError, match=r"coco-source-localfs\[watch\]"):
        LocalFile(path="x", watch_changes=True)


def test_types_follow_the_spec() -> None:
    assert LocalFileConnector.types(LocalFile(path="x")) == (FileKey, TextFile)
    assert LocalFileConnector.types(LocalFile(path="x", binary=True)) == (FileKey, BinaryFile)


def test_only_binary_alters_values() -> None:
    plain = LocalFileConnector.data_identity(LocalFile(path="x"))
    chosen = LocalFile(path="y", included_patterns=["*"], excluded_patterns=["a"], max_file_size=9)
    assert LocalFileConnector.data_identity(chosen) == plain
    assert LocalFileConnector.data_identity(LocalFile(path="x", binary=True)) != plain


def test_ordinals_are_provided() -> None:
    assert LocalFileConnector.provides_ordinal() is True
