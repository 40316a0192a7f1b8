"""References to secrets, which replace a password or a key until a connection is made.

A reference is text such as ``env:PGPASSWORD``. It can be shown, stored and sent to another process. coco looks its value up
at each use, and keeps it only in the list of texts to mask. ``coco.secret`` makes references; ``coco.plugins.secrets`` looks
their values up through plugins.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import sys
import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from coco.errors import DefinitionError, InternalError

T = TypeVar("T")

_FORM = re.compile(r"([a-z][a-z0-9+.-]*):(.+)", re.DOTALL)
_LEAST = 4
"""Shorter values are not masked, since they occur in ordinary words."""
_LEAST_LINE = 16
_VALUES_PER_REFERENCE = 8
"""How many values of one reference are masked: errors of connections from before a rotation may still arrive."""
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, repr=False)
class SecretRef:
    """Refers to a secret by ``scheme:rest``; equal to others of the same text. Made by ``coco.secret``.

    ``repr`` and ``str`` show the reference, never the value. Raises ``DefinitionError`` for anything but text of that form.
    """

    ref: str

    def __post_init__(self) -> None:
        if not isinstance(self.ref, str) or not _FORM.fullmatch(self.ref):
            given = "that text" if isinstance(self.ref, str) else type(self.ref).__name__
            raise DefinitionError(
                "a secret is named by text like 'env:NAME', 'file:PATH' or 'vault:NAME', with the scheme in lower case "
                f"letters; {given} is none"
            )

    @property
    def scheme(self) -> str:
        """The part before the first colon, which decides where the value is looked up."""
        return self.ref.partition(":")[0]

    def __repr__(self) -> str:
        return f"SecretRef({self.ref!r})"

    __str__ = __repr__

    if not TYPE_CHECKING:  # a type checker then reports these uses too

        def __add__(self, other):
            raise _within_text(self)

        __radd__ = __mod__ = __add__

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        return {"type": "object", "properties": {"secret": {"type": "string"}}, "required": ["secret"]}


Secret: TypeAlias = str | SecretRef
"""Secret text, or a reference to it: the type of a field for a password or an API key."""


def check_no_reference_within(text: str) -> None:
    """Raise ``DefinitionError`` if a text contains a formatted reference, which could not be resolved."""
    found = re.search(r"SecretRef\('([^']*)'\)", text)
    if found is not None:
        raise _within_text(SecretRef(found[1]))


def _within_text(ref: SecretRef) -> DefinitionError:
    return DefinitionError(
        f"{ref!r} cannot be part of a text: its value is known at the time of use only. Give it a field of its own, such as "
        "password= beside url=, or refer to a secret that is the whole text"
    )


# -- values -------------------------------------------------------------------------------------------
Resolver: TypeAlias = "Callable[[SecretRef, str | None], str]"
_resolver: Resolver | None = None
_guard = threading.Lock()
_values: dict[str, tuple[str, ...]] = {}
_version = 0


def set_resolver(resolver: Resolver) -> None:
    """Set the function that returns the value of a reference. Its second argument names what needs the value."""
    global _resolver
    _resolver = resolver


def resolve_secret(value: Secret, *, wanted_by: str | None = None) -> str:
    """The current value of a reference. Text is returned as it is.

    wanted_by: what needs the value, for messages. Raises ``SecretError`` if the value cannot be looked up. Use the result
    for one connection and do not keep it.
    """
    if not isinstance(value, SecretRef):
        return value
    if _resolver is None:
        raise InternalError(f"{value!r} was not made by coco.secret()")
    found = _resolver(value, wanted_by)
    _note(value.ref, found)
    return found


def resolve_secrets(value: T, *, wanted_by: str | None = None) -> T:
    """A copy of an object with the value of each reference in its fields and items, or the object if it has none.

    Looks into dataclasses, mappings, lists, tuples, sets, structs of msgspec and models of Pydantic. ``__post_init__``
    is not run again. Raises ``SecretError``.
    """
    replaced: T = _replaced(value, lambda item: resolve_secret(item, wanted_by=wanted_by), 0)
    return replaced


def check_references(value: Any) -> None:
    """Raise ``DefinitionError`` if a reference was formatted into a text anywhere inside of a value."""

    def visit(item: Any) -> Any:
        if isinstance(item, str):
            check_no_reference_within(item)
        return item

    _replaced(value, visit, 0)


def known_values() -> set[str]:
    """Texts to mask: all values that were looked up in this process, also in their forms in URLs, JSON and Python."""
    with _guard:
        values = [value for kept in _values.values() for value in kept]
    return {form for value in values for form in _forms(value)}


def values_version() -> int:
    """A number that changes whenever ``known_values`` does."""
    return _version


def _note(ref: str, value: str) -> None:
    global _version
    known = _values.get(ref, ())
    if known and known[-1] == value:
        return
    with _guard:
        kept = [item for item in _values.get(ref, ()) if item != value]
        _values[ref] = (*kept, value)[-_VALUES_PER_REFERENCE:]
        _version += 1


def _forms(value: str) -> set[str]:
    """Forms in which a value may occur in a text: whole, by line, escaped, and the password of a URL."""
    import json
    import urllib.parse

    found = {
        value,
        *(line.strip() for line in value.replace("\r", "\n").split("\n") if len(line.strip()) >= _LEAST_LINE),
    }
    if "://" in value:
        try:
            password = urllib.parse.urlsplit(value).password
        except ValueError:
            password = None
        if password:
            found |= {password, urllib.parse.unquote(password)}
    for form in tuple(found):
        found |= {urllib.parse.quote(form, safe=""), urllib.parse.quote_plus(form)}
        found |= {repr(form)[1:-1], json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]}
    return {form for form in found if len(form) >= _LEAST}


def _replaced(value: Any, change: Callable[[Any], Any], depth: int) -> Any:
    """``value`` with ``change`` applied to each reference and each text; the same object where nothing changed."""
    if isinstance(value, (SecretRef, str)):
        return change(value)
    if depth >= _MAX_DEPTH or isinstance(value, type):
        return value
    if isinstance(value, Mapping):
        items = {key: _replaced(item, change, depth + 1) for key, item in value.items()}
        return value if all(items[key] is item for key, item in value.items()) else items
    if isinstance(value, (list, tuple, AbstractSet)):
        made = [_replaced(item, change, depth + 1) for item in value]
        if all(new is old for new, old in zip(made, value, strict=True)):
            return value
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)  # type: ignore[call-arg]
    names = _field_names(value)
    changed = {}
    for name in names:
        inner = getattr(value, name, None)
        new = _replaced(inner, change, depth + 1)
        if new is not inner:
            changed[name] = new
    if not changed:
        return value
    twin = copy.copy(value)
    set_field: Callable[[Any, str, Any], None] = object.__setattr__
    if hasattr(value, "__struct_fields__"):
        from msgspec.structs import force_setattr as set_field
    for name, new in changed.items():
        set_field(twin, name, new)
    return twin


def _field_names(value: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(value):
        return tuple(item.name for item in dataclasses.fields(value))
    if hasattr(value, "__struct_fields__"):
        return tuple(value.__struct_fields__)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return tuple(type(value).model_fields)
    return ()
