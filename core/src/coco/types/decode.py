"""Engine values -> Python values: one generated function per pair of types.

The engine type and the annotation are compared when a decoder is made. At run time a decoder checks only what the types
leave open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coco.types.codegen import FunctionWriter
from coco.types.decode_plan import key_step, no_match, row_step, takes_struct, value_step
from coco.types.mismatch import Path
from coco.types.schema import EngineValue, EnrichedValueType, FieldSchema, StructType, ValueType
from coco.types.steps import Step, unpacked
from coco.types.to_schema import type_name
from coco.types.type_info import AnalyzedTypeInfo, AnalyzedUnknownType, analyze_type_info

Decoder = Callable[[EngineValue], Any]


def make_engine_value_decoder(
    field_path: Sequence[str], src: EnrichedValueType | ValueType, dst: AnalyzedTypeInfo | Any
) -> Decoder:
    """Return a decoder from values of engine type ``src`` to values of the annotation ``dst``.

    The decoder returns ``None`` for ``None``; the caller checks whether a null is allowed. Inside structs and tables, a
    null for a field that is not nullable raises ``ValueConversionError``. If the types do not match, this function raises
    ``DefinitionError`` "declared X, got Y" with the path of the field.
    """
    info, at = _checked(field_path, dst)
    source = src.type if isinstance(src, EnrichedValueType) else src
    return _build(f"decode {type_name(info.core_type)}", value_step(source, info, at), at, nullable=True)


def make_engine_key_decoder(
    field_path: Sequence[str], key_fields: Sequence[FieldSchema], dst: AnalyzedTypeInfo | Any
) -> Callable[[tuple[EngineValue, ...]], Any]:
    """Return a decoder of keys, which it takes as tuples of parts.

    A basic ``dst`` requires a key of one part. A struct takes its fields by name. ``Any`` gives the scalar for one part
    and a tuple for several. Raises ``DefinitionError`` if key and annotation do not match.
    """
    info, at = _checked(field_path, dst)
    step = unpacked([field.name for field in key_fields], key_step(tuple(key_fields), info, at))
    return _build(f"decode key {type_name(info.core_type)}", step, at)


def make_engine_struct_decoder(
    field_path: Sequence[str], value_fields: Sequence[FieldSchema], dst: AnalyzedTypeInfo | Any
) -> Callable[[tuple[EngineValue, ...]], Any]:
    """Return a decoder of rows of a target, which it takes as tuples in the order of ``value_fields``.

    dst: a struct class, or ``dict[str, Any]`` or ``Any`` for a dict. Raises ``DefinitionError`` for other annotations,
    and if a field does not match its annotation.
    """
    info, at = _checked(field_path, dst)
    fields = tuple(value_fields)
    if not takes_struct(info):
        raise no_match(info, StructType(fields), at)
    step = unpacked([field.name for field in fields], row_step(fields, info, at))
    return _build(f"decode row {type_name(info.core_type)}", step, at)


def is_identity(codec: Callable[..., Any]) -> bool:
    """Return whether a decoder returns every value unchanged, so that a column need not pass through it."""
    return codec is _identity


def _identity(value: EngineValue) -> Any:
    return value


def _checked(field_path: Sequence[str], dst: AnalyzedTypeInfo | Any) -> tuple[AnalyzedTypeInfo, Path]:
    info, at = analyze_type_info(dst), tuple(field_path)
    if isinstance(info.variant, AnalyzedUnknownType):
        raise no_match(info, None, at)
    return info, at


def _build(title: str, step: Step | None, path: Path, *, nullable: bool = False) -> Callable[[Any], Any]:
    if step is None:
        return _identity
    writer = FunctionWriter(title)
    if nullable:
        with writer.block("if v is not None:"):
            step(writer, "v", path)
    else:
        step(writer, "v", path)
    writer.line("return v")
    return writer.build("v")
