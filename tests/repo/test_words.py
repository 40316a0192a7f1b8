"""The word list in CONTRIBUTING holds: what a pattern can tell without false alarms is tested here."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("core", "connectors", "functions", "targets", "contrib")

BUT_NOT_PEOPLE = "".join(
    f"(?<!{before})"
    for before in (
        "user ",
        "users ",
        "people ",
        "author ",
        "authors ",
        "person ",
        "anyone ",
        "those ",
        "[.'\"]",
    )
)
ALWAYS_WRONG = {
    r"\bpark(?:ed|s|ing)?\b": "quarantined",
    r"\bforecasts?\b": "plan",
    r"\b(?:initial|update|failed|next|each|whole) pass(?:es)?\b|\bpass(?:es)? over (?:a|the|all) flows?\b": "a run",
    r"\bbehind (?:our|its|coco's|your|their) backs?\b": "by another program",
    r"\b(?:table|target|resource|collection|folder)s? (?:is|are|was|were) made again\b": "recreated",
    r"\bmakes? (?:it|them) again\b": "recreated",
    r"(?<!')\b(?:whoever|whomever|nobody|somebody)\b": "the caller, the thread, another process",
    rf"{BUT_NOT_PEOPLE}\bwho\b": "name the actor",
    r"\bvanish(?:es|ed|ing)?\b|\b(?:is|are|was|were|be|been) gone\b": "deleted (source row), missing (target)",
    r"\b(?:dies|died|dead)\b": "ends, is killed, crashes",
}
"""Pattern, and what to write instead."""

LINK_OR_CODE = re.compile(r"```.*?^```$|`[^`\n]*`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
FORMER_NAMES = ("events.py", "schema.py", "failures.py")
"""Modules of core in which a former name must stand: of an event, of a column of the state."""


def wrong(text: str) -> list[str]:
    """Words of the list in a text, with what to write instead."""
    return [
        f"{match[0]!r}: write {better!r}"
        for pattern, better in ALWAYS_WRONG.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def prose_of_python(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of docstrings, comments and messages: strings of several words."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            yield token.start[0], re.sub(r"``[^`]*``|\{[^}]*\}", "", token.string)


def prose_of_page(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a page without code and addresses of links."""
    text = LINK_OR_CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    yield from enumerate(text.splitlines(), 1)


def sources() -> list[Path]:
    found = [path for part in PARTS for path in (ROOT / part).glob("**/src/**/*.py")]
    return sorted(path for path in found if path.name not in FORMER_NAMES)


def pages() -> list[Path]:
    found = [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/*/README.md"),
        *ROOT.glob("examples/**/*.md"),
        ROOT / "README.md",
    ]
    return sorted(path for path in found if ".venv" not in path.parts and path.name != "requirements.md")


def test_sources_use_the_words_of_the_list() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in sources()
        for line, text in prose_of_python(path.read_text(encoding="utf-8"))
        for problem in wrong(text)
    ]
    assert found == []


def test_pages_use_the_words_of_the_list() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in pages()
        for line, text in prose_of_page(path.read_text(encoding="utf-8"))
        for problem in wrong(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        '"""Let go who waits for it."""',
        "# whoever holds the lease",
        'message = "the row is parked until it changes"',
        '"""A pass over the flow: the next pass."""',
        'raise ValueError("its table is gone")',
        '"""The worker died."""',
        '"""The table was altered behind our back, and made again."""',
    ],
)
def test_the_patterns_find_words_of_the_list(text: str) -> None:
    assert [problem for _, prose in prose_of_python(text + "\n") for problem in wrong(prose)]


@pytest.mark.parametrize(
    "text",
    [
        '"""Users who write a source pass a spec; ``who`` is code."""',
        '"""All keys in one pass. A deadlock is impossible."""',
        "parked = row.parked",
        '"""Deadline in seconds."""',
    ],
)
def test_the_patterns_do_not_match_other_texts(text: str) -> None:
    assert not [problem for _, prose in prose_of_python(text + "\n") for problem in wrong(prose)]
