"""Decoders to natural Python values, for arguments without an annotation."""

from __future__ import annotations

from collections.abc import Sequence

from coco.types.codegen import FunctionWriter
from coco.types.mismatch import Path
from coco.types.scalars import SCALARS_OUT
from coco.types.schema import (
    PACKED_VECTOR_FORMATS,
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructType,
    TableType,
    ValueType,
)
from coco.types.steps import RowStep, Step, apply, keyed, list_of, null_aware, run, tagged, unpacked
from coco.types.vectors import packed_to_array, packed_to_list


def natural(type_: ValueType) -> Step | None:
    """Return the step to natural values: vectors of numbers become arrays, other vectors and LTables lists, structs and
    KTables dicts, and scalars the Python values of their kind.
    """
    if isinstance(type_, StructType):
        return unpacked([field.name for field in type_.fields], natural_row(type_.fields))
    if isinstance(type_, TableType):
        names = [field.name for field in type_.row.fields]
        if type_.kind == "LTable":
            return list_of(unpacked(names, natural_row(type_.row.fields)))
        key, row = natural_key(type_.key_fields), natural_row(type_.value_fields)
        return keyed(names, len(type_.key_fields), key, row)
    if type_.vector is not None:
        if type_.packed_format is not None:
            return _numbers(type_)
        return list_of(natural(type_.vector.element_type))
    if type_.union is not None:
        return tagged([natural(variant) for variant in type_.union.variants])
    return apply(SCALARS_OUT[type_.kind])


def _numbers(type_: BasicValueType) -> Step | None:
    assert type_.vector is not None
    kind = type_.vector.element_type.kind
    assert kind in PACKED_VECTOR_FORMATS
    try:
        return apply(packed_to_array(kind))
    except ModuleNotFoundError:  # NumPy is optional; without it a list has to do
        return apply(packed_to_list(kind, type_.vector.dimension))


def natural_value(type_: EnrichedValueType) -> Step | None:
    """Return the same for a value that may be null."""
    return null_aware(natural(type_.type), source=type_.nullable, target=True, expected="")


def natural_row(fields: Sequence[FieldSchema]) -> RowStep:
    """Write a dict by field name."""
    steps = [natural_value(field.value_type) for field in fields]

    def write(writer: FunctionWriter, variables: Sequence[str], path: Path) -> str:
        entries = []
        for field, step, variable in zip(fields, steps, variables, strict=True):
            run(step, writer, variable, (*path, field.name))
            entries.append(f"{field.name!r}: {variable}")
        return f"{{{', '.join(entries)}}}"

    return write


def natural_key(fields: Sequence[FieldSchema]) -> RowStep:
    """Write the scalar for a key of one part and a tuple for several. Both are hashable."""
    steps = [_key_part(field.value_type.type) for field in fields]

    def write(writer: FunctionWriter, variables: Sequence[str], path: Path) -> str:
        for field, step, variable in zip(fields, steps, variables, strict=True):
            run(step, writer, variable, (*path, field.name))
        return variables[0] if len(variables) == 1 else f"({', '.join(variables)})"

    return write


def _key_part(type_: ValueType) -> Step | None:
    if not isinstance(type_, StructType):
        return natural(type_)
    steps = [_key_part(field.value_type.type) for field in type_.fields]

    def row(writer: FunctionWriter, variables: Sequence[str], path: Path) -> str:
        for step, variable in zip(steps, variables, strict=True):
            run(step, writer, variable, path)
        return f"({', '.join(variables)}{',' if len(variables) == 1 else ''})"

    return unpacked([field.name for field in type_.fields], row)
