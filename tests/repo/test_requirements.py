"""Numbers of requirements stand in docs/requirements.md and nowhere else, and lead to tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "requirements.md"
FOLDERS = (
    "core",
    "connectors",
    "functions",
    "targets",
    "contrib",
    "tests",
    "tools",
    "benchmarks",
    "examples",
)
AREAS = (
    *(
        "F",
        "I",
        "E",
        "O",
        "T",
        "EX",
        "SU",
        "L",
        "G",
        "CLI",
        "X",
        "R",
        "CT",
        "A",
        "SUB",
        "DB",
        "CF",
        "AU",
        "EN",
        "Q",
    ),
    *("NS", "DEP", "FFI", "CS", "DEV", "ATT", "IDX", "D", "TIM", "RET", "AUTH"),
    *("B", "BLD", "COP", "ERR", "EXC", "FIX", "FN", "LANG", "LLM", "PAT", "RETRY", "S", "TG", "UI"),
    *("S-[A-Z][A-Za-z]+", "TG-[A-Z][A-Za-z0-9]+", "FN-[A-Z][A-Za-z]+"),
)
NUMBER = re.compile(rf"(?<![\w./-])(?:{'|'.join(AREAS)})-\d{{1,3}}(?![\w-])")
TEST = re.compile(r"`([\w./-]+\.py)(?:::(\w+))?`")


def sources() -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not {"build", ".venv", "__pycache__"} & set(path.parts)
    ]


@cache
def names_in(path: Path) -> frozenset[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_sources_name_no_numbers() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources()
        for match in NUMBER.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["({}152)", "see {}19"])
def test_numbers_are_recognised(text: str) -> None:
    for area in ("F", "TG-Postgres", "FN-Common"):
        assert NUMBER.search(text.format(f"{area}-"))
    assert not NUMBER.search("UTF-8, A-Z, GPL-3, SHA-256, ISO-8859-1")


def test_tests_that_are_named_exist() -> None:
    named = TEST.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 400
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or (name and name not in names_in(ROOT / file))
    ]
    assert missing == []
