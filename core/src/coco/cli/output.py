"""What commands share of talking to the user: results to stdout, the rest to stderr (CLI-15, CLI-17)."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

QUESTION = "Changes need to be pushed. Continue? [yes/N]"


def note(text: str) -> None:
    """A remark for people, on standard error."""
    click.echo(text, err=True)


def print_json(data: Any) -> None:
    """A result for programs: one JSON document on standard output."""
    import json

    click.echo(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False))


def is_interactive() -> bool:
    """Whether someone is there to answer a question."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(force: bool) -> None:
    """Ask before something is changed. Anything but yes ends the command with exit code 1; nothing was done."""
    if force:
        return
    if not is_interactive():
        fail("Changes need to be pushed, and there is no terminal to ask on: nothing was done. Use --force.")
    answer = click.prompt(QUESTION, default="", show_default=False, prompt_suffix=" ", err=True)
    if answer.strip().lower() not in ("y", "yes"):
        fail("Nothing was done.")


def fail(text: str) -> NoReturn:
    """End with exit code 1 and a message."""
    raise click.ClickException(text)


def finish(ok: bool) -> None:
    """End with exit code 0 or 1; everything has been said."""
    if not ok:
        click.get_current_context().exit(1)
