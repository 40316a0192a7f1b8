"""``docs/guarantees.md`` names tests that exist, and forgets none of those that prove what a failure may not do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
NAMED = re.compile(r"\[`([\w.]+)::(\w+)`\]\(([^)]+)\)")
ABOUT_THE_TESTS = {"test_enough_processes_were_killed", "test_replay"}
"""Tests that prove no promise themselves."""


def named(text: str) -> list[tuple[str, str, Path]]:
    """(label's file, function, file that the link leads to)."""
    return [(file, name, (PAGE.parent / link).resolve()) for file, name, link in NAMED.findall(text)]


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def wrong(text: str) -> list[str]:
    """What a page says of tests that are not there."""
    return [
        f"{file}::{name}"
        for file, name, path in named(text)
        if path.name != file
        or not path.is_file()
        or not name.startswith("test_")
        or name not in functions(path)
    ]


def test_the_tests_that_are_named_exist() -> None:
    assert wrong(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "link",
    [
        "[`test_crashes.py::test_gone`](../tests/crash/test_crashes.py)",
        "[`test_gone.py::test_killed`](../tests/crash/test_gone.py)",
        "[`test_crashes.py::test_killed`](../tests/crash/test_signals.py)",
        "[`test_crashes.py::around`](../tests/crash/test_crashes.py)",
    ],
)
def test_a_missing_test_is_reported(link: str) -> None:
    assert len(wrong(link)) == 1


def test_no_test_of_failures_is_forgotten() -> None:
    told = {(path, name) for _, name, path in named(PAGE.read_text(encoding="utf-8"))}
    files = [
        *(ROOT / "tests" / "crash").glob("test_*.py"),
        *(ROOT / "tests" / "bounds").glob("test_*.py"),
        *(ROOT / "tests" / "e2e" / name for name in ("test_cancelling.py", "test_limits.py")),
    ]
    all_tests = {(path, name) for path in files for name in functions(path) if name.startswith("test_")}
    assert {name for path, name in all_tests - told} == ABOUT_THE_TESTS


def test_every_section_names_a_test() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections if not named(section)] == []
