"""The page about the command line and the commands themselves say the same."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from coco.cli.group import cli, own_commands
from coco.cli.signals import INTERRUPTED, TERMINATED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "cli.md"
HEADING = re.compile(r"^### `coco (\w+)([^`]*)`$", re.MULTILINE)


def options_in(text: str) -> set[str]:
    """Options in the first column of tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `-")]
    return {option for cell in cells for option in re.findall(r"-{1,2}[A-Za-z][\w-]*", cell)}


def options_of(command: click.Command) -> set[str]:
    shown = [item for item in command.params if isinstance(item, click.Option) and not item.hidden]
    return {name for item in shown for name in (*item.opts, *item.secondary_opts)}


def sections() -> dict[str, tuple[str, str]]:
    """Command -> (its arguments, its section)."""
    text = PAGE.read_text(encoding="utf-8")
    found = {}
    for match in HEADING.finditer(text):
        end = re.search(r"^##", text[match.end() :], re.MULTILINE)
        body = text[match.end() :] if end is None else text[match.end() : match.end() + end.start()]
        found[match[1]] = (match[2].strip(), body)
    return found


def test_every_command_has_a_section() -> None:
    assert set(sections()) == {*own_commands(), "new"}  # which coco-testing brings


@pytest.mark.parametrize("name", own_commands())
def test_flags_and_arguments_are_those_of_the_command(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    arguments, text = sections()[name]
    assert options_in(text) == options_of(command)
    usage = command.collect_usage_pieces(click.Context(command, info_name=name))
    assert arguments.split() == [piece for piece in usage if piece != "[OPTIONS]"]


def test_global_options() -> None:
    top = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[0]
    assert options_in(top) == options_of(cli) | {"--help"}


def test_exit_codes() -> None:
    part = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", part, re.MULTILINE) == [
        "0",
        "1",
        "2",
        str(INTERRUPTED),
        str(TERMINATED),
    ]


def test_a_missing_flag_is_found() -> None:
    assert options_in("| `-q`, `--quiet` | say less |\n| `--json` | |") == {"-q", "--quiet", "--json"}
