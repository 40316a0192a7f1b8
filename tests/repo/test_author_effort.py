"""``docs/authors/effort.md`` counts what a first target takes; here it is counted again."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from coco_testing.target_suite import ALL_TARGET_ABILITIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "authors" / "effort.md"
PACKAGE = ROOT / "examples" / "third-party" / "coco-target-jsonl"
MODULE = PACKAGE / "src" / "coco_target_jsonl" / "__init__.py"


def row(name: str) -> list[int]:
    """The numbers of a row of a table."""
    [line] = [item for item in PAGE.read_text().split("\n") if item.startswith(f"| {name} |")]
    return [int(number) for number in re.findall(r"\d+", line.partition(name)[2])]


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def function_in(source: str, name: str) -> int:
    """Lines of a function, decorators included."""
    [found] = [
        item for item in ast.parse(source).body if isinstance(item, ast.FunctionDef) and item.name == name
    ]
    first = min(found.lineno, *(mark.lineno for mark in found.decorator_list), found.lineno)
    return (found.end_lineno or 0) - first + 1


def test_lines() -> None:
    files = {
        "the target": lines(MODULE),
        "manifest": 0,
        "project file": lines(PACKAGE / "pyproject.toml"),
        "tests, with the claim": lines(PACKAGE / "tests" / "test_conformance.py"),
    }
    assert {name: row(name)[1] for name in files} == files
    assert row("**sum**") == [sum(row(name)[place] for name in files) for place in (0, 1)]
    assert {path.suffix for path in MODULE.parent.iterdir() if path.name != "__pycache__"} == {
        ".py",
        ".typed",
    }


def test_lines_that_the_text_names() -> None:
    text = PAGE.read_text()
    assert f"{function_in(MODULE.read_text(), 'read_rows')} are\n`read`" in text
    target = (ROOT / "docs" / "authors" / "target.md").read_text()
    [block] = [
        item for item in re.findall(r"```python run\n(.*?)```", target, re.DOTALL) if "def shelf(" in item
    ]
    assert f"is a function of {function_in(block, 'shelf')} lines" in text


def test_abilities() -> None:
    assert row("before the first check runs")[1] == 0
    assert row("for a complete report and a badge")[1] == len(ALL_TARGET_ABILITIES)


def test_concepts_are_numbered_and_stand_in_the_tutorial() -> None:
    text = PAGE.read_text()
    numbers = [int(item) for item in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    first, more = (int(item) for item in re.findall(r"(?:are|and) (\d+) (?:before|more before)", text))
    assert numbers == list(range(1, first + more + 1))
    tutorial = (ROOT / "docs" / "authors" / "tutorial.md").read_text().partition("## A source")[0]
    for item in re.findall(r"^\d+\. .*", text, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", item):
            assert name in tutorial, item
