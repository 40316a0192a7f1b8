"""Reproducible crashes at any line of a connector's code.

``Steps`` stops a call after a number of lines that ran in the connector's package. Python still runs its clean-up then.
``coco_testing.process`` kills a process, without clean-up.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

MOST_POINTS = 8


_BLOCKS = ("with ", "async with ", "try:", "finally:", "except")


class Died(BaseException):
    """Raised at the fatal line, and caught by ``Steps.wrap``. Not an ``Exception``, so that error handlers do not catch it."""


class Steps:
    """Counts lines that run in some packages, and ends the call at line ``fatal`` (None: never). ``done``: the count.

    struck: whether line ``fatal`` ran. end: called at that line. goes_on: continue the call after ``end``.
    """

    def __init__(
        self,
        packages: tuple[str, ...],
        fatal: int | None = None,
        end: Callable[[], None] | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        self.done = 0
        self.struck = False
        self._importing = 0
        self._counted: dict[str, bool] = {}
        self._packages = packages
        self._fatal = fatal
        self._end = end
        self._goes_on = goes_on

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a sync or async function. The wrapper returns None if the call was ended."""
        if inspect.iscoroutinefunction(function):

            async def dying(*args: Any) -> Any:
                with self._traced():
                    return await function(*args)

            return functools.wraps(function)(dying)

        def ending(*args: Any) -> Any:
            with self._traced():
                return function(*args)

        return ending

    @contextmanager
    def _traced(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        except BaseException:
            if self._goes_on or not self.struck:
                raise
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_name == "<module>":
            self._importing += 1
            return self._import
        name = frame.f_globals.get("__name__", "")
        if self.struck or self._importing:
            return None
        if name not in self._counted:
            self._counted[name] = any(name == item or name.startswith(f"{item}.") for item in self._packages)
        return self._step if self._counted[name] else None

    def _import(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Do not count lines of a module that is imported during a call: they run only once in a process."""
        if event == "return":
            self._importing -= 1
        return self._import

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and not self.struck and _may_die(frame.f_code.co_filename, frame.f_lineno):
            self.done += 1
            if self.done == self._fatal:
                self.struck = True
                if self._end is not None:
                    self._end()
                if not self._goes_on:
                    raise Died
        return self._step


@functools.cache
def _may_die(path: str, line: int) -> bool:
    """Whether the call may end here: not at the start or end of a block, where an exception would skip the release of locks."""
    return not linecache.getline(path, line).lstrip().startswith(_BLOCKS)


def packages_of(cls: type) -> tuple[str, ...]:
    """Packages of a class and of its bases."""
    modules = {item.__module__ for item in cls.__mro__ if item is not object}
    return tuple(sorted({name.rpartition(".")[0] or name for name in modules}))


def points(lines: int, most: int = MOST_POINTS) -> list[int]:
    """Numbers of the fatal lines: the first, the last, and some between them at equal distances."""
    count = min(most, lines)
    if count < 2:
        return list(range(1, lines + 1))
    return sorted({1 + round(place * (lines - 1) / (count - 1)) for place in range(count)})
