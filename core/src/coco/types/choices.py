"""Annotations that list all their values: ``Literal`` and ``Enum`` classes."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args

from msgspec import Struct

from coco.errors import ValueConversionError
from coco.types.mismatch import Path, mismatch
from coco.types.scalars import INT64_MAX, INT64_MIN, SCALARS_IN
from coco.types.schema import EngineValue

VALUES_ATTR = "coco/values"
"""Attribute of an engine type, or of a Vector's: the engine values of its choices, in order of definition."""

_KINDS: dict[type, str] = {str: "Str", int: "Int64", bool: "Bool"}


class Choices(Struct, frozen=True):
    """The values of a ``Literal`` or an ``Enum``.

    name: the type as users write it. kind: scalar kind of the engine values. members: what user code receives, literals
    or members of the ``Enum``. values: their engine values.
    """

    name: str
    kind: str
    members: tuple[Any, ...]
    values: tuple[EngineValue, ...]

    @property
    def shown(self) -> str:
        """Return the type with its values, for messages."""
        listed = [repr(value) for value in self.values[:_SHOWN]]
        if len(self.values) > len(listed):
            listed.append(f"{len(self.values) - len(listed)} more")
        together = " or ".join(filter(None, (", ".join(listed[:-1]), listed[-1])))
        return together if self.name == "Literal" else f"{self.name} ({together})"

    def encoder(self) -> Any:
        """``(value, path) -> engine value``: from a member, or from a value that one has.

        It raises ``ValueConversionError`` for other values.
        """
        known = dict(zip(self.members, self.values, strict=True))
        member_type, values = type(self.members[0]), frozenset(self.values)
        convert, shown = SCALARS_IN[self.kind], self.shown

        def encode_choice(value: Any, path: Path) -> EngineValue:
            if type(value) is member_type and value in known:
                return known[value]
            try:
                found = convert(value.value if isinstance(value, enum.Enum) else value, path)
            except ValueConversionError:
                raise mismatch(shown, value, path) from None
            if found not in values:
                raise _none_of(shown, found, path)
            return found

        return encode_choice

    def decoder(self) -> Any:
        """``(engine value, path) -> member``. It raises ``ValueConversionError`` for a value that no member has."""
        known, shown = dict(zip(self.values, self.members, strict=True)), self.shown

        def decode_choice(value: EngineValue, path: Path) -> Any:
            try:
                return known[value]
            except KeyError:
                raise _none_of(shown, value, path) from None

        return decode_choice


_SHOWN = 12
_LABEL = re.compile(r"[\w.-]{1,24}")


def _none_of(shown: str, value: EngineValue, path: Path) -> ValueConversionError:
    """Return the error for another value. The message holds it only if it looks like a label: texts may be private."""
    plain = not isinstance(value, str) or _LABEL.fullmatch(value)
    return mismatch(shown, value, path, f"{value!r}" if plain else "that is none of them")


def choices_of(core: Any) -> Choices | None:
    """Return the choices of a ``Literal`` of one type, or of an ``Enum`` class; None for other annotations.

    The values must be all str, all int (of 64 bits), or all bool. Flags that can be combined are not choices.
    """
    if isinstance(core, type) and issubclass(core, enum.Enum):
        if issubclass(core, enum.Flag):
            return None
        return _choices(core.__name__, tuple(core))
    return _choices("Literal", get_args(core))


def _choices(name: str, members: tuple[Any, ...]) -> Choices | None:
    plain = tuple(plain_choice(member) for member in members)
    types = {type(value) for value in plain}
    if len(types) != 1 or (kind := _KINDS.get(types.pop())) is None:
        return None
    if kind == "Int64" and not all(INT64_MIN <= value <= INT64_MAX for value in plain):
        return None
    return Choices(name, kind, members, plain)


def without_values(encoded: Any) -> Any:
    """Return the JSON form of a type without the values of its choices.

    Identities use it: an additional value changes no row that exists.
    """
    if isinstance(encoded, dict):
        found = {name: without_values(item) for name, item in encoded.items()}
        attrs = found.get("attrs")
        if isinstance(attrs, dict) and attrs.pop(VALUES_ATTR, None) is not None and not attrs:
            del found["attrs"]
        return found
    return [without_values(item) for item in encoded] if isinstance(encoded, list) else encoded


def plain_choice(value: Any) -> Any:
    """Return the value of a member of an ``Enum``, and anything else as it is."""
    return value.value if isinstance(value, enum.Enum) else value


def literals_by_type(values: Iterable[Any]) -> list[Any]:
    """Return one ``Literal`` type for each type of value, in the order in which these types appear."""
    groups: dict[type, list[Any]] = {}
    for value in values:
        groups.setdefault(type(value), []).append(value)
    return [type(None) if kind is type(None) else Literal[tuple(group)] for kind, group in groups.items()]
