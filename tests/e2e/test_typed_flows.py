"""``mypy --strict`` on flows of users, with the stubs that ``coco stubs`` writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from coco.cli.group import cli
from coco.plugins.loader import PluginHost, temporary_host

pytest.importorskip("mypy")

HERE = Path(__file__).parent
RIGHT, WRONG = (HERE / "typed_flows" / f"{name}.py" for name in ("right", "wrong"))
DEMO = HERE.parents[1] / "examples" / "demo" / "main.py"
PLUGINS = "source-localfs,function-text,function-embed,target-sqlite,target-postgres"
PLANTED = re.compile(r"# E: ([a-z -]+)$")
ERROR = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]")


@pytest.fixture(scope="module")
def errors(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[Path, dict[int, set[str]]]:
    """Codes of errors by file and line: one mypy for all files, for a user without any configuration.

    mypy reads all that the plugins import (10 s), and remembers it in pytest's cache (then 1 s).
    """
    folder = tmp_path_factory.mktemp("typed")
    with temporary_host(PluginHost(environ={"COCO_PLUGINS": PLUGINS})):
        stubs = CliRunner().invoke(cli, ["stubs", "--out", str(folder)])
    assert stubs.exit_code == 0, stubs.output
    cache = request.config.cache.mkdir("typed_flows")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}"]
        + [str(path) for path in (RIGHT, WRONG, DEMO)],
        cwd=folder,
        # mypy takes PYTHONPATH for installed packages, which is where stub packages lie.
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[Path, dict[int, set[str]]] = {}
    for line in done.stdout.splitlines():
        match = ERROR.fullmatch(line)
        if match is not None:
            path = (folder / match["file"]).resolve()
            found.setdefault(path, {}).setdefault(int(match["line"]), set()).add(match["code"])
        else:
            assert ": note: " in line or line.startswith("Found "), line
    return found


@pytest.mark.slow
def test_mistakes_are_errors_and_nothing_else_is(errors: dict[Path, dict[int, set[str]]]) -> None:
    lines = enumerate(WRONG.read_text(encoding="utf-8").splitlines(), start=1)
    planted = {number: set(match[1].split()) for number, line in lines if (match := PLANTED.search(line))}
    assert errors.get(WRONG, {}) == planted


@pytest.mark.slow
@pytest.mark.parametrize("flow", [RIGHT, DEMO], ids=["right", "demo"])
def test_flows_without_mistakes_pass(errors: dict[Path, dict[int, set[str]]], flow: Path) -> None:
    assert flow.exists()
    assert errors.get(flow, {}) == {}
