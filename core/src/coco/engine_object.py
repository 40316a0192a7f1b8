"""Converts specs, options, keys and states to plain data, and back.

The conversion is deterministic, and fingerprints of specs are made from it. A field whose default and value are ``None`` is
left out, so adding an optional field to a spec reprocesses nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import sys
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, TypeAlias, TypeVar

from coco.auth_registry import AuthEntryReference, TransientAuthEntryReference
from coco.errors import DefinitionError, format_path
from coco.secrets import SecretRef

T = TypeVar("T")

TRANSIENT_MARK = "<transient>"
"""The plain form of a transient auth reference. Its generated key must not be stored."""


SECRET_MARK = "<secret>"
"""The plain form of a reference to a secret where its text must not count."""


class _NotIdentityMark:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NotIdentity"


_NOT_IDENTITY = _NotIdentityMark()

NotIdentity: TypeAlias = Annotated[T, _NOT_IDENTITY]
"""``address: NotIdentity[str | None] = None`` marks a field of a spec that cannot change results, such as an address or a
batch size. It is not part of code identity and memo keys."""


class _Form(enum.Enum):
    """The purpose of plain data."""

    SHOWN = "shown"
    STORED = "stored"
    CONTENT = "content"
    IDENTITY = "identity"


def dump_engine_object(value: Any) -> Any:
    """Return plain data for ``value``: None, bool, int, float, str, lists and dicts with string keys.

    Dataclasses, specs and named tuples become dicts by field, with the ``kind`` of their class; enums their value; time
    spans seconds; dates and times ISO text; sets sorted lists; auth references ``{"key": KEY}``, transient ones a fixed
    mark; references to secrets ``{"secret": "env:NAME"}``; types their schema. Raises ``DefinitionError``, with the place,
    for anything else.
    """
    return _dump(value, (), form=_Form.SHOWN)


def plain_data(value: Any) -> Any:
    """Return the form in which keys, states and specs are stored and fingerprinted.

    Like ``dump_engine_object``, but an auth reference becomes its key, and ``kind`` is included only if it is a field.
    """
    return _dump(value, (), form=_Form.STORED)


def content_data(value: Any) -> Any:
    """Return data like ``plain_data``, without references to secrets: the place of a password does not change rows."""
    return _dump(value, (), form=_Form.CONTENT)


def dump_for_identity(value: Any) -> Any:
    """Return data like ``plain_data``, without ``NotIdentity`` fields, transient auth references and secrets."""
    return _dump(value, (), form=_Form.IDENTITY)


def canonical_json(data: Any) -> str:
    """Return JSON text that is equal for equal data: sorted keys, compact, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _dump(value: Any, path: tuple[str, ...], *, form: _Form) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, enum.Enum):
        return _dump(value.value, path, form=form)
    if isinstance(value, (bool, int, str)):
        return next(base(value) for base in (bool, int, str) if isinstance(value, base))
    if isinstance(value, float):
        return (
            float(value)
            if math.isfinite(value)
            else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        )
    if isinstance(value, TransientAuthEntryReference):
        key = value.key if isinstance(value, AuthEntryReference) else TRANSIENT_MARK
        return {"key": key} if form is _Form.SHOWN else key
    if isinstance(value, SecretRef):
        return {"secret": value.ref} if form in (_Form.SHOWN, _Form.STORED) else SECRET_MARK
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, type) or hasattr(value, "__origin__") or type(value).__name__ == "UnionType":
        return {"type": _dump_type(value)}
    if _is_schema(value):
        return value.encode()
    if dataclasses.is_dataclass(value):
        return _dump_fields(value, path, form=form)
    return _dump_container(value, path, form=form)


def _dump_container(value: Any, path: tuple[str, ...], *, form: _Form) -> Any:
    if isinstance(value, Mapping):
        data = {}
        for key, item in value.items():
            plain = key.value if isinstance(key, enum.Enum) else key
            if not isinstance(plain, str):
                raise _cannot(f"a dict key of type {type(key).__name__} (keys must be str)", path)
            data[str(plain)] = _dump(item, (*path, plain), form=form)
        return data
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {
            name: _dump(item, (*path, name), form=form)
            for name, item in zip(value._fields, value, strict=True)
        }
    if isinstance(value, (list, tuple)):
        return [_dump(item, (*path, f"[{index}]"), form=form) for index, item in enumerate(value)]
    if isinstance(value, AbstractSet):
        return sorted((_dump(item, (*path, "[...]"), form=form) for item in value), key=canonical_json)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        fields = type(value).model_fields
        return {
            name: _dump(getattr(value, name), (*path, name), form=form)
            for name, info in fields.items()
            if not (getattr(value, name) is None and info.default is None)
        }
    encode = getattr(value, "__coco_dump__", None)
    if callable(encode):
        return _dump(encode(), path, form=form)
    raise _cannot(f"a value of type {type(value).__module__}.{type(value).__qualname__}", path)


