"""Options and hooks of the conformance kit for pytest. Light: nothing of the kit is imported without a suite."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coco_testing.report import Report

# Failures of an editable install would otherwise say no more than "AssertionError".
pytest.register_assert_rewrite(
    *(
        f"coco_testing.{name}"
        for name in (
            "suite",
            "target",
            "source",
            "store",
            "runner",
            "function_suite",
            "rows",
            "target_driver",
        )
    )
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--coco-report`` and ``--coco-badge``."""
    group = parser.getgroup("coco")
    group.addoption(
        "--coco-badge",
        metavar="PATH",
        action="append",
        default=[],
        help="write a badge of what they have shown: an image into *.svg, else JSON for a shields.io endpoint",
    )
    group.addoption(
        "--coco-report",
        metavar="PATH",
        action="append",
        default=[],
        help="write what the conformance suites have shown: JSON into *.json, else Markdown (into an existing file "
        "between its marks)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part only where a report is asked for."""
    if config.getoption("--coco-report") or config.getoption("--coco-badge"):
        config.pluginmanager.register(Collector(config), "coco-report")


class Collector:
    """Gathers verdicts and writes them at the end of the session."""

    def __init__(self, config: pytest.Config) -> None:
        from coco_testing.report import Report

        self._paths = [Path(item) for item in config.getoption("--coco-report")]
        self._badges = [Path(item) for item in config.getoption("--coco-badge")]
        self.report: Report = Report()
        self._suites: dict[str, Any] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the outcome of a check, whichever phase decided it."""
        outcome = yield
        cls = getattr(item, "cls", None)
        suite = sys.modules.get("coco_testing.suite")
        if suite is None or cls is None or not issubclass(cls, suite.Suite):
            return outcome
        self._suites[cls.__name__] = cls
        decided = outcome.when == "call" or (outcome.when == "setup" and not outcome.passed)
        if decided and getattr(getattr(item, "function", None), "__coco_check__", None) is not None:
            self._keep(item, cls, outcome)
        return outcome

    def _keep(self, item: pytest.Item, cls: Any, outcome: pytest.TestReport) -> None:
        from coco_testing.audit import kit_class
        from coco_testing.report import Result, Verdict

        verdict = getattr(getattr(item, "instance", None), "verdict", None) or Verdict()
        told = verdict.outcome or {"passed": "passed", "failed": "failed"}.get(outcome.outcome, "skipped")
        reason = verdict.reason
        if outcome.failed:
            told, reason = "failed", str(call_reason(outcome))
        met = getattr(getattr(item, "instance", None), "met", None)
        if met is not None and met not in self.report.met.setdefault(cls.__name__, []):
            self.report.met[cls.__name__].append(met)
        name = verdict.check or getattr(item, "originalname", item.name)
        self.report.results.append(
            Result(
                cls.__name__, kit_class(cls).__name__, name, verdict.ability, verdict.support, told, reason
            )
        )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files."""
        from coco_testing.audit import checks_of
        from coco_testing.report import not_run, versions

        self.report.versions = versions()
        for name, cls in self._suites.items():
            own = [item for item in self.report.results if item.suite == name]
            left = not_run(checks_of(cls), own)
            if left:
                self.report.missing[name] = left
        for path in self._paths:
            self.report.write(path)
        if self._badges:
            from coco_testing.badge import write_badge

            for path in self._badges:
                write_badge(self.report, path)


def call_reason(outcome: pytest.TestReport) -> str:
    """The last line of a failure, for one cell of a table."""
    crash = getattr(outcome.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "")) or str(outcome.longrepr)
    return text.strip().partition("\n")[0][:300]
