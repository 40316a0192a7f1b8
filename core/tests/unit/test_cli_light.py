"""Help is cheap: it comes from static data."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from coco.cli.group import cli, own_commands
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.metadata import Candidate

HEAVY = ("pydantic", "asyncio", "numpy", "msgspec", "sqlite3", "rich", "yaml")

CHECK = f"""
import sys
sys.argv = ["coco", *{{args}}]
from coco.cli import main
assert "click" not in sys.modules
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
heavy = [name for name in {HEAVY!r} if name in sys.modules]
assert not heavy, heavy
commands = [name for name in sys.modules if name.startswith("coco.cli.commands.")]
assert commands == {{commands}}, commands
"""


@pytest.mark.parametrize(
    ("args", "commands"),
    [(["--help"], []), (["--version"], []), (["update", "--help"], ["coco.cli.commands.update"])],
)
def test_help_imports_nothing_heavy(args: list[str], commands: list[str]) -> None:
    code = CHECK.format(args=args, commands=commands)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_command_with_its_own_first_line() -> None:
    text = CliRunner().invoke(cli, ["--help"]).stdout
    for name, manifest in own_commands().items():
        doc = manifest.doc
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.name == name
        assert (command.help or "").splitlines()[0] == doc
        assert f"{name} " in text and doc in text


@pytest.mark.parametrize("name", own_commands())
def test_manifest_says_what_a_command_takes(name: str) -> None:
    """What messages complete such as `coco update` with: the app, a flow of it, or nothing."""
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    first = next((item for item in command.params if isinstance(item, click.Argument)), None)
    needed = first.name if first is not None and first.required else None
    expected = {"app_target": "app", "app_flow_specifier": "flow"}.get(needed or "", "")
    assert own_commands()[name].takes == expected


def test_own_commands_are_found_without_a_search_for_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    def search() -> PluginHost:
        raise AssertionError("plugins were searched for")

    monkeypatch.setattr("coco.plugins.loader.process_host", search)
    assert cli.get_command(None, "update") is not None  # type: ignore[arg-type]
    result = CliRunner().invoke(cli, ["update", "--help"])
    assert (result.exit_code, "APP_FLOW_SPECIFIER" in result.stdout) == (0, True)
    with pytest.raises(AssertionError, match="searched"):
        cli.get_command(None, "new")  # type: ignore[arg-type]


def test_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["updat"])
    assert result.exit_code == 2
    assert "No such command 'updat'" in result.stderr


def test_command_of_a_package_that_is_not_installed() -> None:
    """``coco new`` comes with coco-testing; where that is missing, the message says so."""
    with temporary_host(PluginHost(candidates=list, environ={})):
        result = CliRunner().invoke(cli, ["new", "target", "feed"])
    assert result.exit_code == 2
    assert (
        "'coco new' comes with coco-testing, which is not installed: pip install coco-testing"
        in result.stderr
    )


def test_command_of_a_plugin_that_is_left_out() -> None:
    left_out = Candidate("testing", "coco_testing._plugin", lambda: ("coco-testing", "0.1"))
    with temporary_host(PluginHost(lambda: [left_out], {"COCO_PLUGINS": "-testing"})):
        result = CliRunner().invoke(cli, ["new", "target", "feed"])
    assert result.exit_code == 2
    assert "whose plugin is skipped: denied by COCO_PLUGINS" in result.stderr
