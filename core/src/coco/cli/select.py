"""Picking one of several names with the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence

import click

from coco.cli.output import say, say_styled
from coco.printable import printable

_UP = ("\x1b[A", "\x1bOA", "\xe0H", "\x00H", "k")
_DOWN = ("\x1b[B", "\x1bOB", "\xe0P", "\x00P", "j")


def select(title: str, names: Sequence[str]) -> str:
    """The name that the user picks: up, down, Enter. Ctrl-C and Escape raise ``click.Abort``. Needs a terminal."""
    chosen = 0
    say(title, bold=True, err=True)
    while True:
        for position, name in enumerate(names):
            mark = "> " if position == chosen else "  "
            say(mark + printable(name), fg="cyan" if position == chosen else None, err=True)
        key = click.getchar()
        if key in ("\r", "\n"):
            return names[chosen]
        if key in ("\x1b", "\x03", "\x04"):
            raise click.Abort
        if key in _UP:
            chosen = (chosen - 1) % len(names)
        elif key in _DOWN:
            chosen = (chosen + 1) % len(names)
        say_styled(f"\x1b[{len(names)}A\x1b[J", nl=False, err=True)
