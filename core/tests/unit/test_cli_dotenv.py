"""The parser of .env files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coco.cli.dotenv import find_env_file, load_env_file, parse_env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("# note\n\nexport A=1\n", {"A": "1"}),
        ("A=x # note\nB=x#y\nC= # nothing\nD=", {"A": "x", "B": "x#y", "C": "", "D": ""}),
        ("A='$x \\n # y' # note", {"A": "$x \\n # y"}),
        (r'A="one\ntwo \"q\" \$x \d"', {"A": 'one\ntwo "q" $x \\d'}),
        ('A="first\nsecond"\nB=1', {"A": "first\nsecond", "B": "1"}),
        ("A=1\r\nA=2\r\n", {"A": "2"}),
        ("\ufeffA=b=c", {"A": "b=c"}),
    ],
)
def test_parse(text: str, expected: dict[str, str]) -> None:
    assert parse_env(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nno value", "line 2: expected NAME=value"),
        ("A=1\nB='x\nC=1", "line 2: the quote of B is not closed"),
        ("A='x' y", "line 1: unexpected text"),
    ],
)
def test_errors_name_the_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_env(text)


def test_found_upwards_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CLI_TEST_A=file\nCLI_TEST_B=file\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    path = find_env_file(inner)
    assert path == tmp_path / ".env"
    monkeypatch.setenv("CLI_TEST_A", "environment")
    monkeypatch.setenv("CLI_TEST_B", "to be removed after the test")
    monkeypatch.delenv("CLI_TEST_B")
    load_env_file(path)
    assert os.environ["CLI_TEST_A"] == "environment"
    assert os.environ["CLI_TEST_B"] == "file"
