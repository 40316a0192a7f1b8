"""Errors as a user sees them: one message, and where in the user's own code (CLI-12, CLI-21)."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import click

from coco.errors import CocoError

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def wants_traceback() -> bool:
    """Whether ``COCO_TRACEBACK`` asks for whole tracebacks."""
    return os.environ.get("COCO_TRACEBACK", "") not in ("", "0")


def report(error: Exception) -> None:
    """Print an error to standard error.

    One of coco's own is its message. Anything else was raised by user code or a plugin, or is a fault: where
    it happened is shown too.
    """
    if wants_traceback():
        traceback.print_exception(error)
        return
    lines = [f"Error: {message(error)}", *user_frames(error)]
    if isinstance(error, CocoError):
        cause = error.__cause__
        if cause is not None and not isinstance(cause, CocoError):
            lines += user_frames(cause)
    elif len(lines) == 1:
        lines.append("  (COCO_TRACEBACK=1 shows where)")
    click.echo("\n".join(lines), err=True)


def message(error: BaseException) -> str:
    """An error's text, then its contexts from the inside out; a bare ``SyntaxError`` with its line."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).strip()
    text = str(error) or type(error).__name__
    if not isinstance(error, CocoError) and text != type(error).__name__:
        text = f"{type(error).__name__}: {text}"
    return "\n".join([text, *(f"  {context}" for context in getattr(error, "__coco_contexts__", ()))])


def user_frames(error: BaseException) -> list[str]:
    """The traceback without the frames of coco, of click, of the standard library and of what is installed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return [f"  at {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames]


def _is_users(filename: str) -> bool:
    if filename.startswith(("<", _PACKAGE)):
        return False
    standard = os.path.dirname(os.__file__)
    return (
        not filename.startswith((standard, os.path.join(sys.prefix, "lib")))
        and "site-packages" not in filename
    )
