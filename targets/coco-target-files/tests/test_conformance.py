"""The contract of every target, for each format; files are read back by parsers that know nothing of ours."""

from __future__ import annotations

import html.parser
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from coco.typing import FieldSchema
from coco_target_files.spec import Files
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.natural import natural_json
from coco_testing.report import real_server
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target.indexes import MORE_INDEX_ABILITIES
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

NO_INDEX = UNSUPPORTED("a folder has no indexes")
ABILITIES = claim(
    ALL_TARGET_ABILITIES,
    {
        "partial_update": UNSUPPORTED("a file is written as a whole"),
        "setup.adopt": UNSUPPORTED("files of others stay theirs, beside those of coco"),
        "setup.upgrade": UNSUPPORTED("no release came before this one"),
        "late_writes": NOT_IMPLEMENTED,
        "reconnect": UNSUPPORTED("a folder has no connection that breaks"),
        **dict.fromkeys(MORE_INDEX_ABILITIES, NO_INDEX),
    },
)


def files_below(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.relative_to(root).parts[0].startswith(".coco-files"):
            yield path


def rows_of(records: list[dict[str, Any]], shape: Shape) -> NaturalRows:
    def pick(fields: tuple[FieldSchema, ...], record: dict[str, Any]) -> dict[str, Any]:
        return {item.name: natural_json(item.value_type.type, record.get(item.name)) for item in fields}

    found: dict[Any, dict[str, Any]] = {}
    for record in records:
        key = tuple(pick(shape.key_fields, record).values())
        found[key[0] if len(key) == 1 else key] = pick(shape.value_fields, record)
    assert len(found) == len(records), "two files have one key"
    return found


class Script(html.parser.HTMLParser):
    """The text of the one script element, as a browser hands it out."""

    def __init__(self) -> None:
        super().__init__()
        self.text: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            assert dict(attrs) == {"type": "application/json", "id": "coco-row"}
            assert self.text is None
            self._inside, self.text = True, ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text = (self.text or "") + data


def from_html(data: bytes) -> Any:
    parser = Script()
    parser.feed(data.decode())
    parser.close()
    assert parser.text is not None
    return json.loads(parser.text)


def from_markdown(data: bytes) -> Any:
    head, _, text = data.removeprefix(b"---\n").partition(b"\n---\n\n")
    assert not text
    return yaml.load(head, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_folder(spec: Files, shape: Shape, parse: Callable[[bytes], Any]) -> NaturalRows | None:
    root = Path(spec.path)
    if not root.exists():
        return None
    return rows_of([parse(path.read_bytes()) for path in files_below(root)], shape)


class Hooks:
    """What the three formats share."""

    met = real_server("files")

    def lose_resource(self, spec: Files, shape: Shape) -> None:
        shutil.rmtree(spec.path)

    def bad_row(self, spec: Files) -> tuple[Any, dict[str, Any]]:
        for suffix in ("md", "html", "json"):
            (Path(spec.path) / f"it.{suffix}").mkdir()  # none of coco's: a folder is in the way
        return "it", {"text": "bad", "size": 1}


class TestJson(Hooks, TargetSuite):
    abilities: ClassVar[Any] = ABILITIES

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Files:
        return Files(path=str(tmp_path / "out"), format="json")

    def read_back(self, spec: Files, shape: Shape) -> NaturalRows | None:
        return read_folder(spec, shape, json.loads)


@pytest.mark.second_form
class TestMarkdown(Hooks, TargetSuite):
    abilities: ClassVar[Any] = ABILITIES

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Files:
        return Files(path=str(tmp_path / "out"))

    def read_back(self, spec: Files, shape: Shape) -> NaturalRows | None:
        return read_folder(spec, shape, from_markdown)


@pytest.mark.second_form
class TestHtml(Hooks, TargetSuite):
    abilities: ClassVar[Any] = ABILITIES

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Files:
        return Files(path=str(tmp_path / "out"), format="html")

    def read_back(self, spec: Files, shape: Shape) -> NaturalRows | None:
        return read_folder(spec, shape, from_html)
