"""Analysed types -> engine schemas."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Literal, overload

from coco.errors import DefinitionError
from coco.types.annotations import KEY_FIELD_NAME
from coco.types.choices import VALUES_ATTR, Choices
from coco.types.schema import (
    KEY_KINDS,
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
    UnionTypeSchema,
    ValueType,
    VectorTypeSchema,
)
from coco.types.struct_types import check_hashable, struct_description
from coco.types.type_info import (
    AnalyzedAnyType,
    AnalyzedBasicType,
    AnalyzedDictType,
    AnalyzedListType,
    AnalyzedStructType,
    AnalyzedTypeInfo,
    AnalyzedUnionType,
    analyze_type_info,
)


def enriched_type_of(t: Any) -> EnrichedValueType:
    """Return the engine type of an annotation or of analysed info.

    Raises ``DefinitionError`` (a ``ValueError``), with the fields in its notes, if there is no engine type.
    """
    return _enriched(analyze_type_info(t), ())


@overload
def encode_enriched_type(t: None) -> None: ...
@overload
def encode_enriched_type(t: Any) -> dict[str, Any]: ...
def encode_enriched_type(t: Any) -> dict[str, Any] | None:
    """Return the JSON form of an annotation's engine type; None for None. Raises as ``enriched_type_of``."""
    return None if t is None else enriched_type_of(t).encode()


def encode_enriched_type_info(info: AnalyzedTypeInfo) -> dict[str, Any]:
    """Return the JSON form of the engine type of analysed info. Raises as ``enriched_type_of``."""
    return enriched_type_of(info).encode()


def struct_fields_of(struct_type: Any) -> list[FieldSchema]:
    """Return the fields of a struct class, in order.

    Raises ``DefinitionError`` if ``struct_type`` is not a struct, or a field has no engine type.
    """
    info = analyze_type_info(struct_type)
    if not isinstance(info.variant, AnalyzedStructType):
        raise DefinitionError(
            f"expected a struct (dataclass, NamedTuple or Pydantic model), got {type_name(info.core_type)}"
        )
    return list(_struct_fields(info, ()))


def key_fields_of(key_type: Any) -> list[FieldSchema]:
    """Return the fields of a key: the fields of a struct, or one field named ``_key``.

    Raises ``DefinitionError`` for a type whose values cannot be keys.
    """
    info = analyze_type_info(key_type)
    if isinstance(info.variant, AnalyzedStructType):
        fields = list(_struct_fields(info, ()))
        if not fields:
            raise DefinitionError(f"{type_name(info.core_type)} cannot be a key, because it has no fields")
    else:
        fields = [FieldSchema(KEY_FIELD_NAME, _enriched(info, ()))]
    for field in fields:
        _check_key_part(
            field.value_type, "key" if field.name == KEY_FIELD_NAME else f"key field {field.name!r}"
        )
    _check_frozen(info)
    return fields


def _check_key_part(type_: EnrichedValueType, what: str) -> None:
    if type_.nullable:
        raise DefinitionError(f"{what} may be None, and a key may not: remove `| None` from {type_}")
    if isinstance(type_.type, StructType) and type_.type.fields:
        for field in type_.type.fields:
            _check_key_part(field.value_type, f"{what}, field {field.name!r}")
    elif not isinstance(type_.type, BasicValueType) or type_.type.kind not in KEY_KINDS:
        raise DefinitionError(
            f"{what} has the type {type_}, which cannot be a key; keys are of "
            f"{', '.join(sorted(KEY_KINDS))}, or structs of these"
        )


def _check_frozen(info: AnalyzedTypeInfo) -> None:
    if isinstance(info.variant, AnalyzedStructType):
        check_hashable(info.variant.struct_type)
        for field in info.variant.fields:
            _check_frozen(analyze_type_info(field.type_hint))


def _enriched(info: AnalyzedTypeInfo, open_: tuple[type, ...]) -> EnrichedValueType:
    choices = _choices(info)
    attrs = info.attrs if choices is None else {**(info.attrs or {}), VALUES_ATTR: list(choices.values)}
    return EnrichedValueType(_value_type(info, open_), info.nullable, attrs)


def _choices(info: AnalyzedTypeInfo) -> Choices | None:
    """Return the choices of a value, or of the elements of a list."""
    if isinstance(info.variant, AnalyzedListType):
        return _choices(analyze_type_info(info.variant.elem_type))
    return info.variant.choices if isinstance(info.variant, AnalyzedBasicType) else None


def _value_type(info: AnalyzedTypeInfo, open_: tuple[type, ...]) -> ValueType:
    variant = info.variant
    if isinstance(variant, AnalyzedBasicType):
        return BasicValueType(variant.kind)
    if isinstance(variant, AnalyzedStructType):
        return StructType(_struct_fields(info, open_), struct_description(variant.struct_type))
    if isinstance(variant, AnalyzedListType):
        return _list_type(info, variant, open_)
    if isinstance(variant, AnalyzedDictType):
        return _dict_type(info, variant, open_)
    if isinstance(variant, AnalyzedUnionType):
        return _union_type(info, variant)
    if isinstance(variant, AnalyzedAnyType):
        raise DefinitionError(
            "Specific type annotation is expected: Any, or no annotation at all, does not say what to store; "
            "use Json for free-form data"
        )
    raise DefinitionError(f"Unsupported type annotation: {type_name(info.core_type)}{_advice(info)}")


