"""Every check can fail: for each there is an operation, wrong in one way, that it finds out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coco_testing.audit import checks_of

HERE = Path(__file__).parent
KINDS = ("target", "source", "function", "store", "runner")


def suites(kind: str) -> dict[str, Any]:
    """Test classes of the files of mutants of a kind, by file and name."""
    found = {}
    for path in sorted(HERE.glob(f"mutants_{kind}*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # annotations of operations are looked up there
        spec.loader.exec_module(module)
        found.update(
            {
                f"{path.name}::{key}": value
                for key, value in vars(module).items()
                if key.startswith("Test") and hasattr(value, "kills")
            }
        )
    return found


def wanted(suite: Any) -> dict[str, str]:
    return {**dict.fromkeys(suite.kills, "failed"), **getattr(suite, "expects", {})}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_mutant_is_found_out(kind: str, tmp_path: Path) -> None:
    found = suites(kind)
    nodes = [f"{name}::{check}" for name, suite in found.items() for check in wanted(suite)]
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-o",
                "faulthandler_timeout=60",
            ),
            *(f"--coco-report={report}", *nodes),
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    data = json.loads(report.read_text())
    assert not data["complete"]
    outcomes: dict[str, dict[str, str]] = {}
    for item in data["results"]:
        outcomes.setdefault(item["suite"], {})[item["check"]] = item["outcome"]
    assert outcomes == {name.rpartition("::")[2]: wanted(suite) for name, suite in found.items()}, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_each_check_finds_a_mutant(kind: str) -> None:
    found = suites(kind)
    killed = {check.partition("[")[0] for suite in found.values() for check in suite.kills}
    checks = set(checks_of(next(iter(found.values()))))
    assert checks - killed <= ({"test_nothing_is_left_out"} if kind != "target" else set())
    assert killed <= checks
