"""``coco new``: names, folders, and what is written; that the packages work is shown in tests/packaging."""

from __future__ import annotations

import ast
import inspect
import os
import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from coco.harness import program
from coco.state import StateStore
from coco_testing.scaffold import command
from coco_testing.scaffold.files import core_range, package_files
from coco_testing.scaffold.names import KINDS, MAX_LENGTH, BadNameError, plugin_names

SLUGS = st.from_regex(r"[a-z][a-z0-9]{0,7}(-[a-z0-9]{1,7}){0,2}", fullmatch=True).filter(
    lambda slug: len(slug) <= MAX_LENGTH
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new(*arguments: str) -> Result:
    return CliRunner().invoke(program(), ["new", *arguments])


@pytest.mark.parametrize("kind", KINDS)
def test_writes_a_package(kind: str) -> None:
    result = new(kind, "json-lines")
    assert result.exit_code == 0, result.output
    folder = Path(f"coco-{kind}-json-lines")
    package = f"coco_{kind}_json_lines"
    written = {Path(line) for line in result.stdout.splitlines()}
    assert written == {path for path in folder.rglob("*") if path.is_file()}
    for name in (
        "README.md",
        "CHANGELOG.md",
        ".gitignore",
        ".github/workflows/ci.yml",
        f"src/{package}/py.typed",
        f"src/{package}/{kind}.py",
        "tests/test_conformance.py",
    ):
        assert folder / name in written
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == folder.name
    assert project["entry-points"]["coco.plugins"] == {f"{kind}-json-lines": f"{package}._plugin"}
    workflow = yaml.safe_load((folder / ".github/workflows/ci.yml").read_text())
    assert {"run": "pytest --coco-strict --coco-report=conformance.md"} in workflow["jobs"]["test"]["steps"]
    assert "${{ matrix.python }}" in str(workflow)
    assert (
        f"cd {folder} && pip install --find-links DIST -e '.[test]' && pytest && coco plugins"
        in result.stderr
    )


def test_a_target_of_one_function() -> None:
    result = new("target", "json-lines", "--minimal")
    assert result.exit_code == 0, result.output
    folder = Path("coco-target-json-lines")
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".py", ".toml")}
    assert written == {
        "pyproject.toml",
        "src/coco_target_json_lines/__init__.py",
        "tests/test_conformance.py",
        "tests/test_plugin.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["coco.plugins"] == {
        "target-json-lines": "coco_target_json_lines:JsonLines"
    }
    made = runpy.run_path(str(folder / "src/coco_target_json_lines/__init__.py"))
    made["write"](made["JsonLines"](url="u"), {"k": {"text": "v"}}, ["gone"])
    assert made["read_all"](made["JsonLines"](url="u")) == [("k", {"text": "v"})]


def test_only_targets_have_a_package_of_one_function() -> None:
    result = new("source", "feed", "--minimal")
    assert result.exit_code == 2
    assert "there is no smaller package of a source" in result.stderr
    assert os.listdir() == []


def test_store_has_all_methods_of_the_protocol() -> None:
    assert new("store", "json-lines").exit_code == 0
    written = runpy.run_path("coco-store-json-lines/src/coco_store_json_lines/store.py")
    store = written["open_store"]("json-lines://state")
    assert isinstance(store, StateStore)
    for name, asked in vars(StateStore).items():
        if inspect.isfunction(asked) and not name.startswith("_"):
            assert inspect.signature(getattr(type(store), name)) == inspect.signature(asked), name


def test_the_folder_can_be_chosen() -> None:
    Path("mine").mkdir()
    assert new("source", "feed", "-o", "mine").exit_code == 0
    assert Path("mine/src/coco_source_feed/source.py").is_file()


@pytest.mark.parametrize("name", ["coco-target-feed", "target-feed", "coco-feed"])
def test_whole_names_are_understood(name: str) -> None:
    assert new("target", name).exit_code == 0
    assert Path("coco-target-feed").is_dir()


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("target", "JsonLines", "did you mean 'json-lines'?"),
        ("target", "json_lines", "did you mean 'json-lines'?"),
        ("target", "Json Lines", "did you mean 'json-lines'?"),
        ("target", "3d", "got '3d'"),
        ("target", "../up", "got '../up'"),
        ("target", "x-", "got 'x-'"),
        ("target", "", "got ''"),
        ("target", "none", "would make a class None"),
        ("target", "a" * 25, "has 25 characters; at most 24"),
        ("target", "coco-source-feed", "names a source: run `coco new source feed`"),
        ("store", "sqlite", "sqlite:// is one of coco's own stores"),
        ("runner", "process", "the runner 'process' is coco's own"),
        ("sink", "feed", "'sink' is not one of"),
    ],
)
def test_bad_names_are_refused(kind: str, name: str, message: str) -> None:
    result = new(kind, name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert os.listdir() == []


def test_a_folder_that_is_not_empty_is_not_touched() -> None:
    Path("coco-target-feed").mkdir()
    Path("coco-target-feed/notes.txt").write_text("mine")
    result = new("target", "feed")
    assert result.exit_code == 1
    assert "coco-target-feed exists and is not empty; nothing was written" in result.stderr
    assert os.listdir("coco-target-feed") == ["notes.txt"]


def test_file_in_the_way() -> None:
    Path("coco-target-feed").write_text("mine")
    result = new("target", "feed")
    assert result.exit_code == 1
    assert "coco-target-feed is a file; nothing was written" in result.stderr
    Path("parent").write_text("mine")
    result = new("target", "feed", "-o", "parent/child")
    assert result.exit_code == 1
    assert "cannot write parent" in result.stderr


def test_a_plugin_of_the_same_name_is_mentioned() -> None:
    result = new("target", "qdrant")
    assert result.exit_code == 0
    assert "coco-target-qdrant provides target:Qdrant too" in result.stderr
    assert "NOTE" not in new("target", "feed").stderr


@given(st.sampled_from(KINDS), SLUGS)
def test_any_good_name_makes_good_files(kind: str, slug: str) -> None:
    try:
        names = plugin_names(kind, slug)
    except BadNameError:
        assert slug in ("none", "true", "false", "sqlite", "memory", "process") or slug.split("-")[0] in KINDS
        return
    minimal = package_files(names, "0.4.2", minimal=True) if kind == "target" else {}
    for path, text in (*package_files(names, "0.4.2").items(), *minimal.items()):
        assert "$" not in re.sub(r"\$\{\{", "", text)
        assert not text.strip() or text.endswith("\n")
        if path.endswith(".py"):
            ast.parse(text, path)
        if path == "pyproject.toml":
            assert tomllib.loads(text)["project"]["dependencies"] == ["coco-core>=0.4,<1"]


def test_page_of_the_command_line_has_it() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "guide" / "cli.md").read_text(encoding="utf-8")
    section = page.partition("### `coco new KIND NAME`")[2].partition("\n### ")[0]
    for option in (item for item in command.new.params if isinstance(item, click.Option)):
        assert f"`{'`, `'.join(option.opts)}" in section


def test_range_of_core() -> None:
    assert [core_range(item) for item in ("0.1.0", "1.4.2", "2.0.0rc1")] == [
        ">=0.1,<1",
        ">=1.4,<2",
        ">=2.0,<3",
    ]
