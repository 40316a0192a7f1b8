"""Finds one type for a field that several ``collect`` calls give."""

from __future__ import annotations

from coco.types.schema import (
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
    ValueType,
    VectorTypeSchema,
)


def unified(left: EnrichedValueType, right: EnrichedValueType) -> EnrichedValueType | None:
    """Return the type that holds the values of both; None if they differ in more than nullability and dimensions.

    Vectors of different dimensions become a vector without a fixed dimension. The result has the attributes that both
    types share.
    """
    value_type = _value_type(left.type, right.type)
    if value_type is None:
        return None
    attrs = left.attrs if left.attrs == right.attrs else None
    return EnrichedValueType(value_type, left.nullable or right.nullable, attrs)


def _value_type(left: ValueType, right: ValueType) -> ValueType | None:
    if left == right:
        return left
    if isinstance(left, BasicValueType) and isinstance(right, BasicValueType):
        return _basic(left, right)
    if isinstance(left, TableType) and isinstance(right, TableType):
        if left.kind != right.kind or left.num_key_parts != right.num_key_parts:
            return None
        fields = _fields(left.row, right.row)
        return None if fields is None else TableType(left.kind, StructSchema(fields), left.num_key_parts)
    if isinstance(left, StructType) and isinstance(right, StructType):
        fields = _fields(left, right)
        return None if fields is None else StructType(fields)
    return None


def _basic(left: BasicValueType, right: BasicValueType) -> BasicValueType | None:
    if left.vector is None or right.vector is None:
        return None
    element = _value_type(left.vector.element_type, right.vector.element_type)
    if not isinstance(element, BasicValueType):
        return None
    dimension = left.vector.dimension if left.vector.dimension == right.vector.dimension else None
    return BasicValueType("Vector", vector=VectorTypeSchema(element, dimension))


def _fields(left: StructSchema, right: StructSchema) -> tuple[FieldSchema, ...] | None:
    if [item.name for item in left.fields] != [item.name for item in right.fields]:
        return None
    result = []
    for mine, theirs in zip(left.fields, right.fields, strict=True):
        type_ = unified(mine.value_type, theirs.value_type)
        if type_ is None:
            return None
        result.append(FieldSchema(mine.name, type_, mine.description))
    return tuple(result)
