"""Engine values -> Python values: one generated function per pair of types.

The engine's type and the annotation are compared when the decoder is made; at run time only what the types
leave open is checked.
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
    """Decoder of values of engine type ``src`` for the annotation ``dst``.

    ``None`` passes through: whether a null may come at all is the caller's to decide. Inside structs
    and tables, a null for a field that is not nullable raises ``ValueConversionError``.
    Raises ``DefinitionError`` "declared X, got Y" with the field path if the types do not go together.
    """
    info, at = _checked(field_path, dst)
    source = src.type if isinstance(src, EnrichedValueType) else src
    return _build(f"decode {type_name(info.core_type)}", value_step(source, info, at), at, nullable=True)


def make_engine_key_decoder(
    field_path: Sequence[str], key_fields: Sequence[FieldSchema], dst: AnalyzedTypeInfo | Any
) -> Callable[[tuple[EngineValue, ...]], Any]:
    """Decoder of keys, given as tuples of parts.

    A basic ``dst`` takes a key of one part, a struct takes its fields by name, ``Any`` gives the scalar for
    one part and a tuple for several. Raises ``DefinitionError`` if key and annotation do not go together.
    """
    info, at = _checked(field_path, dst)
    step = unpacked([field.name for field in key_fields], key_step(tuple(key_fields), info, at))
    return _build(f"decode key {type_name(info.core_type)}", step, at)


def make_engine_struct_decoder(
    field_path: Sequence[str], value_fields: Sequence[FieldSchema], dst: AnalyzedTypeInfo | Any
) -> Callable[[tuple[EngineValue, ...]], Any]:
    """Decoder of rows of a target, given as tuples in the order of ``value_fields``.

    ``dst``: a struct class, ``dict[str, Any]`` or ``Any`` for a dict. Raises ``DefinitionError`` otherwise,
    or if a field does not go with its annotation.
    """
    info, at = _checked(field_path, dst)
    fields = tuple(value_fields)
    if not takes_struct(info):
        raise no_match(info, StructType(fields), at)
    step = unpacked([field.name for field in fields], row_step(fields, info, at))
    return _build(f"decode row {type_name(info.core_type)}", step, at)


def is_identity(codec: Callable[..., Any]) -> bool:
    """Whether a decoder gives every value back as it is, so that a column need not be passed through it."""
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
