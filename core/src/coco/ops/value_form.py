"""Forms of values that code refers to. Equal values have equal forms in every process."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import json
import pathlib
import re
import sys
import types
import typing
import uuid
from collections.abc import Callable
from types import FunctionType
from typing import Any

from coco.auth_registry import AuthEntryReference, TransientAuthEntryReference
from coco.errors import DefinitionError
from coco.secrets import SecretRef

_PLAIN = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    type(None),
    type(...),
    type(NotImplemented),
    range,
    slice,
)
_TEXTUAL = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    uuid.UUID,
    pathlib.PurePath,
)
_STATELESS_MODULES = frozenset(
    {"logging", "_thread", "threading", "_contextvars", "asyncio.locks", "_asyncio"}
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class NoIdentityError(DefinitionError):
    """A value that has no form. ``subject``: the message without advice."""

    def __init__(self, where: str, type_name: str) -> None:
        self.subject = (
            f"{where} has type {type_name}, which has no stable identity, so changes of it would go unnoticed"
        )
        super().__init__(
            f"{self.subject}; "
            "pass it through the spec, make it a dataclass of plain values, create it in prepare(), "
            "or give behavior_version= to pin the function's identity"
        )


class ValueForms:
    """Makes forms: lists of JSON-able data, tagged by kind. Functions and classes are left to the callbacks.

    ``opaque``, ``by_name``: filled with what counts by its type or its name only.
    """

    def __init__(
        self,
        function: Callable[[FunctionType], Any],
        klass: Callable[[type], Any],
        kept: Callable[[type], set[str] | None],
        opaque: set[str],
        by_name: set[str],
    ) -> None:
        self._function = function
        self._klass = klass
        self._kept = kept
        self._opaque = opaque
        self._by_name = by_name
        self._open: list[int] = []

    def form(self, value: Any, where: str, *, strict: bool) -> list[Any]:
        """Form of a value. ``strict``: raise ``DefinitionError`` for a value that has none."""
        if isinstance(value, enum.Enum):
            return ["enum", self._klass(type(value)), value.name, self.form(value.value, where, strict=False)]
        if type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        if isinstance(value, _TEXTUAL) or _is_fraction(value):
            return [type(value).__name__, str(value) if not isinstance(value, datetime.date) else repr(value)]
        code = self._code_form(value, where, strict)
        if code is not None:
            return code
        if id(value) in self._open:
            return ["cycle", len(self._open) - self._open.index(id(value))]
        self._open.append(id(value))
        try:
            return self._container_form(value, where, strict)
        finally:
            self._open.pop()

    def _code_form(self, value: Any, where: str, strict: bool) -> list[Any] | None:
        if isinstance(value, FunctionType):
            return typing.cast("list[Any]", self._function(value))
        if isinstance(value, type):
            return typing.cast("list[Any]", self._klass(value))
        if isinstance(value, (staticmethod, classmethod)):
            return ["method", self.form(value.__func__, where, strict=strict)]
        if isinstance(value, types.MethodType):
            return [
                "bound",
                self.form(value.__self__, where, strict=strict),
                self.form(value.__func__, where, strict=strict),
            ]
        if isinstance(value, functools.partial):
            return [
                "partial",
                self.form(value.func, where, strict=strict),
                self.form(value.args, where, strict=strict),
                self.form(value.keywords, where, strict=strict),
            ]
        if isinstance(value, types.ModuleType):
            return self.module(value.__name__)
        wrapped = getattr(value, "__wrapped__", None) if callable(value) else None
        if wrapped is not None:
            return ["wrapper", type(value).__name__, self.form(wrapped, where, strict=strict)]
        if inspect.isroutine(value) or isinstance(value, types.BuiltinFunctionType):
            owner = getattr(value, "__self__", None)
            if owner is not None and not isinstance(owner, (types.ModuleType, type)):
                return ["bound", self.form(owner, where, strict=strict), getattr(value, "__name__", "")]
            module, name = (
                getattr(value, "__module__", None) or "",
                getattr(value, "__qualname__", repr(type(value))),
            )
            if module not in ("", "builtins"):
                self._by_name.add(f"{module}.{name}")
            return ["name", f"{module}.{name}"]
        if typing.get_origin(value) is not None or isinstance(value, (typing.TypeVar, typing.NewType)):
            return ["type", self.text(repr(value))]
        return None

    def _container_form(self, value: Any, where: str, strict: bool) -> list[Any]:
        if isinstance(value, TransientAuthEntryReference):
            return ["auth", value.key if isinstance(value, AuthEntryReference) else ""]
        if isinstance(value, SecretRef):
            return ["secret"]
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, [self.form(item, where, strict=strict) for item in value]]
        if isinstance(value, (dict, types.MappingProxyType)):
            return [
                type(value).__name__,
                [
                    [self.form(key, where, strict=strict), self.form(item, where, strict=strict)]
                    for key, item in value.items()
                ],
            ]
        if isinstance(value, (set, frozenset)):
            items = [self.form(item, where, strict=strict) for item in value]
            return [type(value).__name__, sorted(items, key=lambda item: json.dumps(item, sort_keys=True))]
        if isinstance(value, re.Pattern):
            return ["pattern", self.form(value.pattern, where, strict=strict), value.flags]
        own = getattr(value, "__coco_identity__", None)
        if callable(own):
            return ["own", type(value).__qualname__, str(own())]
        array = self._array_form(value)
        if array is not None:
            return array
        return self._object_form(value, where, strict)

    def _array_form(self, value: Any) -> list[Any] | None:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return None
        if isinstance(value, numpy.dtype):
            return ["dtype", str(value)]
        if isinstance(value, numpy.generic) and not isinstance(value, numpy.void):
            return [f"numpy.{value.dtype}", repr(value.item())]
        if isinstance(value, numpy.ndarray) and not value.dtype.hasobject:
            from coco.hot import fingerprint

            return ["array", str(value.dtype), list(value.shape), fingerprint(value.tobytes()).hex()]
        return None

    def _object_form(self, value: Any, where: str, strict: bool) -> list[Any]:
        cls = type(value)
        if cls.__module__ in _STATELESS_MODULES:
            return ["stateless", cls.__qualname__]
        name = f"{cls.__module__}.{cls.__qualname__}"
        fields = _fields(value)
        reference = self._klass(cls)
        if fields is None:
            kept = self._kept(cls)
            if kept is not None:  # state that it keeps would make identity depend on the time of day
                fields = {key: item for key, item in _attributes(value).items() if key not in kept}
        if fields is None:
            if strict:
                raise NoIdentityError(where, name)
            self._opaque.add(name)
            return ["opaque", cls.__qualname__]
        return [
            "object",
            reference,
            {key: self.form(item, f"{where}: {key}", strict=strict) for key, item in sorted(fields.items())},
        ]

    def module(self, name: str) -> list[Any]:
        """Form of a whole module."""
        self._by_name.add(name)
        return ["module", name]

    @staticmethod
    def text(text: str) -> str:
        """A repr without memory addresses."""
        return _ADDRESS.sub("", text)


def _is_fraction(value: Any) -> bool:
    fractions = sys.modules.get("fractions")
    return fractions is not None and isinstance(value, fractions.Fraction)


def _fields(value: Any) -> dict[str, Any] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: getattr(value, item.name)
            for item in dataclasses.fields(value)
            if hasattr(value, item.name)
        }
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return None


def _attributes(value: Any) -> dict[str, Any]:
    """What an object holds, in its dictionary and in slots."""
    found = {}
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                found[name] = getattr(value, name)
    found.update(getattr(value, "__dict__", {}))
    return {name: item for name, item in found.items() if not name.startswith("__")}
