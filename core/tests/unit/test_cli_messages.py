"""What commands say when called with the wrong thing, or where nothing can be written."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import coco
from coco.cli.apps import APP_VARIABLE
from coco.cli.failures import show_warning, user_frames
from coco.cli.group import cli
from coco.operations.verify_report import SourceCheck, TargetCheck, VerifyReport


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    coco.stop()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(APP_VARIABLE, "")
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    (tmp_path / ".env").write_text("")
    yield tmp_path
    sys.modules.pop("app_of_messages", None)
    coco.stop()


def said(*args: str, code: int) -> str:
    result = CliRunner().invoke(cli, list(args))
    assert result.exit_code == code, result.output
    return result.stderr


def test_a_command_that_is_almost_right() -> None:
    assert "No such command 'updat'. Did you mean 'update'?" in said("updat", code=2)
    assert said("zzz", code=2).endswith("No such command 'zzz'.\n")


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("notes.md", "notes.md is not a Python file"),
        ("docs", "docs is a folder and not a Python package; name a file in it"),
        ("docs/", "docs is a folder; name a file in it"),
        ("gone.py", "there is no file"),
        ("gone", "there is no module 'gone'"),
    ],
)
def test_an_argument_that_is_not_an_app(folder: Path, app: str, words: str) -> None:
    (folder / "docs").mkdir()
    (folder / "notes.md").write_text("# Notes")
    assert words in said("update", app, code=1)


def test_a_file_that_is_not_a_plan(folder: Path) -> None:
    (folder / "notes.md").write_text("# Notes")
    assert "notes.md is not a plan" in said("apply", "notes.md", code=1)


def test_places_that_cannot_be_written(folder: Path) -> None:
    """A file stands where a folder would have to be: nobody may write there, not even root."""
    (folder / "file").write_text("")
    assert "cannot write file/x" in said("init", "file/x", code=1)
    (folder / "app_of_messages.py").write_text(
        "import coco\n@coco.flow_def(name='Empty')\ndef empty(builder, scope): pass\n"
    )
    text = said("evaluate", "app_of_messages.py", "-o", "file/x", code=1)
    assert "cannot create file/x: Not a directory; name another folder with -o" in text
    text = said("plan", "app_of_messages.py", "-o", "file/x", code=1)
    assert "cannot write file/x: Not a directory; name another file with -o" in text


def test_frames_are_the_users_own() -> None:
    """Not those of coco, of the standard library, of what is installed, in place or not."""
    import json

    try:
        json.loads("what")
    except ValueError as error:
        (line,) = user_frames(error)
    assert "test_cli_messages.py" in line and 'json.loads("what")' in line
    try:
        from coco_target_sqlite.connection import connect

        connect("/nowhere/at/all.db", create=False)
    except Exception as error:
        (line,) = user_frames(error)
    assert "test_cli_messages.py" in line


def test_warnings_are_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", show_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show_warning)
        warnings.warn("mind this", stacklevel=1)
    text = capsys.readouterr().err
    assert text.startswith("WARNING: mind this (") and "test_cli_messages.py:" in text


def test_a_source_that_cannot_be_listed_does_not_differ() -> None:
    report = VerifyReport([], [SourceCheck("docs", problems=["no such folder"])], remaining=True)
    assert report.render() == "source docs: PROBLEM; 0 listed, 0 compared\n  problem: no such folder"


def test_a_repair_says_how_it_ended() -> None:
    report = VerifyReport([TargetCheck("out", expected=1, missing=["a"], recreated=True)], repaired=1)
    assert "it was missing or altered, and has been recreated" in report.render()
    assert "compared again: no differences" in report.render()
    report.remaining = True
    assert "compared again: differences remain" in report.render()


def test_a_file_that_hides_a_standard_module_is_named(folder: Path) -> None:
    (folder / "socket.py").write_text("")
    (folder / "app_of_messages.py").write_text("import no_such_module_at_all\n")
    text = said("update", "app_of_messages.py", code=1)
    assert f"socket.py in {folder} has the name of a module of Python's standard library" in text
    assert "give it another name" in text
    (folder / "app_of_messages.py").write_text("raise ValueError('something else')\n")
    assert "socket.py" not in said("update", "app_of_messages.py", code=1)


def test_passwords_do_not_show(folder: Path) -> None:
    (folder / "app_of_messages.py").write_text(
        "raise ConnectionError('postgresql://me:hunter2@db/x refused', api_key := 'sk-123456')\n"
    )
    text = said("update", "app_of_messages.py", code=1)
    assert "postgresql://me:***@db/x" in text and "hunter2" not in text
    assert "api_key := '***'" in text
