"""Completes commands in messages with the app of the current command, so that the user can copy and run them."""

from __future__ import annotations

import re

import click

_KEY = "coco.app"
_COMMAND = re.compile(r"`coco (\w+)([^`]*)`")


def remember_app(specifier: str) -> None:
    """Store the specifier of the command line, ``app`` or ``app:flow``, for ``runnable``."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.find_root().meta[_KEY] = specifier


def runnable(text: str) -> str:
    """A message with its commands completed: ``coco update`` in backquotes becomes ``coco update main.py``.

    ``APP`` in a command stands for the app. Without an app the text stays as it is.
    """
    context = click.get_current_context(silent=True)
    known = context.find_root().meta.get(_KEY) if context is not None else None
    return text if known is None else _COMMAND.sub(lambda match: _completed(match, known), text)


def _completed(match: re.Match[str], specifier: str) -> str:
    command, rest = match[1], match[2]
    app = specifier
    takes = _takes(command)
    if takes == "app":
        from coco.cli.apps import parse_specifier

        app = parse_specifier(specifier).app
    if re.search(r" APP\b", rest):
        rest = re.sub(r" APP\b", lambda _: f" {app}", rest)
    elif takes and all(item.startswith("-") for item in rest.split()):
        rest += f" {app}"
    return f"`coco {command}{rest}`"


def _takes(command: str) -> str:
    """The argument that a command's manifest declares. Does not search for plugins."""
    from coco.plugins.loader import known_command

    found = known_command(command)
    return "" if found is None else found.takes
