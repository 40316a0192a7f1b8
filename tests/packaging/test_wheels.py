"""What users get: each distribution built from its sdist, installed in a clean environment, found there."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns(
    "build", "dist", "*.so", "*.egg-info", "__pycache__", ".*cache", ".hypothesis"
)

REPORT = """
import json
from coco.plugins import plugin_host
from coco.plugins.report import plugin_report
print(json.dumps(plugin_report(plugin_host())))
"""
LOAD = """
import sys
from coco.plugins import plugin_host
host = plugin_host()
for plugin in host.plugins:
    for op in plugin.ops:
        assert host.load(op.key) is not None, op.key
assert "site-packages" in sys.modules["coco"].__file__
"""


def folders() -> list[Path]:
    shown = subprocess.run(
        [sys.executable, "tools/workspace.py", "members"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line.split()[2] for line in shown.stdout.splitlines()]


def clean_environ(**extra: str) -> dict[str, str]:
    ours = ("COCO_", "PYTHON", "VIRTUAL_ENV")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **extra}


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environ(**environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel of each distribution, built from its sdist, which is built from a copy of its folder."""
    base = tmp_path_factory.mktemp("build")
    found = {}
    for folder in folders():
        copy = base / folder.name
        shutil.copytree(folder, copy, ignore=IGNORED)
        run(
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            base / "dist" / folder.name,
            copy,
            cwd=base,
        )
        (wheel,) = (base / "dist" / folder.name).glob("*.whl")
        name = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
        found[name] = wheel
    return found


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a clean environment with all wheels and what they declare."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    paths = [str(path) for path in wheels.values()]
    if importlib.util.find_spec("uv") is not None:
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--python",
            str(interpreter),
            *paths,
        ]
        if (
            subprocess.run(
                command, cwd=folder, env=clean_environ(), capture_output=True, check=False
            ).returncode
            == 0
        ):
            return interpreter
    run(interpreter, "-m", "pip", "install", "--quiet", *paths, cwd=folder)
    return interpreter


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheels_hold_what_they_should(wheels: dict[str, Path]) -> None:
    for folder in folders():
        name = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
        files = contents(wheels[name])
        source = folder / "src"
        wanted = {
            path.relative_to(source).as_posix()
            for path in source.rglob("*")
            if path.is_file()
            and path.suffix not in (".so", ".pyc")
            and not any(part.endswith(".egg-info") for part in path.parts)
        }
        assert wanted - files == set(), name
        rest = {path for path in files - wanted if ".dist-info/" not in path}
        kernels = {path.rpartition("/")[0] for path in wanted if path.endswith("_cy.py")}
        for path in rest:  # compiled kernels, beside their sources
            assert path.rpartition("/")[0] in kernels and Path(path).suffix in (".so", ".pyd"), rest
        assert any(path.endswith("/LICENSE") for path in files), name
        if not kernels:
            assert wheels[name].name.endswith("-py3-none-any.whl")


def test_plugins_are_found(python: Path, wheels: dict[str, Path], tmp_path: Path) -> None:
    report: dict[str, Any] = json.loads(run(python, "-c", REPORT, cwd=tmp_path, COCO_STRICT_PLUGINS="1"))
    found = {plugin["distribution"] for plugin in report["plugins"] if plugin["status"] == "loaded"}
    assert found == set(wheels) - {"coco-core", "coco-testing"}
    assert report["conflicts"] == {}


def test_every_operation_loads_with_declared_dependencies(python: Path, tmp_path: Path) -> None:
    run(python, "-W", "error", "-c", LOAD, cwd=tmp_path)


@pytest.mark.parametrize(
    ("package", "shown"),
    [
        ("coco", "hot.fingerprint(b'').hex()"),
        ("coco_function_text", "str(hot.find_outline('# A')).replace(' ', '')"),
    ],
)
def test_kernels_are_compiled_or_pure(python: Path, tmp_path: Path, package: str, shown: str) -> None:
    code = f"from {package} import hot; print(hot.is_compiled(), {shown})"
    compiled, fast = run(python, "-c", code, cwd=tmp_path).split()
    pure, slow = run(python, "-c", code, cwd=tmp_path, COCO_PURE="1").split()
    assert (pure, fast) == ("False", slow)
    if os.environ.get("COCO_REQUIRE_EXT"):
        assert compiled == "True"


def test_command_line_lists_plugins(python: Path, wheels: dict[str, Path], tmp_path: Path) -> None:
    if "coco/cli/__init__.py" not in contents(wheels["coco-core"]):
        pytest.skip("coco.cli is not there yet")
    shown = json.loads(run(python.with_name("coco"), "plugins", "--json", cwd=tmp_path))
    names = {plugin["name"] for plugin in shown["plugins"]}
    assert names == {name.removeprefix("coco-") for name in wheels} - {"core", "testing"}
