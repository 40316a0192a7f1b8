"""Generates the source of functions, compiles each text once, and keeps it for tracebacks."""

from __future__ import annotations

import functools
import itertools
import keyword
import linecache
import re
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from coco.errors import ValueConversionError
from coco.types.mismatch import Path


class FunctionWriter:
    """Collects the lines of a function of one argument, and the objects that they name."""

    def __init__(self, title: str) -> None:
        self._title = title if len(title) <= 80 else f"{title[:77]}..."
        self._lines: list[str] = []
        self._depth = 1
        self._counter = itertools.count(1)
        self._objects: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add ``head``, and indent the lines that are added within the context."""
        self.line(head)
        self._depth += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    def fresh(self, hint: str) -> str:
        """Return an unused variable name."""
        return f"{_identifier(hint)}_{next(self._counter)}"

    def name(self, value: Any, hint: str) -> str:
        """Return the name under which the function can use an object. The same object always has the same name."""
        known = self._names.get(id(value))
        if known is None:
            known = self.fresh(f"{hint}_")
            self._objects[known] = value  # holds the object, so its id stays its own
            self._names[id(value)] = known
        return known

    @contextmanager
    def loop(self, values: str, path: Path) -> Iterator[tuple[str, str]]:
        """Write a loop over ``values``; yields the names of its item and of a result list.

        The body must append one entry per item to the list, because its length gives the position in the path of a
        ``ValueConversionError``.
        """
        item, out = self.fresh("item"), self.fresh("out")
        self.line(f"{out} = []")
        with self.block("try:"), self.block(f"for {item} in {values}:"):
            yield item, out
        with self.block(f"except {self.name(ValueConversionError, 'ValueConversionError')} as error:"):
            self.line(f"raise error.under(*{path!r}, f'[{{len({out})}}]') from None")

    def build(self, argument: str) -> Callable[[Any], Any]:
        """Return the function. Functions with the same text share their code object."""
        name = _identifier(self._title)
        source = f"def {name}({argument}):\n" + "\n".join(self._lines) + "\n"
        filename, code = _compiled(self._title, source)
        scope: dict[str, Any] = dict(self._objects)
        exec(code, scope)
        function = scope[name]
        assert isinstance(function, types.FunctionType)
        function.__module__ = __name__
        function.__doc__ = f"Generated: see {filename} in linecache."
        return function


_IDENTIFIER = re.compile(r"\W+")


def _identifier(text: str) -> str:
    name = _IDENTIFIER.sub("_", text)
    return name if name.isidentifier() else f"_{name}"


def is_plain_name(name: str) -> bool:
    """Return whether ``name`` can be an attribute or a keyword argument in source text."""
    return name.isidentifier() and not keyword.iskeyword(name)


@functools.lru_cache(maxsize=4096)
def _compiled(title: str, source: str) -> tuple[str, types.CodeType]:
    """Return the code object and its file name, ``<coco encode Foo>``, with a number if several types are named Foo."""
    for number in itertools.count(1):
        filename = f"<coco {title}>" if number == 1 else f"<coco {title} #{number}>"
        known = linecache.cache.get(filename)
        # linecache never checks an entry without a modification time against a file.
        entry = (len(source), None, [f"{line}\n" for line in source.removesuffix("\n").split("\n")], filename)
        if known is None or known == entry:
            linecache.cache[filename] = entry
            return filename, compile(source, filename, "exec")
    raise AssertionError("unreachable")
