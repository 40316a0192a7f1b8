"""Whether an annotation can hold what another one says. Where that cannot be told, it can."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Iterable
from typing import Any

from coco.spec.hints import Unresolved

_ASYNC = (collections.abc.Awaitable, collections.abc.Coroutine)
_NUMBERS: dict[type, tuple[type, ...]] = {int: (float, complex), float: (complex,)}
"""What type checkers take for one another."""


def fits(given: Any, wanted: Any) -> bool:
    """Whether every value of the annotation ``given`` is one of ``wanted``, as far as classes tell.

    Generic types are compared by their class alone: ``list[int]`` fits ``Sequence[str]``.
    """
    givens, wanteds = _members(given), _members(wanted)
    if givens is None or wanteds is None:
        return True
    return all(any(_class_fits(one, other) for other in wanteds) for one in givens)


def without_none(annotation: Any) -> Any:
    """The annotation without ``None``; itself if it is nothing else, or has none."""
    members = typing.get_args(annotation) if _is_union(annotation) else ()
    rest = tuple(item for item in members if item is not type(None))
    return typing.Union[rest] if len(rest) < len(members) and rest else annotation  # noqa: UP007


def awaited(annotation: Any) -> Any:
    """What awaiting gives, for an annotation that may be awaitable."""
    if _is_union(annotation):
        parts = tuple(awaited(item) for item in typing.get_args(annotation))
        return Any if any(item is Any for item in parts) else typing.Union[parts]  # noqa: UP007
    if typing.get_origin(annotation) in _ASYNC:
        arguments = typing.get_args(annotation)
        return arguments[-1] if arguments else Any
    return Any if annotation in _ASYNC else annotation


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _members(annotation: Any) -> list[type] | None:
    """The classes that an annotation allows; None if it allows what cannot be told."""
    if annotation is None:
        return [type(None)]
    origin = typing.get_origin(annotation)
    if _is_union(annotation):
        return _all(typing.get_args(annotation))
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return [type(item) for item in typing.get_args(annotation)]
    if annotation in (typing.NoReturn, typing.Never):
        return []
    if isinstance(annotation, typing.NewType):
        return _members(annotation.__supertype__)
    found = annotation if origin is None else origin
    if (
        isinstance(found, Unresolved)
        or not isinstance(found, type)
        or found is object
        or found is Any
        or getattr(found, "_is_protocol", False)
    ):
        return None
    return [found]


def _all(annotations: Iterable[Any]) -> list[type] | None:
    found: list[type] = []
    for item in annotations:
        members = _members(item)
        if members is None:
            return None
        found += members
    return found


def _class_fits(given: type, wanted: type) -> bool:
    if typing.is_typeddict(given):
        given = dict
    if typing.is_typeddict(wanted):
        wanted = dict
    try:
        return issubclass(given, wanted) or wanted in _NUMBERS.get(given, ())
    except TypeError:  # a class that cannot be asked
        return True
