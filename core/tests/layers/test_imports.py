"""Pay for what you use: what ``coco --help`` imports, in a fresh process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "msgspec",
    "numpy",
    "pydantic",
    "pydantic_core",
    "sqlite3",
    "blake3",
    "yaml",
    "rich",
    "tomllib",
}

REPORT = """
import json, sys
{code}
print("MODULES" + json.dumps(sorted(sys.modules)))
"""


def modules_after(code: str) -> set[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(code=code)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.rpartition("MODULES")[2]))


def implementations(modules: set[str]) -> list[str]:
    """Modules of plugins besides their packages and manifests."""
    ours = [name for name in modules if name.startswith("coco_") and "." in name]
    return sorted(name for name in ours if not name.endswith("._plugin"))


def check(code: str) -> None:
    before = modules_after("pass")
    modules = modules_after(code) - before
    assert sorted(HEAVY & {name.partition(".")[0] for name in modules}) == []
    assert implementations(modules) == []


@pytest.mark.parametrize(
    "module", ["coco", "coco.plugins", "coco.errors", "coco.plugins.loader", "coco.targets"]
)
def test_import_is_light(module: str) -> None:
    check(f"import {module}")


def test_coco_alone_imports_nothing_else() -> None:
    modules = modules_after("import coco")
    assert {name for name in modules if name.startswith("coco")} == {"coco", "coco.ports"}


def test_finding_the_plugins_is_light() -> None:
    check(
        "import coco.targets, coco.plugins\n"
        "assert not [p.reason for p in coco.plugins.plugin_host().plugins if p.status == 'disabled']\n"
        "dir(coco.targets)"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins"], ["update", "--help"]])
def test_command_line_is_light(arguments: list[str]) -> None:
    if importlib.util.find_spec("coco.cli") is None or importlib.util.find_spec("coco.cli").origin is None:  # type: ignore[union-attr]
        pytest.skip("coco.cli is not there yet")
    check(
        "import contextlib, io\n"
        "from coco.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    sys.argv = ['coco', *{arguments!r}]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, stop.code\n"
    )
