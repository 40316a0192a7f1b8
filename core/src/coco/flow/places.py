"""Finds places in the user's code, and adds them to errors."""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from coco.errors import CallShapeError, DefinitionError, UnknownNameError
from coco.flow.graph import CodeLocation, DefinitionPlace

E = TypeVar("E", bound=Exception)

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def definition_place(function: Callable[..., Any]) -> DefinitionPlace | None:
    """Return the place of a function; None in a notebook, an interactive interpreter, or text that was executed."""
    while isinstance(function, functools.partial):
        function = function.func
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    if code is None or not os.path.isfile(code.co_filename):
        return None
    return DefinitionPlace(
        os.path.realpath(code.co_filename), getattr(inner, "__qualname__", type(inner).__qualname__)
    )


def caller_location() -> CodeLocation | None:
    """Return the innermost line on the stack that is not in coco itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_PACKAGE, "<coco ", "<frozen ")):
            line = frame.f_lineno
            return CodeLocation(_shown(file), line, linecache.getline(file, line).strip())
        frame = frame.f_back
    return None


def _shown(file: str) -> str:
    """Return a path relative to the working directory if it lies below it."""
    here = os.path.join(os.getcwd(), "")
    return file[len(here) :] if file.startswith(here) else file


def _brief(location: CodeLocation) -> str:
    return f"{os.path.basename(location.file)}:{location.line}"


def place(owner: str, *, scope: str = "", field: str = "", location: CodeLocation | None = None) -> str:
    """Return ``(flow Demo, scope documents.chunks, field embedding, at app.py:23)``, without parts that are unknown.

    owner: "flow Demo" or "transform flow ask". field: with its noun, such as "field embedding".
    """
    parts = [owner]
    if scope:
        parts.append(f"scope {scope}")
    if field:
        parts.append(field)
    if location is not None:
        parts.append(f"at {_brief(location)}")
    return f"({', '.join(parts)})"


class Locator:
    """Makes the errors of one flow's definition."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def text(self, message: str, *, scope: str = "", field: str = "", at: CodeLocation | None = None) -> str:
        location = at if at is not None else caller_location()
        return f"{message} {place(self.owner, scope=scope, field=field, location=location)}"

    def error(
        self, message: str, *, scope: str = "", field: str = "", at: CodeLocation | None = None
    ) -> DefinitionError:
        """Return a ``DefinitionError`` whose message ends with its place. ``at``: default is the caller's line."""
        return _located(DefinitionError(self.text(message, scope=scope, field=field, at=at)))

    def locating(self, *, scope: str = "", field: str = "", at: CodeLocation | None = None) -> Locating:
        """Return a context manager that adds a place to errors; see ``Locating``."""
        location = at if at is not None else caller_location()
        return Locating(place(self.owner, scope=scope, field=field, location=location))


class Locating:
    """Context manager that adds a place to errors.

    The place is added to the text of errors about definitions, names and call shapes. A plain ``ValueError`` becomes a
    ``DefinitionError``. All other errors get the place as a note.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or getattr(error, "__coco_located__", False):
            return
        if type(error) is ValueError:
            raise _located(DefinitionError(f"{error} {self._where}")) from error
        if type(error) in (DefinitionError, UnknownNameError, CallShapeError):
            raise _located(type(error)(f"{error} {self._where}")) from error
        if isinstance(error, DefinitionError):
            # A subclass may have its own constructor, so the text is set on the error itself.
            text = f"{error} {self._where}"
            error.args = (text,)
            if str(error) != text:  # its text does not come from its arguments
                raise _located(DefinitionError(text)) from error
            _located(error)
            return
        error.add_note(self._where)


def _located(error: E) -> E:
    """Mark an error whose message ends with its place."""
    error.__coco_located__ = True  # type: ignore[attr-defined]
    return error