def _list_type(info: AnalyzedTypeInfo, variant: AnalyzedListType, open_: tuple[type, ...]) -> ValueType:
    shown = type_name(info.core_type)
    element = analyze_type_info(variant.elem_type)
    if isinstance(element.variant, AnalyzedAnyType):
        raise DefinitionError(
            f"Specific type annotation is expected for the elements of a list, such as list[str]; got {shown}"
        )
    type_ = _enriched(element, open_)
    if type_.nullable:
        raise DefinitionError(
            f"the elements of a list cannot be None: leave out what is missing; got {shown}"
        )
    if isinstance(type_.type, StructType):
        if variant.vector_info is not None:
            raise DefinitionError(
                f"LTable type must not have a vector info: {shown} is a list of structs, hence "
                "a table; use a plain list"
            )
        return TableType("LTable", StructSchema(type_.type.fields, type_.type.description))
    if isinstance(type_.type, TableType):
        raise DefinitionError(f"a flow cannot hold a list of tables, got {shown}: put it in a struct")
    if type_.type.vector is not None and type_.type.vector.element_type.vector is not None:
        raise DefinitionError(f"a Vector has at most two levels, got {shown}")
    dimension = None if variant.vector_info is None else variant.vector_info.dim
    return BasicValueType("Vector", vector=VectorTypeSchema(type_.type, dimension))


def _dict_type(info: AnalyzedTypeInfo, variant: AnalyzedDictType, open_: tuple[type, ...]) -> ValueType:
    shown = type_name(info.core_type)
    value = analyze_type_info(variant.value_type)
    if isinstance(value.variant, AnalyzedAnyType):
        raise DefinitionError(
            "Specific type annotation is expected for the values of a dict: KTable value must have a Struct "
            f"type, got {shown}; use Json for free-form data, or a struct (dataclass, "
            "NamedTuple, Pydantic model)"
        )
    if not isinstance(value.variant, AnalyzedStructType):
        raise DefinitionError(
            f"KTable value must have a Struct type, got {type_name(value.core_type)} in "
            f"{shown}; use a dataclass, NamedTuple or Pydantic model, or Json for free-form data"
        )
    if value.nullable:
        raise DefinitionError(f"the rows of a table cannot be None, got {shown}")
    keys = key_fields_of(variant.key_type)
    fields = _struct_fields(value, open_)
    twice = {field.name for field in keys} & {field.name for field in fields}
    if twice:
        raise DefinitionError(
            f"{shown}: {', '.join(sorted(twice))} is a field of the key and of the value; rename one of them"
        )
    row = StructSchema((*keys, *fields), struct_description(value.core_type))
    return TableType("KTable", row, len(keys))


def _union_type(info: AnalyzedTypeInfo, variant: AnalyzedUnionType) -> ValueType:
    shown = type_name(info.core_type)
    variants: list[BasicValueType] = []
    for alternative in variant.variant_types:
        type_ = _enriched(analyze_type_info(alternative), ()).type
        if not isinstance(type_, BasicValueType):
            raise DefinitionError(
                f"the alternatives of a union must be basic types, got {type_name(alternative)} in "
                f"{shown}; use a struct with nullable fields, or Json"
            )
        if any(type_.kind == other.kind for other in variants):
            raise DefinitionError(
                f"the alternatives of a union must differ in kind, got {type_.kind} twice in {shown}"
            )
        variants.append(type_)
    return BasicValueType("Union", union=UnionTypeSchema(tuple(variants)))


def _struct_fields(info: AnalyzedTypeInfo, open_: tuple[type, ...]) -> tuple[FieldSchema, ...]:
    assert isinstance(info.variant, AnalyzedStructType)
    struct = info.variant.struct_type
    if struct in open_:
        chain = " -> ".join(item.__name__ for item in (*open_[open_.index(struct) :], struct))
        raise DefinitionError(f"{struct.__name__} contains itself ({chain}); use Json, or keep a key instead")
    fields = []
    for field in info.variant.fields:
        try:
            type_ = _enriched(analyze_type_info(field.type_hint), (*open_, struct))
        except ValueError as error:
            error.add_note(
                f"in struct {struct.__name__}, field {field.name!r} of type {_core_name(field.type_hint)}"
            )
            raise
        fields.append(FieldSchema(field.name, type_, field.description))
    return tuple(fields)


def _core_name(hint: Any) -> str:
    try:
        return type_name(analyze_type_info(hint).core_type)
    except ValueError:
        return type_name(hint)


def type_name(t: Any) -> str:
    """Return a type as users write it."""
    if isinstance(t, type) and not getattr(t, "__args__", None):
        return t.__qualname__.rpartition("<locals>.")[2]
    return str(t).replace("typing.", "").replace("inspect._empty", "no annotation")


def _advice(info: AnalyzedTypeInfo) -> str:
    core, base = info.core_type, info.base_type
    if isinstance(core, str):
        return "; the name cannot be resolved in the module of the annotation"
    if base is tuple:
        return "; use Range for a pair of positions, a NamedTuple for other tuples, list[...] for many values"
    if base in (set, frozenset):
        return "; use list[...], or dict[key, struct] for a table"
    if core is type(None):
        return "; None alone is not a type"
    if base is Literal or (isinstance(base, type) and issubclass(base, enum.Enum)):
        return "; the values of a Literal or Enum must be all str, all int, or all bool, and flags are not combined: use int"
    if isinstance(core, type) and not _is_builtin(core):
        return "; a class must be a dataclass, a NamedTuple or a Pydantic model"
    return ""


def _is_builtin(cls: type) -> bool:
    return cls.__module__ in ("builtins", "collections", "typing", "enum")


def names_of(fields: Iterable[FieldSchema]) -> str:
    """Return ``a, b, c`` for messages."""
    return ", ".join(field.name for field in fields) or "none"
