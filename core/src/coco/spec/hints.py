"""Resolves annotations one by one.

``typing.get_type_hints`` fails for a whole class if a single annotation names something that exists for type checkers
only. Here only that annotation stays unresolved.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any


class Unresolved:
    """An annotation that names something unknown at run time."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<unresolved {self.text!r}>"


def class_hints(cls: type, local_names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the annotations of a class and its bases, outermost base first, ``Annotated`` extras included."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = base.__dict__.get("__annotations__")
        if not isinstance(own, Mapping):
            own = getattr(base, "__annotations__", None) if base is not object else None
        if not own:
            continue
        names = {**vars(base), **(local_names or {})}
        module = sys.modules.get(base.__module__)
        hints.update(_resolve_all(own, getattr(module, "__dict__", {}), names))
    return hints


def callable_hints(
    function: Callable[..., Any], local_names: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the annotations of a function, ``return`` and ``Annotated`` extras included."""
    target = function
    while isinstance(target, (staticmethod, classmethod)):
        target = target.__func__
    inner = target
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    inner = getattr(inner, "__func__", inner)
    annotations = getattr(target, "__annotations__", None) or getattr(inner, "__annotations__", {})
    names = dict(local_names or {})
    names.update(_closure_names(inner))
    return _resolve_all(annotations, getattr(inner, "__globals__", {}), names)


def _closure_names(function: Any) -> dict[str, Any]:
    code = getattr(function, "__code__", None)
    found = {}
    for name, cell in zip(
        getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False
    ):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _resolve_all(
    annotations: Mapping[str, Any], global_names: dict[str, Any], local_names: Mapping[str, Any]
) -> dict[str, Any]:
    return {name: resolve(value, global_names, local_names) for name, value in annotations.items()}


def resolve(annotation: Any, global_names: dict[str, Any], local_names: Mapping[str, Any]) -> Any:
    """Return one annotation as an object; ``Unresolved`` if it names something that does not exist."""
    if annotation is None:
        return type(None)
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(
            holder, globalns=global_names, localns=dict(local_names), include_extras=True
        )["it"]
    except Exception as error:
        if not isinstance(annotation, str):
            # get_type_hints refuses an annotation that is not a type, such as a value. The analysis has a better message.
            return annotation if not isinstance(error, NameError) else Unresolved(repr(annotation))
        return Unresolved(annotation)
