"""Commands that messages name, made ready to be run: with the app that this command is about."""

from __future__ import annotations

import re

import click

_KEY = "coco.app"
_COMMAND = re.compile(r"`coco (\w+)([^`]*)`")


def remember_app(specifier: str) -> None:
    """Note what the user named, ``app`` or ``app:flow``, for ``runnable``."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.find_root().meta[_KEY] = specifier


def runnable(text: str) -> str:
    """A message with its commands completed: ``coco update`` in backquotes becomes ``coco update main.py``.

    ``APP`` stands for the app where more follows. Without an app nothing changes.
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
    """What the command's manifest says its argument is. Plugins are not looked for on behalf of a message."""
    from coco.plugins.loader import known_command

    found = known_command(command)
    return "" if found is None else found.takes
