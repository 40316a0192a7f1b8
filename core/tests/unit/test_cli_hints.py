"""Commands in messages can be copied and run."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from coco.cli.hints import remember_app, runnable


def within(specifier: str | None, text: str) -> str:
    """``runnable`` in a command about an app."""

    @click.group()
    def group() -> None: ...

    @group.command()
    def inner() -> None:
        if specifier is not None:
            remember_app(specifier)
        click.echo(runnable(text), nl=False)

    return CliRunner().invoke(group, ["inner"]).output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run `coco update`", "run `coco update main.py:Notes`"),
        ("`coco update --reexport`, then", "`coco update --reexport main.py:Notes`, then"),
        ("`coco verify --repair APP`", "`coco verify --repair main.py:Notes`"),
        ("`coco setup APP` or flow.setup()", "`coco setup main.py` or flow.setup()"),
        ("`coco drop APP Old`", "`coco drop main.py Old`"),
        ("`coco drop` and `coco errors`", "`coco drop main.py` and `coco errors main.py:Notes`"),
        ("`coco update other.py`", "`coco update other.py`"),
        ("`coco plugins -v` and `coco apply FILE`", "`coco plugins -v` and `coco apply FILE`"),
        ("APPLE and APP stay, as does `pip install x`", "APPLE and APP stay, as does `pip install x`"),
    ],
)
def test_commands_are_completed(text: str, expected: str) -> None:
    assert within("main.py:Notes", text) == expected


@pytest.mark.parametrize("call", [lambda text: within(None, text), runnable])
def test_without_an_app_nothing_changes(call: Callable[[str], str]) -> None:
    assert call("run `coco update`") == "run `coco update`"


def test_odd_paths_stay_as_they_are() -> None:
    assert within(r"dir\1/a b.py", "`coco update APP`") == r"`coco update dir\1/a b.py`"
