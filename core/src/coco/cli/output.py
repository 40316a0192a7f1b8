"""What commands share of talking to the user: results to stdout, the rest to stderr.

All text goes through ``say``, which writes control characters as escapes: keys, paths and messages come from outside.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from coco.cli.streams import document_wanted, write_json
from coco.printable import printable_lines

QUESTION = "Changes need to be pushed. Continue? [yes/N]"


def say(text: str, *, err: bool = False, **style: Any) -> None:
    """Print lines for people, as a result or (``err``) as a remark. ``style``: as for ``click.style``."""
    shown = printable_lines(text)
    say_styled(click.style(shown, **style) if style else shown, err=err)


def say_styled(text: str, *, err: bool = False, nl: bool = True) -> None:
    """The same for text that is safe already and may hold our own codes; they are left out where no terminal is."""
    stream = sys.stderr if err or document_wanted() else sys.stdout
    if stream is not None:  # None: the stream is closed
        # click would choose an encoding of its own for a stream that says ASCII, unless it is named.
        click.echo(text, file=stream, nl=nl)


def note(text: str) -> None:
    """A remark for people, on standard error."""
    say(text, err=True)


def print_json(data: Any) -> None:
    """A result for programs: the one JSON document of a command, on standard output."""
    write_json(data)


def is_interactive() -> bool:
    """Whether standard input is a terminal, so that a question can be answered."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(pending: str, way_out: str) -> None:
    """Ask before pending changes are made. An answer other than yes ends the command with exit code 1.

    Without a terminal the command fails. pending: the changes, for the message. way_out: what to call instead.
    """
    if not is_interactive():
        fail(
            f"nothing was done: there is no terminal to ask on whether to push these changes: {pending}. {way_out}"
        )
    ask(QUESTION)


def ask(question: str) -> None:
    """Ask for yes or no on standard error; the default is no, which ends the command with exit code 1."""
    if not click.confirm(question, show_default=False, prompt_suffix=" ", err=True):
        fail("Nothing was done.")


def fail(text: str) -> NoReturn:
    """End with exit code 1 and a message."""
    raise click.ClickException(text)


def finish(ok: bool) -> None:
    """End with exit code 0 or 1; everything has been said."""
    if not ok:
        click.get_current_context().exit(1)
