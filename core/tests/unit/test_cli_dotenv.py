"""``.env``: what its lines mean, where it is found, and that Python reads it as the command line does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import coco
from coco import env_file
from coco.cli.dotenv import find_env_file, load_env_file, parse_env
from coco.errors import ClientError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("# note\n\nexport A=1\n", {"A": "1"}),
        ("A=x # note\nB=x#y\nC= # nothing\nD=", {"A": "x", "B": "x#y", "C": "", "D": ""}),
        ("A='$x \\n # y' # note", {"A": "$x \\n # y"}),
        (r'A="one\ntwo \"q\" $x \d"', {"A": 'one\ntwo "q" $x \\d'}),
        ("A=1\nB=${A}2\nC=${NO_SUCH:-3}\nD", {"A": "1", "B": "12", "C": "3"}),
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
        ("A=1\nno value", "line 2 is not NAME=value"),
        ("A=1\n\n \nB='x\nC=1", "line 4 is not NAME=value, or its quote is not closed"),
        ("A='x' y", "line 1 is no"),
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


@pytest.mark.parametrize("char", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
def test_other_line_ends_of_unicode_are_characters_of_a_value(char: str) -> None:
    assert parse_env(f"A=head{char}B=3\nC='head{char}tail'\n# remark{char}D=4\nE=5") == {
        "A": f"head{char}B=3",
        "C": f"head{char}tail",
        "E": "5",
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    text = f"\ufeffA=1 # x{end}{end}B='y'{end}# C=1{end}D=\"1{end}2\"{end}E"
    assert parse_env(text) == {"A": "1", "B": "y", "D": "1\n2"}


NAMES = ("COCO_APP_NAMESPACE", "COCO_STATE_URL", "COCO_ENV_FILE", "ENV_FILE_TEST")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which nothing has been read yet, below one with a ``.env``."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    coco.stop()
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (tmp_path / ".env").write_text("COCO_APP_NAMESPACE=dev\nENV_FILE_TEST=1\n")
    return inner


def test_python_reads_it_before_the_first_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert coco.get_app_namespace() == "dev"
    assert os.environ["ENV_FILE_TEST"] == "1"
    assert env_file.env_file_of("ENV_FILE_TEST") == str(folder.parent / ".env")
    coco.stop()
    monkeypatch.setenv("COCO_APP_NAMESPACE", "own")
    assert coco.get_app_namespace() == "own", "what is set stays"


def test_it_can_be_switched_off_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_ENV_FILE", "off")
    assert coco.get_app_namespace() == ""
    coco.stop()
    (folder / "other.env").write_text("COCO_APP_NAMESPACE=other\n")
    monkeypatch.setenv("COCO_ENV_FILE", "other.env")
    assert coco.get_app_namespace() == "other"
    coco.stop()
    for name in ("missing.env", "bad.env"):
        (folder / "bad.env").write_text("COCO_APP_NAMESPACE=x\nwhat is this\n")
        monkeypatch.setenv("COCO_ENV_FILE", name)
        with pytest.raises(
            ClientError, match=f"cannot read .*{name}: .*COCO_ENV_FILE=off goes on without it"
        ):
            coco.get_app_namespace()


@pytest.mark.slow
def test_one_flow_has_one_state(folder: Path) -> None:
    """A program and the command line agree on the settings and on which plugins there are."""
    (folder.parent / ".env").write_text(
        "COCO_STATE_URL=sqlite:///here.db\nCOCO_APP_NAMESPACE=dev\nCOCO_PLUGINS=-nothing\n"
    )
    program = """
import coco
from coco.plugins import plugin_host
from coco.environment.environment import ENVIRONMENT
import json
unknown = plugin_host().unknown_names()
print(json.dumps([unknown, ENVIRONMENT.state_url(), coco.get_app_namespace()]))
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COCO")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [["nothing"], "sqlite:///here.db", "dev"]
    shown = subprocess.run(
        [sys.executable, "-m", "coco", "settings", "--json"],
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(shown.stdout)["settings"]
    assert [settings[name]["value"] for name in ("plugins", "state_url", "app_namespace")] == [
        "-nothing",
        "sqlite:///here.db",
        "dev",
    ]
