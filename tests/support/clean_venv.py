"""Building wheels and installing them into environments that hold nothing else."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterable
from pathlib import Path

import workspace

ROOT = Path(__file__).resolve().parents[2]
QUICK_PIP = {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""Settings under which pip compiles no modules: the tests import few of those that it installs."""


def folders() -> list[Path]:
    return [member.folder for member in workspace.members().values()]


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


def name_of(folder: Path) -> str:
    """Of the distribution in a folder."""
    return str(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"])


def announces_plugin(folder: Path) -> bool:
    """Whether the distribution has an entry point for coco."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return "coco.plugins" in project.get("entry-points", {})


def build(folder: Path, base: Path) -> Path:
    """The wheel of a package that is no member, made from a copy."""
    copy = base / folder.name
    shutil.copytree(folder, copy, ignore=workspace.NOT_SOURCE)
    out = base / "dist" / folder.name
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, copy, cwd=base)
    (wheel,) = out.glob("*.whl")
    return wheel


def environment(
    folder: Path, requirements: Iterable[str | Path], links: Path, *, with_pip: bool = False
) -> Path:
    """Interpreter of a new environment with these distributions and what they declare; ours are found in ``links``."""
    found = ["install", "--quiet", "--find-links", str(links), *map(str, requirements)]
    uv = importlib.util.find_spec("uv") is not None
    venv.create(folder, with_pip=not uv)
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if uv:  # which also installs pip in a tenth of the time that the interpreter takes
        wanted = [*found, *(["pip"] if with_pip else [])]
        command = [sys.executable, "-m", "uv", "pip", *wanted, "--python", str(interpreter)]
        done = subprocess.run(command, cwd=folder, env=clean_environ(), capture_output=True, check=False)
        if done.returncode == 0:
            return interpreter
        venv.create(folder, with_pip=True, clear=True)
    run(interpreter, "-m", "pip", *found, cwd=folder, **QUICK_PIP)
    return interpreter
