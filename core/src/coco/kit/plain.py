"""Specs, keys and setup states as plain data, which any format can hold, and back."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from coco.engine_object import dump_engine_object, load_engine_object

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Plain data for a value: None, bool, int, float, str, lists, and dicts with string keys; equal for equal values.

    Dataclasses, specs and named tuples become dicts by field; a field that is ``None`` by default and in fact is left out,
    so that adding an optional field alters nothing that is stored. A class attribute ``kind`` that is text is
    added. Enums become
    their values, dates and times ISO text, time spans seconds, sets sorted lists, types their schemas, and auth references
    ``{"key": KEY}``: never the credential. Raises ``DefinitionError``, with the place, for anything else.
    """
    return dump_engine_object(value)


@overload
def from_plain(type_: type[T], data: Any) -> T: ...
@overload
def from_plain(type_: Any, data: Any) -> Any: ...
def from_plain(type_: Any, data: Any) -> Any:
    """The value of a type for which ``to_plain`` gave the data.

    Unknown fields are ignored and missing ones get their defaults, so that a class can evolve. Raises
    ``StoredValueError``, with the place, if the data does not fit.
    """
    return load_engine_object(type_, data)
