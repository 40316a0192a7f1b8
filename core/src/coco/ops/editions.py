"""Finds out whether a definition replaces an earlier one: a notebook cell that runs again, or a module that is reloaded."""

from __future__ import annotations

import functools
import linecache
import os
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from msgspec import Struct


class Definition(Struct, frozen=True):
    """The place where a function was defined.

    name: the qualified name. code: the code object; None if there is none. text: the line at the time of the definition;
    empty if there is no source. cell: whether it belongs to an interactive session, such as a notebook.
    """

    module: str
    name: str
    file: str
    line: int
    text: str
    cell: bool
    code: CodeType | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.module

    def is_edition_of(self, first: Definition) -> bool:
        """Return whether this definition may replace ``first``.

        It may within one interactive session, and if a file was executed again: then the same place has another code object,
        or the first definition has moved. Code that runs twice, such as a helper that defines flows, replaces nothing.
        """
        if self.module != first.module:
            return False
        if self.cell and first.cell:
            return True
        if self.file != first.file or self.code is first.code:
            return False
        if not first.text and self.file.startswith("<"):
            return self.name == first.name
        return self.line == first.line or _line(first.file, first.line) != first.text


def definition_of(function: Callable[..., Any]) -> Definition:
    """Return the place where a function, or the class of a callable object, was defined."""
    plain = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    plain = getattr(plain, "__func__", plain)
    code = getattr(plain, "__code__", None)
    if not isinstance(code, CodeType):
        plain = type(plain).__call__ if callable(plain) else plain
        code = getattr(plain, "__code__", None)
    module = str(getattr(plain, "__module__", None) or "__main__")
    name = str(getattr(plain, "__qualname__", ""))
    if not isinstance(code, CodeType):
        return Definition(module, name, "", 0, "", False, None)
    file, line = code.co_filename, code.co_firstlineno
    cell = _is_interactive(module, file, getattr(plain, "__globals__", {}))
    return Definition(module, name, file, line, _line(file, line), cell, code)


def _is_interactive(module: str, file: str, names: dict[str, Any]) -> bool:
    """Return whether code is interactive: sessions of IPython have ``get_ipython``, and code at a prompt has no file."""
    if module == "__main__" and ("get_ipython" in names or (hasattr(sys, "ps1") and file.startswith("<"))):
        return True
    return file.startswith("<ipython-input") or os.path.basename(os.path.dirname(file)).startswith(
        "ipykernel_"
    )


def _line(file: str, line: int) -> str:
    linecache.checkcache(file)
    return linecache.getline(file, line).strip()
