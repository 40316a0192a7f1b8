"""Types and engine values of constants in a flow.

A constant for an annotated parameter has the type of that parameter (``coco.ops``). This module finds the type of all
other constants: collected ones, and arguments of functions without annotations.
"""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Mapping
from typing import Any

from coco.errors import DefinitionError
from coco.flow.graph import Constant
from coco.types.schema import BasicValueType, EnrichedValueType, TableType, ValueType, VectorTypeSchema

JSON = BasicValueType("Json")
NULL = EnrichedValueType(JSON, nullable=True)
"""Type of ``None`` if no other ``collect`` call gives the field a type."""

_VECTOR_ELEMENTS = (
    "Bool",
    "Int64",
    "Float32",
    "Float64",
    "Str",
    "Bytes",
    "Uuid",
    "Date",
    "Time",
    "TimeDelta",
)


def constant_type(value: Any) -> EnrichedValueType:
    """Return the engine type of a Python value.

    The class of a scalar gives its kind; of a ``datetime``, also whether it has an offset. A list or tuple is a Vector if
    its items are scalars of one type, an LTable if they are structs of one type, and Json otherwise. A dict is Json.
    Raises ``DefinitionError`` for a value that no engine type can hold.
    """
    if value is None:
        return NULL
    if isinstance(value, datetime.datetime):
        return EnrichedValueType(
            BasicValueType("LocalDateTime" if value.tzinfo is None else "OffsetDateTime")
        )
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return EnrichedValueType(_array_type(value))
    if isinstance(value, Mapping):
        return EnrichedValueType(JSON)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return EnrichedValueType(_sequence_type(value))
    from coco.types.analyze import enriched_type_of

    try:
        return enriched_type_of(type(value))
    except ValueError as error:
        raise DefinitionError(
            f"a constant of type {type(value).__name__} cannot be part of a flow: {error}"
        ) from error


def _array_type(value: Any) -> ValueType:
    if value.ndim != 1:
        raise DefinitionError(f"a constant array must have one dimension, got {value.ndim}")
    from coco.types.analyze import enriched_type_of

    try:
        element = enriched_type_of(value.dtype.type).type
    except ValueError as error:
        raise DefinitionError(
            f"a constant array of {value.dtype} cannot be part of a flow: {error}"
        ) from error
    assert isinstance(element, BasicValueType)
    return BasicValueType("Vector", vector=VectorTypeSchema(element, len(value)))


def _sequence_type(value: list[Any] | tuple[Any, ...]) -> ValueType:
    kinds = {type(item) for item in value}
    if len(kinds) == 1:
        (kind,) = kinds
        if not issubclass(kind, (Mapping, list, tuple)) or hasattr(kind, "_fields"):
            try:
                element = constant_type(value[0]).type
            except DefinitionError:
                return JSON
            if isinstance(element, BasicValueType):
                if element.kind in _VECTOR_ELEMENTS:
                    return BasicValueType("Vector", vector=VectorTypeSchema(element))
            elif not isinstance(element, TableType):
                return TableType("LTable", element)
    return JSON


def is_struct_value(value: Any) -> bool:
    """Return whether a value is an instance of a struct class (dataclass, named tuple, Pydantic model)."""
    if isinstance(value, type):
        return False
    pydantic = sys.modules.get("pydantic")
    return (
        dataclasses.is_dataclass(value)
        or (isinstance(value, tuple) and hasattr(value, "_fields"))
        or (pydantic is not None and isinstance(value, pydantic.BaseModel))
    )


def encode_constant(value: Any, type_: EnrichedValueType, name: str) -> Constant:
    """Return ``value`` as a constant of ``type_``. Raises ``DefinitionError`` with ``name`` if it does not fit."""
    if value is None:
        return Constant(None, type_.as_nullable(), None)
    try:
        if is_struct_value(value):
            from coco.types.encode import make_engine_value_encoder

            return Constant(make_engine_value_encoder(type(value), path=(name,))(value), type_, value)
        from coco.types.choices import plain_choice
        from coco.types.encode import encoder_for_schema

        return Constant(encoder_for_schema(type_, (name,))(plain_choice(value)), type_, value)
    except ValueError as error:
        raise DefinitionError(f"the constant for {name!r} does not fit the type {type_}: {error}") from error


def constant(value: Any, name: str) -> Constant:
    """Return a value as a constant of the type that it has by itself."""
    return encode_constant(value, constant_type(value), name)


def retyped(known: Constant, type_: EnrichedValueType, name: str) -> Constant:
    """Return the same constant as another type, such as ``0`` for a field that is a float in another call."""
    if known.value is None:
        return Constant(None, type_.as_nullable(), None)
    if known.type.type == type_.type:
        return Constant(known.value, type_, known.python)
    return encode_constant(known.python, type_, name)
