"""Checks the values of a spec's fields against their annotations.

This module makes a small closure for each common annotation. Only an annotation with constraints of pydantic imports
pydantic, and only when the first spec with it is made. Checks are strict: ``True`` is not an int, and ``"5"`` is not a
number. An int fits a float field and a tuple fits a list field. Both are converted, so that equal specs have equal
stored forms.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import types
import typing
from collections.abc import Callable
from typing import Any

from coco.auth_registry import AuthEntryReference, TransientAuthEntryReference
from coco.spec.hints import Unresolved

Path = tuple[str, ...]
Checker = Callable[[Any, Path], Any]

_NONE = type(None)


class Mismatch(Exception):
    """A value does not fit its annotation.

    ``path`` starts at the field. Of several alternatives of a union, the message of a ``specific`` one is shown.
    """

    def __init__(self, expected: str, got: str, path: Path, *, specific: bool = False) -> None:
        super().__init__(expected, got, path)
        self.specific = specific
        self.expected = expected
        self.got = got
        self.path = path


def anything(value: Any, path: Path) -> Any:
    """Accept any value."""
    return value


def describe_value(value: Any) -> str:
    """Return the name of a value's type for messages. The value itself may be a secret and is never shown."""
    return "None" if value is None else type(value).__name__


def describe_type(annotation: Any) -> str:
    """Return an annotation as users write it."""
    if annotation is _NONE or annotation is None:
        return "None"
    if typing.get_origin(annotation) is typing.Annotated:
        return describe_type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(describe_type(arg) for arg in typing.get_args(annotation))
    args = typing.get_args(annotation)
    if isinstance(annotation, type) and not args:
        return annotation.__name__
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and args:
        return f"{origin.__name__}[{', '.join('...' if arg is Ellipsis else describe_type(arg) for arg in args)}]"
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


def compile_checker(annotation: Any) -> Checker:
    """Return a function that returns the value, converted where that is needed, or raises ``Mismatch``."""
    if annotation is Any or annotation is object or isinstance(annotation, (Unresolved, typing.TypeVar)):
        return anything
    if isinstance(annotation, typing.NewType):
        return compile_checker(annotation.__supertype__)
    if type(annotation).__name__ == "TypeAliasType":
        return compile_checker(annotation.__value__)
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Annotated:
        if any(_is_constraint(mark) for mark in args[1:]):
            return _pydantic_checker(annotation)
        return compile_checker(args[0])
    if origin is typing.Union or origin is types.UnionType:
        return _union_checker(annotation, args)
    if origin is typing.Literal:
        return _literal_checker(args)
    if origin is not None and isinstance(origin, type):
        return _generic_checker(annotation, origin, args)
    if annotation is None or isinstance(annotation, type):
        return _class_checker(_NONE if annotation is None else annotation)
    return _pydantic_checker(annotation)


def _is_constraint(mark: Any) -> bool:
    module = type(mark).__module__ or ""
    return module.split(".", 1)[0] in ("pydantic", "annotated_types") or hasattr(
        mark, "__get_pydantic_core_schema__"
    )


def _fail(annotation: Any, value: Any, path: Path) -> Mismatch:
    return Mismatch(describe_type(annotation), describe_value(value), path)


def _class_checker(cls: type) -> Checker:
    if cls is float:
        return _check_float
    if cls in (list, dict, tuple, set, frozenset):
        return _generic_checker(cls, cls, ())
    if cls is type:
        return _check_type
    if issubclass(cls, TransientAuthEntryReference):
        return _reference_checker(cls)
    exact = cls in (int, str, bytes) and not issubclass(cls, enum.Enum)
    no_bool = cls is int
    no_datetime = cls is datetime.date

    def check(value: Any, path: Path) -> Any:
        fits = isinstance(value, cls)
        if fits and exact and isinstance(value, enum.Enum):
            fits = False
        if (
            not fits
            or (no_bool and isinstance(value, bool))
            or (no_datetime and isinstance(value, datetime.datetime))
        ):
            raise _fail(cls, value, path)
        return value

    return check


def _check_float(value: Any, path: Path) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _fail(float, value, path)
    return float(value)


def _check_type(value: Any, path: Path) -> Any:
    if not isinstance(value, type) and typing.get_origin(value) is None:
        raise _fail(type, value, path)
    return value


def _reference_checker(cls: type) -> Checker:
    stable = issubclass(cls, AuthEntryReference)

    def check(value: Any, path: Path) -> Any:
        if isinstance(value, cls):
            return value
        if stable and isinstance(value, TransientAuthEntryReference):
            raise Mismatch(
                "an AuthEntryReference, whose key names the backend across runs (coco.add_auth_entry)",
                "a TransientAuthEntryReference",
                path,
                specific=True,
            )
        call = "add_auth_entry" if stable else "add_transient_auth_entry"
        raise Mismatch(f"an auth reference (coco.{call})", describe_value(value), path)

    return check


