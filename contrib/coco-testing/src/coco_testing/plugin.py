"""Options and hooks of the conformance kit for pytest. The kit itself is imported only if a suite runs."""

from __future__ import annotations

import sys
from collections.abc import Generator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coco_testing.report import Report

COLLECTOR = "coco-report"

# Without this, failures in an editable install show only "AssertionError".
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
    """Add ``--coco-strict``, ``--coco-badge``, ``--coco-claims`` and ``--coco-report``."""
    group = parser.getgroup("coco")
    group.addoption(
        "--coco-strict",
        action="store_true",
        help="fail a conformance suite that does not declare all abilities; for CI",
    )
    group.addoption(
        "--coco-badge",
        metavar="PATH",
        action="append",
        default=[],
        help="write a badge with the results of the conformance suites: an image into *.svg, else JSON for a "
        "shields.io endpoint",
    )
    group.addoption(
        "--coco-claims",
        metavar="PATH",
        help="write the abilities that each conformance suite was found to have, as JSON; for `coco-testing init`",
    )
    group.addoption(
        "--coco-report",
        metavar="PATH",
        action="append",
        default=[],
        help="write the results of the conformance suites: JSON into *.json, else Markdown (into an existing file: "
        "between its two report marks)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the collector of results."""
    config.pluginmanager.register(Collector(config), COLLECTOR)


class Collector:
    """Collects results. At the end of the session it writes them and prints which abilities are not declared."""

    def __init__(self, config: pytest.Config) -> None:
        self._paths = [Path(item) for item in config.getoption("--coco-report")]
        self._badges = [Path(item) for item in config.getoption("--coco-badge")]
        claims = config.getoption("--coco-claims")
        self._claims = Path(claims) if claims else None
        self.suites: dict[str, Any] = {}
        """Suites that ran: name -> class."""

    @cached_property
    def report(self) -> Report:
        """The results so far."""
        from coco_testing.report import Report

        return Report()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the outcome of a check: of its call, or of its setup if that did not pass."""
        outcome = yield
        cls = getattr(item, "cls", None)
        suite = sys.modules.get("coco_testing.suite")
        if suite is None or cls is None or not issubclass(cls, suite.Suite):
            return outcome
        self.suites[cls.__name__] = cls
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
                cls.__name__,
                kit_class(cls).__name__,
                name,
                verdict.ability,
                verdict.support,
                told,
                reason,
                verdict.found,
            )
        )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, the claims and the badges."""
        if not (self.suites or self._paths or self._badges or self._claims):
            return
        from coco_testing.audit import checks_of, undeclared
        from coco_testing.report import not_run, versions

        self.report.versions = versions()
        for name, cls in self.suites.items():
            own = [item for item in self.report.results if item.suite == name]
            left = not_run(checks_of(cls), own)
            if left:
                self.report.missing[name] = left
            waiting = undeclared(cls)
            if waiting:
                self.report.undeclared[name] = waiting
        for path in self._paths:
            self.report.write(path)
        if self._claims is not None:
            from coco_testing.claims import claims_json

            self._claims.write_text(claims_json(self.suites, self.report), encoding="utf-8")
        if self._badges:
            from coco_testing.badge import write_badge

            for path in self._badges:
                write_badge(self.report, path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the abilities that are not declared."""
        for name in self.suites:
            tried = self.report.tried_out(name)
            if not tried:
                continue
            from coco_testing.report import FAILS, HOLDS, REFUSED, WORDS_OF_MANY

            terminalreporter.section(f"coco conformance: {name}", sep="-")
            terminalreporter.write_line(f"not declared yet: {len(tried)} abilities")
            for found in (HOLDS, REFUSED, FAILS):
                names = [ability for ability, (how, _) in tried.items() if how == found]
                if names:
                    terminalreporter.write_line(f"  {len(names)} {WORDS_OF_MANY[found]}: {', '.join(names)}")
            terminalreporter.write_line(
                "`coco-testing init` prints the claim to paste. --coco-strict requires all abilities to be declared."
            )


def call_reason(outcome: pytest.TestReport) -> str:
    """The first line of a failure's message, for a table cell."""
    crash = getattr(outcome.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "")) or str(outcome.longrepr)
    return text.strip().partition("\n")[0][:300]
