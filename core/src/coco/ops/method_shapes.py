"""How the methods of a class can be called: read off their code objects, which is quick."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any, NamedTuple

from coco.ops.methods import Method

_VARIADIC = inspect.CO_VARARGS
_COROUTINE = inspect.CO_COROUTINE
_GENERATOR = inspect.CO_GENERATOR
_ASYNC_GENERATOR = inspect.CO_ASYNC_GENERATOR


class Found(NamedTuple):
    """A method as a class has it. value: as it stands in the class; function: what is called, if it is plain Python."""

    value: Any
    function: Any
    bound: bool
    """Whether the first parameter is filled in by Python, with the instance or the class."""


class Shape(NamedTuple):
    """How many arguments a callable takes by position, and what it cannot do without."""

    names: tuple[str, ...]
    """Of the parameters that take arguments by position, in order; without ``self``."""
    fewest: int
    variadic: str | None
    keywords: tuple[str, ...]
    """Parameters that have to be given by name."""

    def takes(self, count: int) -> bool:
        return self.fewest <= count and (self.variadic is not None or count <= len(self.names))


def public_members(cls: type) -> dict[str, tuple[Any, type]]:
    """What a class and its bases define: name -> (value, nearest owner). Without coco's protocols."""
    found: dict[str, tuple[Any, type]] = {}
    for owner in cls.__mro__:
        if owner is object or is_protocol(owner):
            continue
        for name, value in vars(owner).items():
            if name[0] != "_":
                found.setdefault(name, (value, owner))
    return found


def is_protocol(cls: type) -> bool:
    """Whether a class is one of the protocols of ``coco.op``, whose methods are promises and do nothing."""
    return cls.__module__.startswith("coco.ops.") and bool(cls.__dict__.get("_is_protocol", False))


def wrong_kind(method: Method, flags: int) -> str:
    """Why a method must not be async, or must not have a ``yield``; empty if it may be what it is."""
    streams = method.returns.startswith("AsyncIterable")
    if streams and flags & _COROUTINE:
        return "it must be an async generator, and has no `yield`"
    if not method.waits and not streams and flags & (_COROUTINE | _ASYNC_GENERATOR):
        return "it must not be async: coco calls it where nothing can wait"
    gives_many = method.returns.startswith(("Iterable", "Listing", "AsyncIterable", "Any"))
    if flags & (_GENERATOR | _ASYNC_GENERATOR) and not gives_many:
        return "it must have no `yield`: a call of it does nothing"
    if flags & _ASYNC_GENERATOR and method.returns.startswith("Iterable"):
        return "it must return what it gives at once: it must not be an async generator"
    return ""


def found_in(value: Any) -> Found:
    """A method from how it stands in a class."""
    if isinstance(value, (staticmethod, classmethod)):
        function = value.__func__
        plain = function if isinstance(function, types.FunctionType) else None
        return Found(value, plain, isinstance(value, classmethod))
    if isinstance(value, types.FunctionType):
        return Found(value, value, True)
    return Found(value, None, isinstance(value, functools.partialmethod))


def shape_of(value: Any, found: Found, cls: type, name: str) -> Shape | None:
    """What a method takes; None if Python does not know."""
    function: Any = found.function
    if function is not None and not hasattr(function, "__signature__"):
        return shape_of_code(function, bound=found.bound)
    try:
        parameters = list(inspect.signature(getattr(cls, name)).parameters.values())
    except (TypeError, ValueError):
        return None
    if found.bound and not isinstance(value, classmethod):
        parameters = parameters[1:]
    positional = [
        item for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
    ]
    return Shape(
        tuple(item.name for item in positional),
        sum(item.default is item.empty for item in positional),
        next((item.name for item in parameters if item.kind is item.VAR_POSITIONAL), None),
        tuple(
            item.name for item in parameters if item.kind is item.KEYWORD_ONLY and item.default is item.empty
        ),
    )


def shape_of_code(function: types.FunctionType, *, bound: bool) -> Shape:
    """The shape of a plain function. bound: without its first parameter."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    fewest = code.co_argcount - len(function.__defaults__ or ())
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    variadic = None
    if code.co_flags & _VARIADIC:
        variadic = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
    if bound and names:
        names, fewest = names[1:], max(fewest - 1, 0)
    return Shape(names, fewest, variadic, tuple(name for name in keywords if name not in given))


def count_for(method: Method, shape: Shape) -> int | None:
    """With how many arguments coco calls a method that has this shape; None if none of its ways fits."""
    parameters = method.parameters
    if parameters and parameters[0][0].startswith("*"):
        return 0 if shape.variadic is not None and not shape.names else None
    for count in (len(parameters), len(parameters) - method.optional):
        if shape.takes(count):
            return count
    return None


def needed_by_init(cls: type) -> list[str]:
    """What making an instance takes."""
    makers = ("__init__", "__new__")
    if type(cls) is type and all(getattr(cls, name) is getattr(object, name) for name in makers):
        return []  # inspect would parse the text of what is built in, for 2 ms
    return [
        item.name
        for item in inspect.signature(cls).parameters.values()
        if item.default is item.empty and item.kind not in (item.VAR_KEYWORD, item.VAR_POSITIONAL)
    ]
