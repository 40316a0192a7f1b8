"""tools/workspace.py: order, dependents, requirements, new distributions."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import workspace

ROOT = Path(__file__).resolve().parents[2]


def test_order_puts_core_first_and_dependents_after() -> None:
    names = list(workspace.members())
    assert names[0] == "coco-core"
    for name, member in workspace.members().items():
        assert all(names.index(other) < names.index(name) for other in workspace.internal(member))


def test_dependents_are_transitive() -> None:
    assert workspace.dependents(["coco-core"]) == list(workspace.members())
    assert workspace.dependents(["coco-target-sqlite"]) == ["coco-target-sqlite"]
    with pytest.raises(SystemExit, match="not in the workspace: coco-nothing"):
        workspace.dependents(["coco-nothing"])


def test_requirements_reach_through_members() -> None:
    found = {
        workspace.requirement_name(item) for item in workspace.third_party(["coco-function-embed[minilm]"])
    }
    assert {"numpy", "tokenizers", "safetensors", "pluggy"} <= found
    assert not any(name.startswith("coco-") for name in found)
    assert workspace.requirement_name("Foo_Bar[a,b]>=1") == "foo-bar"
    assert workspace.requirement_extras("Foo_Bar[a, b]>=1") == ["a", "b"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A workspace of its own with the tools and core's metadata."""
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "core").mkdir()
    shutil.copy(ROOT / "core" / "pyproject.toml", tmp_path / "core")
    return tmp_path


def tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "tools" / "workspace.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("coco-target-json-lines", "targets"),
        ("coco-source-zip", "connectors"),
        ("coco-function-upper", "functions"),
        ("coco-store-redis", "contrib"),
    ],
)
def test_new_distribution(copy: Path, name: str, folder: str) -> None:
    made = tool(copy, "new", name)
    assert made.returncode == 0, made.stderr
    place = copy / folder / name
    package = name.replace("-", "_")
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    entry = name.removeprefix("coco-")
    assert project["entry-points"]["coco.plugins"] == {entry: f"{package}._plugin"}
    assert (place / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (place / "README.md").read_text().startswith(f"# {name}\n")
    for file in (
        "CHANGELOG.md",
        f"src/{package}/py.typed",
        f"src/{package}/__init__.py",
        "tests/test_plugin.py",
    ):
        assert (place / file).is_file()
    plugin = runpy.run_path(str(place / "src" / package / "_plugin.py"))
    assert plugin["COCO_API"] == 1
    hook = plugin["coco_state_stores"] if "store" in name else plugin["coco_ops"]
    assert hook()
    assert "[tool.ruff" not in (place / "pyproject.toml").read_text()
    assert not [item for item in place.iterdir() if item.name.startswith(".")]
    assert (place / "tests" / "test_conformance.py").is_file()
    assert f"{name} 0.1.0 {folder}/{name}" in tool(copy, "members").stdout.splitlines()
    again = tool(copy, "new", name)
    assert again.returncode != 0
    assert "exists" in again.stderr


@pytest.mark.parametrize("name", ["target-x", "coco-x", "coco-thing-x", "coco-target-", "coco-target-X"])
def test_new_refuses_odd_names(copy: Path, name: str) -> None:
    made = tool(copy, "new", name)
    assert made.returncode != 0
    assert "expected a name like coco-target-jsonl" in made.stderr
    assert not (copy / "targets").exists()


def test_new_files_are_formatted(copy: Path) -> None:
    assert tool(copy, "new", "coco-target-jsonl").returncode == 0
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "targets"],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
