"""Commands that messages name, made ready to be run: with the app that this command is about."""

from __future__ import annotations

import re

import click

_KEY = "coco.app"
_COMMAND = re.compile(r"`coco (\w+)([^`]*)`")
_ABOUT_FLOWS = ("errors", "evaluate", "plan", "retry", "show", "update", "verify")
_ABOUT_APPS = ("drop", "setup")


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
    if command in _ABOUT_APPS:
        from coco.cli.apps import parse_specifier

        app = parse_specifier(specifier).app
    if re.search(r" APP\b", rest):
        rest = re.sub(r" APP\b", lambda _: f" {app}", rest)
    elif command in (*_ABOUT_FLOWS, *_ABOUT_APPS) and all(item.startswith("-") for item in rest.split()):
        rest += f" {app}"
    return f"`coco {command}{rest}`"
