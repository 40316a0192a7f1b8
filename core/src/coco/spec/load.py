"""Makes objects of a given type from plain data: the implementation of ``load_engine_object``."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import math
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

from coco.auth_registry import AuthEntryReference, TransientAuthEntryReference
from coco.errors import StoredValueError, format_path
from coco.secrets import SecretRef
from coco.spec.hints import Unresolved, class_hints

_NONE = type(None)


def load(type_: Any, data: Any, path: tuple[str, ...]) -> Any:
    """``data`` as ``type_``; see ``load_engine_object``."""
    if type_ is Any or isinstance(type_, (Unresolved, typing.TypeVar)):
        return data
    if type_ is None or type_ is _NONE:
        if data is not None:
            raise _misfit("null", data, path)
        return None
    if isinstance(type_, typing.NewType):
        return load(type_.__supertype__, data, path)
    if type(type_).__name__ == "TypeAliasType":
        return load(type_.__value__, data, path)
    origin = typing.get_origin(type_)
    args = typing.get_args(type_)
    if origin is typing.Annotated:
        return load(args[0], data, path)
    if origin is typing.Literal:
        if any(data == arg and type(data) is type(arg) for arg in args):
            return data
        raise _misfit(" or ".join(map(repr, args)), data, path)
    if origin is typing.Union or origin is types.UnionType:
        return _load_union(args, data, path)
    if origin is not None:
        return _load_generic(origin, args, data, path)
    if isinstance(type_, type):
        return _load_class(type_, data, path)
    raise _misfit(str(type_), data, path)


def _load_union(args: tuple[Any, ...], data: Any, path: tuple[str, ...]) -> Any:
    if set(args) == _schema_union():
        from coco.types.schema import decode_engine_value_type

        return decode_engine_value_type(data)
    if data is None and _NONE in args:
        return None
    rest = [arg for arg in args if arg is not _NONE]
    for arg in rest:  # an exact scalar first, so that 1 in `float | int` stays an int
        if arg is type(data):
            return load(arg, data, path)
    if isinstance(data, dict):
        rest.sort(key=lambda arg: -_known_fields(arg, data))
    errors = []
    for arg in rest:
        try:
            return load(arg, data, path)
        except (ValueError, TypeError) as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    raise _misfit(" | ".join(getattr(arg, "__name__", str(arg)) for arg in args), data, path)


def _schema_union() -> set[Any]:
    from coco.types.schema import BasicValueType, StructType, TableType

    return {BasicValueType, StructType, TableType}


def _known_fields(arg: Any, data: dict[str, Any]) -> int:
    if not dataclasses.is_dataclass(arg):
        return 0
    return sum(item.name in data for item in dataclasses.fields(arg))


def _load_generic(origin: Any, args: tuple[Any, ...], data: Any, path: tuple[str, ...]) -> Any:
    if isinstance(origin, type):
        if issubclass(origin, TransientAuthEntryReference):
            return _load_class(origin, data, path)
        if issubclass(origin, collections.abc.Mapping):
            if not isinstance(data, collections.abc.Mapping):
                raise _misfit("a dict", data, path)
            key_type = args[0] if args else str
            return {
                load(key_type, key, (*path, str(key))): load(
                    args[1] if args else Any, item, (*path, str(key))
                )
                for key, item in data.items()
            }
        if origin is tuple:
            return _load_tuple(args, data, path)
        if issubclass(origin, collections.abc.Collection):
            items = [load(args[0], item, (*path, f"[{i}]")) for i, item in enumerate(_items(data, path))]
            if issubclass(origin, collections.abc.Set):
                return set(items) if origin is set else frozenset(items)
            return items
        return _load_class(origin, data, path)
    raise _misfit(str(origin), data, path)


def _load_tuple(args: tuple[Any, ...], data: Any, path: tuple[str, ...]) -> tuple[Any, ...]:
    items = _items(data, path)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(load(args[0], item, (*path, f"[{i}]")) for i, item in enumerate(items))
    if len(items) != len(args):
        raise _misfit(f"{len(args)} items", data, path)
    return tuple(
        load(arg, item, (*path, f"[{i}]")) for i, (arg, item) in enumerate(zip(args, items, strict=True))
    )


def _items(data: Any, path: tuple[str, ...]) -> list[Any]:
    if not isinstance(data, (list, tuple)):
        raise _misfit("a list", data, path)
    return list(data)


_PARSERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    datetime.datetime: ("an ISO date and time", datetime.datetime.fromisoformat),
    datetime.date: ("an ISO date", datetime.date.fromisoformat),
    datetime.time: ("an ISO time", datetime.time.fromisoformat),
    datetime.timedelta: ("seconds", lambda seconds: datetime.timedelta(seconds=seconds)),
    uuid.UUID: ("a UUID", uuid.UUID),
}

_NON_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def _load_class(cls: type, data: Any, path: tuple[str, ...]) -> Any:
    if cls is float:
        if data in _NON_FINITE and isinstance(data, str):
            return _NON_FINITE[data]
        if isinstance(data, (int, float)) and not isinstance(data, bool):
            return float(data)
        raise _misfit("a number", data, path)
    if cls in (bool, int, str):
        if type(data) is not cls:
            raise _misfit(cls.__name__, data, path)
        return data
    if cls in _PARSERS:
        expected, parse = _PARSERS[cls]
        try:
            return parse(data)
        except (TypeError, ValueError) as error:
            raise _misfit(expected, data, path) from error
    if issubclass(cls, enum.Enum):
        for member in cls:
            if member.value == data or (isinstance(member.value, tuple) and list(member.value) == data):
                return member
        raise _misfit(f"a value of {cls.__name__}", data, path)
    if issubclass(cls, TransientAuthEntryReference):
        from coco.engine_object import TRANSIENT_MARK

        if isinstance(data, collections.abc.Mapping) and data.keys() == {"key"}:
            data = data["key"]
        if not isinstance(data, str):
            raise _misfit("the key of an auth entry", data, path)
        if data == TRANSIENT_MARK:
            raise _misfit("a stable auth entry (a transient one cannot be restored)", data, path)
        return AuthEntryReference(data)
    if cls is SecretRef:
        if not isinstance(data, collections.abc.Mapping) or data.keys() != {"secret"}:
            raise _misfit("a reference to a secret", data, path)
        return SecretRef(data["secret"])
    return _load_object(cls, data, path)


def _load_object(cls: type, data: Any, path: tuple[str, ...]) -> Any:
    if cls.__module__ == "coco.types.schema" and hasattr(cls, "decode"):
        try:
            return cls.decode(data)
        except (KeyError, TypeError, ValueError) as error:
            raise _misfit(cls.__name__, data, path) from error
    if dataclasses.is_dataclass(cls) or hasattr(cls, "__coco_category__"):
        return _load_fields(cls, data, path)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _load_named_tuple(cls, data, path)
    if hasattr(cls, "model_validate"):
        try:
            return cls.model_validate(data)
        except ValueError as error:
            raise _misfit(cls.__name__, data, path) from error
    if issubclass(cls, tuple):
        return tuple(_items(data, path))
    if issubclass(cls, (list, dict)):
        if not isinstance(data, cls):
            raise _misfit(cls.__name__, data, path)
        return data
    if cls is object:
        return data
    raise _misfit(cls.__qualname__, data, path)


def _load_fields(cls: type, data: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(data, collections.abc.Mapping):
        raise _misfit(f"the fields of {cls.__name__}", data, path)
    hints = class_hints(cls)
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    values = {}
    for item in fields:
        if not item.init:
            continue
        if item.name in data:
            values[item.name] = load(hints.get(item.name, Any), data[item.name], (*path, item.name))
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise _missing(cls, item.name, path)
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        place = f" - at {format_path(path)}" if path else ""
        raise StoredValueError(f"stored data does not make a {cls.__name__}: {error}{place}") from error


def _load_named_tuple(cls: Any, data: Any, path: tuple[str, ...]) -> Any:
    if isinstance(data, (list, tuple)):
        data = dict(zip(cls._fields, data, strict=False))
    if not isinstance(data, collections.abc.Mapping):
        raise _misfit(f"the fields of {cls.__name__}", data, path)
    hints = class_hints(cls)
    values = {}
    for name in cls._fields:
        if name in data:
            values[name] = load(hints.get(name, Any), data[name], (*path, name))
        elif name not in cls._field_defaults:
            raise _missing(cls, name, path)
    return cls(**values)


def _missing(cls: type, name: str, path: tuple[str, ...]) -> StoredValueError:
    place = f" - at {format_path(path)}" if path else ""
    return StoredValueError(
        f"stored data has no value for {cls.__name__}.{name}, which has no default{place}"
    )


def _misfit(expected: str, data: Any, path: tuple[str, ...]) -> StoredValueError:
    place = f" - at {format_path(path)}" if path else ""
    return StoredValueError(f"stored data: expected {expected}, got {type(data).__name__}{place}")
