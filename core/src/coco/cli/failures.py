"""Errors as a user sees them: one message, and where in the user's own code (CLI-12, CLI-21)."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TextIO

from coco.cli.hints import runnable
from coco.cli.output import say
from coco.cli.streams import note_failure
from coco.errors import CocoError
from coco.printable import printable

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def wants_traceback() -> bool:
    """Whether ``COCO_TRACEBACK`` asks for whole tracebacks."""
    return os.environ.get("COCO_TRACEBACK", "") not in ("", "0")


def report(error: Exception) -> None:
    """Print an error to standard error.

    One of coco's own is its message. Anything else was raised by user code or a plugin, or is a fault: where
    it happened is shown too.
    """
    note_failure(type(error).__name__, message(error))
    if wants_traceback():
        say("".join(traceback.format_exception(error)).rstrip("\n"), err=True)
        return
    lines = [f"Error: {message(error)}", *user_frames(error)]
    if isinstance(error, CocoError):
        cause = error.__cause__
        if cause is not None and not isinstance(cause, CocoError):
            lines += user_frames(cause)
    elif len(lines) == 1:
        lines.append("  (COCO_TRACEBACK=1 shows where)")
    say("\n".join(lines), err=True)


def message(error: BaseException) -> str:
    """An error's text, then its contexts from the inside out and its notes; a bare ``SyntaxError`` with its line.

    Commands in it can be run as they are.
    """
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).strip()
    text = str(error) or type(error).__name__
    if not isinstance(error, CocoError) and text != type(error).__name__:
        text = f"{type(error).__name__}: {text}"
    return runnable("\n".join([text, *_remarks(error)]))


def _remarks(error: BaseException) -> list[str]:
    """Where it happened, from the inside out, then what was said about it."""
    found = [*getattr(error, "__coco_contexts__", ()), *getattr(error, "__notes__", ())]
    return [f"  {text}" for text in dict.fromkeys(found)]


def user_frames(error: BaseException) -> list[str]:
    """The traceback without the frames of coco, of click, of the standard library and of what is installed."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    frames = zip(traceback.extract_tb(error.__traceback__), modules, strict=True)
    return [
        printable(f"  at {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}")
        for frame, module in frames
        if _is_users(frame.filename, module)
    ]


def _is_users(filename: str, module: str) -> bool:
    if filename.startswith(("<", _PACKAGE)):
        return False
    standard = os.path.dirname(os.__file__)
    if filename.startswith((standard, os.path.join(sys.prefix, "lib"))):
        return False
    from coco.ops.origin import distribution_of, is_installed_file

    # The second test is for packages that are installed in place.
    return not is_installed_file(filename) and (module == "" or distribution_of(module) is None)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What a Python warning looks like on the command line: its text, and where, if that is not within coco."""
    where = "" if filename.startswith(_PACKAGE) else f" ({filename}:{lineno})"
    say(f"WARNING: {message}{where}", err=True)
