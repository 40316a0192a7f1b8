"""Output of commands: results to stdout, everything else to stderr.

All text goes through ``say``, which escapes control characters: keys, paths and messages come from outside of coco.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from coco.cli.streams import document_wanted, write_json
from coco.printable import printable_lines

QUESTION = "Changes need to be pushed. Continue? [yes/N]"


def say(text: str, *, err: bool = False, **style: Any) -> None:
    """Print text, as a result or (``err``) as a remark. ``style``: as for ``click.style``."""
    shown = printable_lines(text)
    say_styled(click.style(shown, **style) if style else shown, err=err)


def say_styled(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that is escaped already and may contain our own colour codes; without a terminal they are removed."""
    stream = sys.stderr if err or document_wanted() else sys.stdout
    if stream is not None:  # None: the stream is closed
        # click would choose another encoding for a stream with ASCII, unless the stream is passed.
        click.echo(text, file=stream, nl=nl)


def note(text: str) -> None:
    """Print a remark to standard error."""
    say(text, err=True)


def print_json(data: Any) -> None:
    """Print the JSON document of a command to standard output."""
    write_json(data)


def is_interactive() -> bool:
    """Whether standard input is a terminal, so that a question can be answered."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(pending: str, way_out: str) -> None:
    """Ask before pending changes are made. An answer other than yes ends the command with exit code 1.

    Without a terminal the command fails. pending: the changes, for the message. way_out: what to do instead.
    """
    if not is_interactive():
        fail(
            f"nothing was done: these changes need a confirmation, and there is no terminal to ask: {pending}. {way_out}"
        )
    ask(QUESTION)


def ask(question: str) -> None:
    """Ask for yes or no on standard error; the default is no, which ends the command with exit code 1."""
    if not click.confirm(question, show_default=False, prompt_suffix=" ", err=True):
        fail("Nothing was done.")


def fail(text: str) -> NoReturn:
    """End the command with exit code 1 and a message."""
    raise click.ClickException(text)


def finish(ok: bool) -> None:
    """End the command with exit code 0 or 1 and no message."""
    if not ok:
        click.get_current_context().exit(1)