def _union_checker(annotation: Any, args: tuple[Any, ...]) -> Checker:
    checkers = [compile_checker(arg) for arg in args]

    def check(value: Any, path: Path) -> Any:
        converted: list[Any] = []
        deepest: Mismatch | None = None
        for checker in checkers:
            try:
                result = checker(value, path)
            except Mismatch as error:
                if deepest is None or error.specific or len(error.path) > len(deepest.path):
                    deepest = error
                continue
            if result is value:
                return result
            converted.append(result)
        if converted:
            return converted[0]
        if deepest is not None and (deepest.specific or len(deepest.path) > len(path)):
            raise deepest
        raise _fail(annotation, value, path)

    return check


def _literal_checker(args: tuple[Any, ...]) -> Checker:
    expected = " or ".join(map(repr, args))

    def check(value: Any, path: Path) -> Any:
        if any(type(value) is type(arg) and value == arg for arg in args):
            return value
        got = repr(value) if isinstance(value, str) and len(value) < 40 else describe_value(value)
        raise Mismatch(expected, got, path)

    return check


def _generic_checker(annotation: Any, origin: type, args: tuple[Any, ...]) -> Checker:
    if origin is type:
        return _check_type
    if issubclass(origin, TransientAuthEntryReference):
        return _reference_checker(origin)
    if issubclass(origin, collections.abc.Mapping):
        return _mapping_checker(annotation, args)
    if origin is tuple and args and not (len(args) == 2 and args[1] is Ellipsis):
        return _fixed_tuple_checker(annotation, args)
    if issubclass(origin, collections.abc.Callable):  # type: ignore[arg-type]
        return _callable_checker(annotation)
    if issubclass(origin, collections.abc.Iterable):
        return _items_checker(annotation, origin, args)
    return _class_checker(origin)


def _callable_checker(annotation: Any) -> Checker:
    def check(value: Any, path: Path) -> Any:
        if not callable(value):
            raise _fail(annotation, value, path)
        return value

    return check


def _items_checker(annotation: Any, origin: type, args: tuple[Any, ...]) -> Checker:
    element = compile_checker(args[0]) if args else anything
    as_set = issubclass(origin, collections.abc.Set)
    accepted: tuple[type, ...] = (set, frozenset) if as_set else (list, tuple)

    def check(given: Any, path: Path) -> Any:
        if not isinstance(given, accepted):
            raise _fail(annotation, given, path)
        value: Any = given
        if as_set:
            return type(value)(element(item, (*path, "[...]")) for item in value)
        items = [element(item, (*path, f"[{index}]")) for index, item in enumerate(value)]
        kinds: dict[Any, Any] = {list: list, tuple: tuple}
        wanted = kinds.get(origin, type(value))
        same = type(value) is wanted and all(a is b for a, b in zip(items, value, strict=True))
        return value if same else wanted(items)

    return check


def _fixed_tuple_checker(annotation: Any, args: tuple[Any, ...]) -> Checker:
    elements = [compile_checker(arg) for arg in args]

    def check(value: Any, path: Path) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _fail(annotation, value, path)
        if len(value) != len(elements):
            raise Mismatch(f"{len(elements)} items", f"{len(value)} items", path)
        items = tuple(
            checker(item, (*path, f"[{index}]"))
            for index, (checker, item) in enumerate(zip(elements, value, strict=True))
        )
        return (
            value
            if isinstance(value, tuple) and all(a is b for a, b in zip(items, value, strict=True))
            else items
        )

    return check


def _mapping_checker(annotation: Any, args: tuple[Any, ...]) -> Checker:
    key_checker = compile_checker(args[0]) if args else anything
    item_checker = compile_checker(args[1]) if args else anything

    def check(value: Any, path: Path) -> Any:
        if not isinstance(value, collections.abc.Mapping):
            raise _fail(annotation, value, path)
        items = {
            key_checker(key, (*path, str(key))): item_checker(item, (*path, str(key)))
            for key, item in value.items()
        }
        same = all(items.get(key, key) is item for key, item in value.items()) and len(items) == len(value)
        return value if same else items

    return check


def _pydantic_checker(annotation: Any) -> Checker:
    try:
        import pydantic
    except ImportError:  # without pydantic, constraints are not checked; types of plain fields still are
        return anything
    try:
        adapter: Any = pydantic.TypeAdapter(
            annotation, config=pydantic.ConfigDict(arbitrary_types_allowed=True)
        )
    except pydantic.PydanticUserError:  # a class that brings its own configuration
        adapter = pydantic.TypeAdapter(annotation)

    def check(value: Any, path: Path) -> Any:
        try:
            return adapter.validate_python(value, strict=True)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            inner = tuple(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"])
            raise Mismatch(
                f"{describe_type(annotation)} ({first['msg']})", describe_value(value), (*path, *inner)
            ) from None

    return check
