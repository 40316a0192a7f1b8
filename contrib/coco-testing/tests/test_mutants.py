"""Every check can fail: for each there is an operation, wrong in one way, that it finds out."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from run_length import is_long

from coco_testing.audit import checks_of

HERE = Path(__file__).parent
KINDS = ("target", "source", "function", "store", "runner", "secret")
AT_ONCE = {"runner": 3, "source": 2}
"""Processes that run the mutants of a kind: several where most of them wait for a time limit."""


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


def one_for_each_check(found: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By suite, the outcomes of enough mutants that each check finds one. ``make test-long`` runs all."""
    seen: set[str] = set()
    chosen = {}
    for name, suite in found.items():
        fresh = {
            check: outcome for check, outcome in wanted(suite).items() if check.partition("[")[0] not in seen
        }
        seen.update(check.partition("[")[0] for check in fresh)
        if fresh:
            chosen[name] = fresh
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_mutant_fails_a_check(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = suites(kind)
    expected = (
        {name: wanted(suite) for name, suite in found.items()}
        if is_long(request.config)
        else one_for_each_check(found)
    )
    nodes = [f"{name}::{check}" for name, checks in expected.items() for check in checks]
    shares = AT_ONCE.get(kind, 1)
    with ThreadPoolExecutor(shares) as pool:
        reports = list(
            pool.map(
                lambda number: reported(nodes[number::shares], tmp_path / f"{number}.json"), range(shares)
            )
        )
    outcomes: dict[str, dict[str, str]] = {}
    for report, _ in reports:
        for item in report["results"]:
            outcomes.setdefault(item["suite"], {})[item["check"]] = item["outcome"]
    printed = "\n".join(text for _, text in reports)
    assert outcomes == {name.rpartition("::")[2]: checks for name, checks in expected.items()}, printed


def reported(nodes: list[str], report: Path) -> tuple[dict[str, Any], str]:
    """The kit's report of a run of these tests, and what pytest printed.

    Under ``CI`` pytest writes the whole difference of what is not equal: a minute for tables of thousands of rows.
    """
    options = ["-q", "--coco-strict", "-p", "no:cacheprovider", "--tb=line", "-o", "faulthandler_timeout=60"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--coco-report={report}", *nodes],
        cwd=HERE,
        env={name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    data: dict[str, Any] = json.loads(report.read_text())
    assert not data["complete"]
    return data, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_each_check_finds_a_mutant(kind: str) -> None:
    found = suites(kind)
    killed = {check.partition("[")[0] for suite in found.values() for check in suite.kills}
    checks = set(checks_of(next(iter(found.values()))))
    assert checks - killed <= ({"test_nothing_is_left_out"} if kind != "target" else set())
    assert killed <= checks
