"""Specifiers, loading of apps, choice of flows."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coco.cli import apps, output
from coco.flow import flows

APP = """
import coco

@coco.flow_def(name="{name}")
def flow(builder, scope):
    pass
"""


@pytest.fixture(autouse=True)
def _clean_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(apps.APP_VARIABLE, raising=False)
    monkeypatch.delenv("COCO_TRACEBACK", raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield
    os.environ.pop(apps.APP_VARIABLE, None)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("cli_app"):
            del sys.modules[name]
    for flow in flows().values():
        flow.close()


@pytest.mark.parametrize(
    ("text", "app", "flow"),
    [
        ("main.py", "main.py", None),
        ("pkg.app:Docs", "pkg.app", "Docs"),
        ("a/b.py:", "a/b.py", None),
    ],
)
def test_specifier(text: str, app: str, flow: str | None) -> None:
    assert apps.parse_specifier(text) == apps.Specifier(app, flow)


@pytest.mark.parametrize(
    ("text", "problem"),
    [(":Docs", "missing or invalid"), ("", "missing"), ("a:b:c", "identifier"), ("a:1", "'1'")],
)
def test_bad_specifier(text: str, problem: str) -> None:
    with pytest.raises(click.BadParameter, match=problem):
        apps.parse_specifier(text)


def test_file_is_loaded_under_its_stem_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "cli_app_helper.py").write_text("NAME = 'CliA'\n")
    (folder / "cli_app_file.py").write_text("from cli_app_helper import NAME\n" + APP.format(name="CliA"))
    before = list(sys.path)
    assert list(apps.load_app("deep/cli_app_file.py")) == ["CliA"]
    assert sys.modules["cli_app_file"].__file__ == str(folder / "cli_app_file.py")
    assert sys.path == [*before, str(folder)]
    assert os.environ[apps.APP_VARIABLE] == str(folder / "cli_app_file.py")
    assert list(apps.load_app("deep/cli_app_file.py")) == ["CliA"], "a second load finds the same flows"


def test_module_is_imported(tmp_path: Path) -> None:
    (tmp_path / "cli_app_module.py").write_text(APP.format(name="CliB"))
    apps.prepare_process(None, str(tmp_path))
    assert sys.path[0] == str(tmp_path)
    assert list(apps.load_app("cli_app_module")) == ["CliB"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import coco\n\ndef f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "it called sys.exit()"),
        ("x = = 1\n", "SyntaxError"),
        ("import no_such_thing\n", "No module named 'no_such_thing'"),
    ],
)
def test_failing_app_shows_the_users_lines_only(tmp_path: Path, code: str, problem: str) -> None:
    (tmp_path / "cli_app_bad.py").write_text(code)
    with pytest.raises(click.ClickException) as caught:
        apps.load_app("cli_app_bad.py")
    text = caught.value.message
    assert caught.value.exit_code == 1
    assert text.startswith("Failed to load APP_TARGET 'cli_app_bad.py': ") and problem in text
    assert "importlib" not in text and "coco/cli" not in text
    if "1 / 0" in code:
        assert f"at {tmp_path / 'cli_app_bad.py'}:4 in f: return 1 / 0" in text
    assert "cli_app_bad" not in sys.modules


def test_missing_file_and_module(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="there is no file"):
        apps.load_app("none.py")
    (tmp_path / "cli_app_near.py").write_text("")
    with pytest.raises(click.ClickException, match=r"did you mean cli_app_near\.py"):
        apps.load_app("cli_app_near")


def test_name_that_is_in_use_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "json.py").write_text(APP.format(name="CliC"))
    import json

    assert list(apps.load_app("./json.py")) == ["CliC"]
    assert sys.modules["json"] is json
    assert "it is loaded as json_app" in capsys.readouterr().err
    del sys.modules["json_app"]


def two_flows(tmp_path: Path) -> None:
    (tmp_path / "cli_app_two.py").write_text(APP.format(name="CliE") + APP.format(name="CliD"))


def test_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    two_flows(tmp_path)
    assert set(apps.load_chosen("cli_app_two.py")) == {"CliD", "CliE"}
    assert set(apps.load_chosen("cli_app_two.py:CliD")) == {"CliD"}
    assert apps.load_one("cli_app_two.py:CliE").name == "CliE"
    with pytest.raises(click.UsageError, match=r"'Nope' not found\. Available: CliD, CliE"):
        apps.load_one("cli_app_two.py:Nope")
    monkeypatch.setattr(output, "is_interactive", lambda: False)
    with pytest.raises(click.UsageError, match=r"name one: cli_app_two\.py:CliD, cli_app_two\.py:CliE"):
        apps.load_one("cli_app_two.py")
    monkeypatch.setattr(output, "is_interactive", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("CliF\nCliE\n"))
    assert apps.load_one("cli_app_two.py").name == "CliE"
    asked = capsys.readouterr()
    assert "Select a flow (CliD, CliE): " in asked.err and "'CliF' is not one of" in asked.err
    assert asked.out == "", "standard output is for results"


def test_flow_part_is_ignored_for_whole_apps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_flows(tmp_path)
    assert set(apps.load_flows("cli_app_two.py:CliD")) == {"CliD", "CliE"}
    assert "'CliD' is ignored" in capsys.readouterr().err


def test_no_flows(tmp_path: Path) -> None:
    (tmp_path / "cli_app_none.py").write_text("")
    with pytest.raises(click.ClickException, match=r"No flows are defined in 'cli_app_none\.py'"):
        apps.load_flows("cli_app_none.py")


@pytest.mark.parametrize("target", ["wave.py", "./wave.py", "wave"])
def test_an_app_named_like_a_standard_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    """Whoever imports the standard module, such as coco itself, gets it; the app has another name."""
    (tmp_path / "wave.py").write_text(APP.format(name="CliW"))
    sys.modules.pop("wave", None)
    apps.prepare_process(None, None, [target])
    standard = sys.modules["wave"]
    assert os.path.dirname(standard.__file__ or "") != str(tmp_path)
    assert list(apps.load_app(target)) == ["CliW"]
    assert sys.modules.pop("wave") is standard
    message = capsys.readouterr().err
    assert "wave.py has the name of a module of Python's standard library" in message
    assert "Give it another name" in message
    del sys.modules["wave_app"]


def test_a_helper_named_like_a_standard_module_is_found(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text("ANSWER = 42")
    (tmp_path / "cli_app_waves.py").write_text("import wave\n" + APP.format(name="CliW"))
    sys.modules.pop("wave", None)
    apps.prepare_process(None, None, ["cli_app_waves.py"])
    apps.load_app("cli_app_waves.py")
    assert sys.modules.pop("wave").ANSWER == 42
