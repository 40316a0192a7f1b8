"""Plans the conversion from an engine type to an annotation, or tells why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coco.errors import DefinitionError, ValueConversionError, format_path
from coco.types.choices import Choices
from coco.types.codegen import FunctionWriter
from coco.types.json_values import json_out
from coco.types.mismatch import Path
from coco.types.natural import natural, natural_key, natural_row
from coco.types.numpy_types import DtypeRegistry, is_ndarray_type, is_numpy_number_type
from coco.types.scalars import SCALARS_OUT, to_float32
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType, TableType, ValueType
from coco.types.steps import (
    RowStep,
    Step,
    apply,
    apply_at,
    chain,
    check_at,
    keyed,
    list_of,
    null_aware,
    run,
    tagged,
    unpacked,
)
from coco.types.struct_build import construct
from coco.types.struct_types import AnalyzedStructFieldInfo, check_constructible, check_hashable
from coco.types.to_schema import enriched_type_of, names_of, type_name
from coco.types.type_info import (
    AnalyzedAnyType,
    AnalyzedBasicType,
    AnalyzedDictType,
    AnalyzedListType,
    AnalyzedStructType,
    AnalyzedTypeInfo,
    AnalyzedUnionType,
    AnalyzedUnknownType,
    analyze_type_info,
)
from coco.types.vectors import check_dimension, packed_to_array, packed_to_list, packed_to_other_array

_CONVERSIONS = {("Int64", "Float32"), ("Int64", "Float64"), ("Float32", "Float64"), ("Float64", "Float32")}
"""Kinds of values that a parameter of another kind accepts."""


def no_match(info: AnalyzedTypeInfo, src: ValueType | None, at: Path, why: str = "") -> DefinitionError:
    """Return the error for an engine type that does not match an annotation. ``src`` None: no engine type matches."""
    place = f" - at {format_path(at)}" if at else ""
    if src is None or isinstance(info.variant, AnalyzedUnknownType):
        return DefinitionError(f"Unsupported type annotation: {type_name(info.core_type)}{place}")
    return DefinitionError(f"declared {_shown(info)}, got {src}{f': {why}' if why else ''}{place}")


def _shown(info: AnalyzedTypeInfo) -> str:
    if isinstance(info.variant, (AnalyzedStructType, AnalyzedDictType)):
        return type_name(info.core_type)
    try:
        return str(enriched_type_of(info).type)
    except ValueError:
        return type_name(info.core_type)


def value_step(src: ValueType, info: AnalyzedTypeInfo, at: Path) -> Step | None:
    """Return the step for values that are not null. Raises ``DefinitionError`` if the types do not match."""
    variant = info.variant
    if isinstance(variant, AnalyzedAnyType):
        return natural(src)
    if isinstance(variant, AnalyzedUnionType) and isinstance(src, BasicValueType):
        return _to_union(src, info, variant, at)
    if isinstance(variant, AnalyzedBasicType) and isinstance(src, BasicValueType):
        if variant.choices is not None:
            return _to_choice(src, info, variant.choices, at)
        return _to_basic(src, info, variant.kind, at)
    if isinstance(variant, AnalyzedListType):
        return _to_list(src, info, variant, at)
    if isinstance(variant, AnalyzedDictType):
        return _to_dict(src, info, variant, at)
    if isinstance(variant, AnalyzedStructType) and isinstance(src, StructType):
        return unpacked([field.name for field in src.fields], row_step(src.fields, info, at))
    raise no_match(info, src, at)


def field_step(src: EnrichedValueType, info: AnalyzedTypeInfo, at: Path) -> Step | None:
    """Return the step for values inside others, which may be null."""
    allowed = info.nullable or isinstance(info.variant, AnalyzedAnyType)
    return null_aware(
        value_step(src.type, info, at), source=src.nullable, target=allowed, expected=_shown(info)
    )


def takes_struct(info: AnalyzedTypeInfo) -> bool:
    """Return whether a struct can be decoded for this annotation."""
    return isinstance(info.variant, (AnalyzedStructType, AnalyzedAnyType)) or _is_free_dict(info)


def _is_free_dict(info: AnalyzedTypeInfo) -> bool:
    """``dict``, ``dict[str, Any]``, ``Mapping[str, Any]``."""
    return (
        isinstance(info.variant, AnalyzedDictType)
        and info.variant.value_type is Any
        and info.variant.key_type in (Any, str)
    )


def row_step(fields: Sequence[FieldSchema], info: AnalyzedTypeInfo, at: Path) -> RowStep:
    """Return the ``RowStep`` for a struct class, by field name, or for a dict."""
    if not isinstance(info.variant, AnalyzedStructType):
        if takes_struct(info):
            return natural_row(fields)
        raise no_match(info, StructType(tuple(fields)), at)
    cls = info.variant.struct_type
    check_constructible(cls)
    position = {field.name: index for index, field in enumerate(fields)}
    plan: list[tuple[AnalyzedStructFieldInfo, int | str, Step | None]] = []
    for member in info.variant.fields:
        if not member.init:
            continue
        member_info = analyze_type_info(member.type_hint)
        if member.name in position:
            index = position[member.name]
            plan.append(
                (member, index, field_step(fields[index].value_type, member_info, (*at, member.name)))
            )
        elif not member.has_default:
            plan.append((member, _substitute(info, member, member_info, fields, at), None))

    def write(writer: FunctionWriter, variables: Sequence[str], path: Path) -> str:
        given = []
        for member, source, step in plan:
            if isinstance(source, int):
                run(step, writer, variables[source], (*path, member.name))
                given.append((member, variables[source]))
            else:
                given.append((member, source))
        return construct(writer, cls, given, path)

    return write


def _substitute(
    info: AnalyzedTypeInfo,
    member: AnalyzedStructFieldInfo,
    member_info: AnalyzedTypeInfo,
    fields: Sequence[FieldSchema],
    at: Path,
) -> str:
    """Return source text of the value for a field that the row lacks and that has no default in the class."""
    if member_info.nullable:
        return "None"
    if isinstance(member_info.variant, AnalyzedListType) and not is_ndarray_type(member_info.base_type):
        return "[]"
    if isinstance(member_info.variant, AnalyzedDictType):
        return "{}"
    why = f"field {member.name!r} has no default and is not among the fields {names_of(fields)}"
    raise no_match(info, StructType(tuple(fields)), at, why)


def key_step(fields: Sequence[FieldSchema], info: AnalyzedTypeInfo, at: Path) -> RowStep:
    """Return the ``RowStep`` for a key."""
    if isinstance(info.variant, AnalyzedAnyType):
        return natural_key(fields)
    if isinstance(info.variant, AnalyzedStructType):
        check_hashable(info.variant.struct_type)
        only = fields[0].value_type.type if len(fields) == 1 else None
        by_name = {member.name for member in info.variant.fields}
        if not isinstance(only, StructType) or fields[0].name in by_name:
            return row_step(fields, info, at)
    elif len(fields) != 1 or not isinstance(info.variant, (AnalyzedBasicType, AnalyzedUnionType)):
        why = f"a key of {len(fields)} parts needs a struct" if len(fields) != 1 else "a key must be hashable"
        raise no_match(info, StructType(tuple(fields)), at, why)
    step = field_step(fields[0].value_type, info, at)

    def write(writer: FunctionWriter, variables: Sequence[str], path: Path) -> str:
        run(step, writer, variables[0], path)
        return variables[0]

    return write


def _to_basic(src: BasicValueType, info: AnalyzedTypeInfo, kind: str, at: Path) -> Step | None:
    number = apply(info.core_type) if is_numpy_number_type(info.core_type) else None
    if src.kind == kind:
        return chain(apply(SCALARS_OUT[kind]), number)
    if (src.kind, kind) not in _CONVERSIONS:
        raise no_match(info, src, at)
    if kind == "Float32":
        return chain(apply_at(to_float32), number)
    return chain(apply(float) if src.kind == "Int64" else None, number)


def _to_choice(src: BasicValueType, info: AnalyzedTypeInfo, choices: Choices, at: Path) -> Step:
    if src.kind != choices.kind:
        raise no_match(info, src, at)
    return apply_at(choices.decoder())


def _to_union(
    src: BasicValueType, info: AnalyzedTypeInfo, variant: AnalyzedUnionType, at: Path
) -> Step | None:
    if src.union is not None:
        return tagged([_to_union(item, info, variant, at) for item in src.union.variants])
    infos = [analyze_type_info(item) for item in variant.variant_types]
    exact = [item for item in infos if _kind_of(item) == src.kind]
    for alternative in (*exact, *(item for item in infos if item not in exact)):
        try:
            return value_step(src, alternative, at)
        except DefinitionError:
            continue
    raise no_match(info, src, at)


def _kind_of(info: AnalyzedTypeInfo) -> str:
    if isinstance(info.variant, AnalyzedListType):
        return "Vector"
    return info.variant.kind if isinstance(info.variant, AnalyzedBasicType) else ""


def _to_list(src: ValueType, info: AnalyzedTypeInfo, variant: AnalyzedListType, at: Path) -> Step | None:
    if isinstance(src, TableType):
        element = analyze_type_info(variant.elem_type)
        if is_ndarray_type(info.base_type) or variant.vector_info is not None or not takes_struct(element):
            raise no_match(info, src, at)
        return list_of(
            unpacked([field.name for field in src.row.fields], row_step(src.row.fields, element, at))
        )
    if not isinstance(src, BasicValueType) or src.vector is None:
        raise no_match(info, src, at)
    wanted = variant.vector_info.dim if variant.vector_info is not None else None
    given = src.vector.dimension
    if wanted is not None and given is not None and wanted != given:
        raise no_match(info, src, at, f"dimension mismatch: expected {wanted}, got {given}")
    kind = src.vector.element_type.kind
    packed = src.packed_format is not None
    check = None
    if wanted is not None and given is None:
        check = check_at(check_dimension(kind if packed else None, wanted))
    if is_ndarray_type(info.base_type):
        return chain(
            check, _to_array(src, info, DtypeRegistry.validate_dtype_and_get_kind(variant.elem_type), at)
        )
    try:
        step = value_step(src.vector.element_type, analyze_type_info(variant.elem_type), at)
    except DefinitionError:
        raise no_match(info, src, at) from None
    if not packed:
        return chain(check, list_of(step))
    return chain(check, apply(packed_to_list(kind, given)), list_of(step) if step is not None else None)


def _to_array(src: BasicValueType, info: AnalyzedTypeInfo, kind: str, at: Path) -> Step | None:
    assert src.vector is not None
    source_kind = src.vector.element_type.kind
    if source_kind == kind and src.packed_format is not None:
        return apply(packed_to_array(kind))
    if (source_kind, kind) in _CONVERSIONS:
        return apply_at(packed_to_other_array(source_kind, kind))
    raise no_match(info, src, at)


def _to_dict(src: ValueType, info: AnalyzedTypeInfo, variant: AnalyzedDictType, at: Path) -> Step | None:
    if isinstance(src, TableType) and src.kind == "KTable":
        value = analyze_type_info(variant.value_type)
        if not takes_struct(value):
            raise no_match(info, src, at)
        key = key_step(src.key_fields, analyze_type_info(variant.key_type), (*at, "<key>"))
        row = row_step(src.value_fields, value, at)
        return keyed([field.name for field in src.row.fields], len(src.key_fields), key, row)
    if _is_free_dict(info):
        if isinstance(src, StructType):
            return unpacked([field.name for field in src.fields], natural_row(src.fields))
        if isinstance(src, BasicValueType) and src.kind == "Json":
            return apply_at(_json_object)
    raise no_match(info, src, at)


def _json_object(text: str, path: Path) -> dict[str, Any]:
    value = json_out(text)
    if not isinstance(value, dict):
        raise ValueConversionError("a JSON object", f"JSON {type(value).__name__}", path)
    return value
