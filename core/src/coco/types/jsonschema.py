"""Engine schemas -> JSON Schema (draft 2020-12) of the values' JSON form.

For documentation, query services and model prompts. The stored form is another one (``coco.types.storage``). In JSON, a
struct is an object, and a table is a list of row objects, because the keys of a JSON object can only be text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coco.types.choices import VALUES_ATTR
from coco.types.schema import (
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
    ValueType,
)

_SCALARS: dict[str, dict[str, Any]] = {
    "Bytes": {"type": "string", "contentEncoding": "base64"},
    "Str": {"type": "string"},
    "Bool": {"type": "boolean"},
    "Int64": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "Float32": {"type": "number"},
    "Float64": {"type": "number"},
    "Uuid": {"type": "string", "format": "uuid"},
    "Date": {"type": "string", "format": "date"},
    "Time": {"type": "string", "description": "hh:mm:ss, with an optional fraction, without a time zone"},
    "LocalDateTime": {"type": "string", "description": "yyyy-mm-ddThh:mm:ss, without an offset"},
    "OffsetDateTime": {"type": "string", "format": "date-time"},
    "TimeDelta": {"type": "string", "format": "duration"},
    "Range": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
    "Json": {},
}


def json_schema(type_: EnrichedValueType | ValueType) -> dict[str, Any]:
    """Return the JSON Schema of a value's JSON form, with descriptions. A nullable type has the alternative ``null``."""
    if not isinstance(type_, EnrichedValueType):
        return _value(type_)
    schema = _with_values(_value(type_.type), (type_.attrs or {}).get(VALUES_ATTR))
    if not type_.nullable or not schema:  # an empty schema allows null already
        return schema
    if isinstance(schema.get("type"), str):
        with_null = {**schema, "type": [schema["type"], "null"]}
        return {**with_null, "enum": [*schema["enum"], None]} if "enum" in schema else with_null
    return {"anyOf": [*schema["anyOf"], {"type": "null"}]}


def _with_values(schema: dict[str, Any], values: Sequence[Any] | None) -> dict[str, Any]:
    """Add the list of allowed values, of a scalar or of the elements of a Vector."""
    if values is None:
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": {**schema["items"], "enum": list(values)}}
    return {"type": schema["type"], "enum": list(values)}


def row_json_schema(fields: Sequence[FieldSchema], description: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a row with these fields. A field is required unless it is nullable."""
    properties: dict[str, Any] = {}
    for field in fields:
        schema = json_schema(field.value_type)
        properties[field.name] = {**schema, "description": field.description} if field.description else schema
    result: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [field.name for field in fields if not field.value_type.nullable]
    if required:
        result["required"] = required
    if description:
        result["description"] = description
    return result


def _value(type_: ValueType) -> dict[str, Any]:
    if isinstance(type_, StructType):
        return _row(type_)
    if isinstance(type_, TableType):
        return {"type": "array", "items": _row(type_.row)}
    return _basic(type_)


def _row(schema: StructSchema) -> dict[str, Any]:
    return row_json_schema(schema.fields, schema.description)


def _basic(type_: BasicValueType) -> dict[str, Any]:
    if type_.vector is not None:
        schema: dict[str, Any] = {"type": "array", "items": _basic(type_.vector.element_type)}
        if type_.vector.dimension is not None:
            schema["minItems"] = schema["maxItems"] = type_.vector.dimension
        return schema
    if type_.union is not None:
        return {"anyOf": [_basic(variant) for variant in type_.union.variants]}
    return {**_SCALARS[type_.kind]}
