"""Errors as the user sees them: one message, and the place in the user's code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TextIO

import click

from coco.cli.hints import runnable
from coco.cli.output import say
from coco.cli.streams import note_failure
from coco.errors import TRACEBACK_VARIABLE, CocoError, wants_tracebacks

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def _ask_for_tracebacks(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Set the variable for the time of the command, so that the engine's log and child processes see it too."""
    if not value or context.resilient_parsing:
        return
    before = os.environ.get(TRACEBACK_VARIABLE)
    os.environ[TRACEBACK_VARIABLE] = "1"

    def restore() -> None:
        if before is None:
            os.environ.pop(TRACEBACK_VARIABLE, None)
        else:
            os.environ[TRACEBACK_VARIABLE] = before

    context.find_root().call_on_close(restore)


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_ask_for_tracebacks,
    help="Show whole tracebacks of failures.",
)
"""``-v`` of commands that run the user's code."""


def report(error: Exception) -> None:
    """Print an error to standard error.

    Of an error that coco raises, print its message. Other errors come from user code, a plugin or a fault of coco: print
    the place too.
    """
    note_failure(type(error).__name__, message_with_place(error))
    if wants_tracebacks():
        from coco.ops.error_text import traceback_text

        say(traceback_text(error), err=True)
        return
    text = message(error)
    lines = [f"Error: {text}", *user_frames(error)]
    if isinstance(error, CocoError):
        cause = error.__cause__
        if cause is not None and not isinstance(cause, CocoError):
            lines += [line for line in user_frames(cause) if line.strip() not in text]
    else:
        lines += hiding_files(error) or (
            ["  (-v or COCO_TRACEBACK=1 shows where)"] if len(lines) == 1 else []
        )
    say("\n".join(lines), err=True)


def message(error: BaseException) -> str:
    """An error's text, then its contexts from the inside out and its notes; a bare ``SyntaxError`` with its line.

    Commands in the text are complete: the user can copy and run them.
    """
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).strip()
    text = str(error) or type(error).__name__
    if not isinstance(error, CocoError) and text != type(error).__name__:
        text = f"{type(error).__name__}: {text}"
    from coco.ops.error_text import masked

    return runnable(masked("\n".join([text, *_remarks(error)])))


def hiding_files(error: BaseException) -> list[str]:
    """Advice for an unexpected error: files in the folder of apps that hide a module of the standard library.

    Code that imports the module gets the file, and may then fail anywhere.
    """
    if not isinstance(error, (ImportError, AttributeError, TypeError, NameError)):
        return []
    folder = sys.path[0] if sys.path else ""
    try:
        names = sorted(os.listdir(folder or os.curdir))
    except OSError:
        return []
    hiding = [name for name in names if name.endswith(".py") and name[:-3] in sys.stdlib_module_names]
    return [
        f"  {name} in {folder or os.getcwd()} has the name of a module of Python's standard library and is imported in its "
        "place, which may be the cause: give it another name"
        for name in hiding
    ]


def message_with_place(error: BaseException) -> str:
    """The message with the innermost line of the user's code, for output without a traceback."""
    from coco.ops.error_text import place_of

    text = message(error)
    place = place_of(error) or (place_of(error.__cause__) if error.__cause__ is not None else "")
    return text if not place or place in text else f"{text}\n  {place}"


def _remarks(error: BaseException) -> list[str]:
    """The contexts of an error from the inside out, then its notes."""
    found = [*getattr(error, "__coco_contexts__", ()), *getattr(error, "__notes__", ())]
    return [f"  {text}" for text in dict.fromkeys(found)]


def user_frames(error: BaseException) -> list[str]:
    """The traceback without frames of coco, click, the standard library and installed packages."""
    from coco.ops.error_text import user_frames as frames_of

    return [f"  {frame}" for frame in frames_of(error)]


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a Python warning: its text, and the place unless that is in coco."""
    where = "" if filename.startswith(_PACKAGE) else f" ({filename}:{lineno})"
    say(f"WARNING: {message}{where}", err=True)
