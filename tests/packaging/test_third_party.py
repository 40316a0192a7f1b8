"""The way of an author: a package from ``coco new`` or by hand, outside of this repository, against wheels of ours.

In an environment with coco-core, coco-testing and those packages, and nothing that these do not declare.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import workspace
from clean_venv import QUICK_PIP, ROOT, build, environment, name_of, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLES = sorted(path.parent for path in (ROOT / "examples" / "third-party").glob("*/pyproject.toml"))
KINDS = ("target", "source", "function", "store", "runner")
NEW = {
    **{f"coco-{kind}-json-lines": (kind, "json-lines") for kind in KINDS},
    "coco-target-small-lines": ("target", "small-lines", "--minimal"),
}
"""Name -> arguments of ``coco new``."""
every = pytest.mark.parametrize("name", [*(path.name for path in EXAMPLES), *NEW])


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of all third-party packages, by name: the examples, and one of each kind that ``coco new`` writes."""
    place = tmp_path_factory.mktemp("authors")
    for name, arguments in NEW.items():
        run(sys.executable, "-c", "from coco.cli import main; main()", "new", *arguments, cwd=place)
        assert (place / name).is_dir()
    for folder in EXAMPLES:
        shutil.copytree(folder, place / folder.name, ignore=workspace.NOT_SOURCE)
    return {folder.name: folder for folder in sorted(place.iterdir())}


@pytest.fixture(scope="session")
def outside(
    wheels: dict[str, Path], packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Interpreter of an author's environment."""
    base = tmp_path_factory.mktemp("third-party")
    built = [build(folder, base) for folder in packages.values()]
    return environment(base / "venv", ["coco-core", "coco-testing", *built], wheels["coco-core"].parent)


def test_examples_are_no_members() -> None:
    assert len(EXAMPLES) >= 2
    assert not set(workspace.members()) & {name_of(folder) for folder in EXAMPLES}


def test_third_party_examples_are_listed_by_coco_plugins(
    outside: Path, packages: dict[str, Path], tmp_path: Path
) -> None:
    coco = outside.with_name("coco")
    report: dict[str, Any] = json.loads(run(coco, "plugins", "--json", cwd=tmp_path, COCO_STRICT_PLUGINS="1"))
    installed = [item for item in report["plugins"] if not item["built_in"]]
    loaded = {item["distribution"] for item in installed if item["status"] == "loaded"}
    assert loaded == {*packages, "coco-testing"}
    brought = {op["name"] for item in installed for op in item["ops"]}
    assert brought == {"Jsonl", "ZipArchive", "JsonLines", "SmallLines"}
    assert [store["scheme"] for item in installed for store in item["stores"]] == ["json-lines"]
    assert [runner["name"] for item in installed for runner in item["runners"]] == ["json-lines"]


@every
def test_third_party_examples_pass_the_kit_as_installed(
    outside: Path, packages: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """Its own tests, with nothing of it but what was installed."""
    shutil.copytree(packages[name], tmp_path / name, ignore=shutil.ignore_patterns("src"))
    report = tmp_path / "conformance.json"
    run(
        outside,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--coco-strict",
        f"--coco-report={report}",
        cwd=tmp_path / name,
        COCO_STRICT_PLUGINS="1",
        PYTHONDONTWRITEBYTECODE="1",
    )
    shown = json.loads(report.read_text())
    assert shown["complete"], [item for item in shown["results"] if item["outcome"] in ("failed", "skipped")]


@every
def test_third_party_examples_pass_ruff_and_mypy(
    packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    """By its own settings: lint, format, strict types."""
    folder = packages[name]
    cache = tmp_path_factory.getbasetemp() / "mypy"
    for command in (
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
        ["mypy", "--cache-dir", str(cache)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={"MYPYPATH": "src", "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        assert "strict = true" in (folder / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["a", "abcdefghijklmnopqrstuvwx"])
@pytest.mark.parametrize("kind", [*KINDS, "target --minimal"])
def test_any_length_of_name_is_formatted(tmp_path: Path, kind: str, name: str) -> None:
    kind, *options = kind.split()
    run(sys.executable, "-c", "from coco.cli import main; main()", "new", kind, name, *options, cwd=tmp_path)
    for command in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *command, "--no-cache", ".", cwd=tmp_path / f"coco-{kind}-{name}")


def test_examples_in_a_flow(outside: Path, tmp_path: Path) -> None:
    """Both examples, as users have them, from an archive to a file and back to nothing."""
    (tmp_path / "main.py").write_text(FLOW)
    run(outside, "main.py", cwd=tmp_path)


def test_commands_of_the_tutorial(wheels: dict[str, Path], tmp_path: Path) -> None:
    """The blocks marked ``sh packaging``, as they stand, one after the other, from ``coco new`` to files to upload."""
    pages = [ROOT / "docs" / "authors" / name for name in ("tutorial.md", "publishing.md")]
    found = [
        block
        for page in pages
        for block in re.findall(r"^```sh packaging\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    ]
    assert len(found) == 2
    links = wheels["coco-core"].parent
    interpreter = environment(tmp_path / "venv", ["coco-core", "coco-testing"], links, with_pip=True)
    path = f"{interpreter.parent}{os.pathsep}{os.environ['PATH']}"
    commands = "\n".join(found)
    run("bash", "-e", "-c", commands, cwd=tmp_path, PATH=path, COCO_STRICT_PLUGINS="1", **QUICK_PIP)
    assert sorted(item.suffix for item in (tmp_path / "coco-target-jsonl" / "dist").iterdir()) == [
        ".gz",
        ".whl",
    ]


FLOW = """
import json, zipfile
import coco

def save(**members: str) -> None:
    with zipfile.ZipFile("notes.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.txt", text)

@coco.flow_def(name="Notes")
def notes(builder, scope):
    scope["files"] = builder.add_source(coco.sources.ZipArchive(path="notes.zip", suffix=".txt"))
    rows = scope.add_collector()
    with scope["files"].row() as file:
        file["text"] = file["content"].transform(text_of)
        rows.collect(name=file["name"], text=file["text"])
    rows.export("lines", coco.targets.Jsonl(path="notes.jsonl"), primary_key_fields=["name"])

def text_of(content: bytes) -> str:
    return content.decode()

def lines():
    return [json.loads(line) for line in open("notes.jsonl")]

if __name__ == "__main__":
    save(a="one", b="two")
    notes.setup()
    assert notes.update().total.num_insertions == 2
    assert lines() == [["a.txt", {"text": "one"}], ["b.txt", {"text": "two"}]]
    save(b="two")
    assert notes.update().total.num_deletions == 1
    assert lines() == [["b.txt", {"text": "two"}]]
    notes.drop()
"""
