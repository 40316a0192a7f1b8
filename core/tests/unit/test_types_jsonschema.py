"""JSON Schema of values."""

import dataclasses
import datetime
from typing import NamedTuple

import pydantic
import pytest

from coco.types.analyze import enriched_type_of, struct_fields_of
from coco.types.jsonschema import json_schema, row_json_schema
from coco.types.schema import SCALAR_KINDS, BasicValueType
from coco.typing import Float32, Json, Range, Vector


class Model(pydantic.BaseModel):
    """A thing."""

    title: str = pydantic.Field(description="its name")
    note: str | None = None


class Key(NamedTuple):
    id: int


@dataclasses.dataclass
class Empty:
    pass


MODEL = {
    "type": "object",
    "description": "A thing.",
    "properties": {
        "title": {"type": "string", "description": "its name"},
        "note": {"type": ["string", "null"]},
    },
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (str | None, {"type": ["string", "null"]}),
        (
            int | str,
            {"anyOf": [{"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}, {"type": "string"}]},
        ),
        (bool | str | None, {"anyOf": [{"type": "boolean"}, {"type": "string"}, {"type": "null"}]}),
        (Json, {}),
        (Json | None, {}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (Range, {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}),
        (Vector[Float32, 3], {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}),
        (list[list[float]], {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
        (Model, MODEL),
        (list[Model], {"type": "array", "items": MODEL}),
        (Empty, {"type": "object", "properties": {}, "additionalProperties": False}),
    ],
)
def test_json_schema(annotation, expected):
    assert json_schema(enriched_type_of(annotation)) == expected


def test_a_table_with_keys_is_a_list_of_rows():
    schema = json_schema(enriched_type_of(dict[Key, Model]))
    assert list(schema["items"]["properties"]) == ["id", "title", "note"]
    assert schema["items"]["required"] == ["id", "title"]


def test_rows_and_every_kind():
    assert row_json_schema(struct_fields_of(Model), "A thing.") == MODEL
    for kind in SCALAR_KINDS:
        assert json_schema(BasicValueType(kind)) is not json_schema(BasicValueType(kind))