def _dump_fields(value: Any, path: tuple[str, ...], *, form: _Form) -> dict[str, Any]:
    identity = form is _Form.IDENTITY
    left_out = not_identity_fields(type(value)) if identity else frozenset()
    data = {}
    here = path or (type(value).__name__,)
    for item in dataclasses.fields(value):
        content = getattr(value, item.name)
        if content is None and item.default is None:
            continue
        if item.name in left_out:
            continue
        if identity and type(content) is TransientAuthEntryReference:
            continue
        if isinstance(content, SecretRef) and form in (_Form.CONTENT, _Form.IDENTITY):
            continue
        data[item.name] = _dump(content, (*here, item.name), form=form)
    kind = getattr(type(value), "kind", None)
    if form is _Form.SHOWN and "kind" not in data and isinstance(kind, str):
        data["kind"] = kind
    return data


def not_identity_fields(cls: type) -> frozenset[str]:
    """Return the names of the fields of a class that are marked ``NotIdentity``."""
    from coco.spec.hints import Unresolved, class_hints

    found = set()
    for name, hint in class_hints(cls).items():
        if isinstance(hint, Unresolved):
            if hint.text.split("[", 1)[0].endswith("NotIdentity"):
                found.add(name)
        elif any(mark is _NOT_IDENTITY for mark in getattr(hint, "__metadata__", ())):
            found.add(name)
    return frozenset(found)


def _dump_type(value: Any) -> Any:
    from coco.types.analyze import encode_enriched_type

    try:
        encoded = encode_enriched_type(value)
    except ValueError:
        return _describe_type(value, set())
    # The schema of choices lacks the names of an Enum's members.
    return _describe_type(value, set()) if _has_choices(encoded) else encoded


def _has_choices(encoded: Any) -> bool:
    from coco.types.choices import VALUES_ATTR

    if isinstance(encoded, dict):
        return VALUES_ATTR in encoded or any(_has_choices(item) for item in encoded.values())
    return isinstance(encoded, list) and any(_has_choices(item) for item in encoded)


def _describe_type(value: Any, open_: set[Any]) -> Any:
    """Return the structure of a type without an engine schema (an enum, a Literal, ...)."""
    origin = getattr(value, "__origin__", None)
    args = getattr(value, "__args__", None)
    if origin is not None or (args and not isinstance(value, type)):
        described = [_describe_type(arg, open_) for arg in args or ()]
        return [getattr(origin, "__name__", None) or str(origin or "Union"), *described]
    if isinstance(value, type):
        if issubclass(value, enum.Enum):
            return [value.__name__, {item.name: plain_data(item.value) for item in value}]
        if value in open_:
            return value.__name__
        if value.__module__ != "builtins":
            from coco.spec.hints import class_hints

            hints = class_hints(value)
            if hints:
                return [value.__name__, {k: _describe_type(v, open_ | {value}) for k, v in hints.items()}]
        return value.__name__
    return repr(value)


def _is_schema(value: Any) -> bool:
    return type(value).__module__ == "coco.types.schema" and callable(getattr(value, "encode", None))


def _cannot(what: str, path: tuple[str, ...]) -> DefinitionError:
    place = f" - at {format_path(path)}" if path else ""
    return DefinitionError(
        f"cannot store {what} as plain data{place}; allowed are None, bool, int, float, str, lists, tuples, "
        "dicts with str keys, enums, dates, time spans, dataclasses, specs and auth references"
    )


def load_engine_object(type_: type[T] | Any, data: Any) -> T:
    """Return an object of ``type_`` from plain data: the inverse of ``dump_engine_object`` and ``plain_data``.

    Unknown fields are ignored, and missing ones have their defaults, so that a class can gain fields. Raises
    ``StoredValueError``, with the place, if the data does not fit.
    """
    from coco.spec.load import load

    result: T = load(type_, data, ())
    return result
