"""Annotations to engine schemas: worked examples, keys, tables, unions and each error."""

import collections
import dataclasses
import datetime
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic
import pytest
from numpy.typing import NDArray

from coco.types.analyze import enriched_type_of, key_fields_of, struct_fields_of
from coco.typing import (
    EnrichedValueType,
    Float32,
    Json,
    Range,
    TypeAttr,
    TypeKind,
    Vector,
    VectorInfo,
    analyze_type_info,
    decode_engine_field_schemas,
    decode_engine_value_type,
    encode_engine_value_type,
    encode_enriched_type,
    encode_enriched_type_info,
)


@dataclasses.dataclass
class Person:
    first_name: str
    age: int
    dob: datetime.date


@dataclasses.dataclass(frozen=True)
class Place:
    """Where it is."""

    city: str
    street: str


class Pair(NamedTuple):
    a: int
    b: str


class Model(pydantic.BaseModel):
    """A thing with a title."""

    title: str = pydantic.Field(description="what it is called")
    note: str | None = None


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    id: int


@dataclasses.dataclass
class Node:
    value: int
    children: "list[Node]"


@dataclasses.dataclass
class Left:
    right: "Right"


@dataclasses.dataclass
class Right:
    left: Left


@dataclasses.dataclass
class Inner:
    bad: set[str]


@dataclasses.dataclass
class Outer:
    inner: Inner


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass(frozen=True)
class NestedKey:
    place: Place
    number: int


@dataclasses.dataclass(frozen=True)
class FloatKey:
    x: float


@dataclasses.dataclass
class Keyed:
    a: int
    other: str


def test_t110_a_date_argument_gives_a_str_result():
    def fn(date: datetime.date) -> str:
        return str(date)

    assert encode_enriched_type(typing.get_type_hints(fn)["return"]) == {"type": {"kind": "Str"}}


def test_t111_a_vector():
    assert encode_enriched_type(Vector[np.float32, Literal[768]]) == {
        "type": {"kind": "Vector", "element_type": {"kind": "Float32"}, "dimension": 768}
    }


def test_t112_a_dataclass():
    assert encode_enriched_type(Person) == {
        "type": {
            "kind": "Struct",
            "fields": [
                {"name": "first_name", "type": {"kind": "Str"}},
                {"name": "age", "type": {"kind": "Int64"}},
                {"name": "dob", "type": {"kind": "Date"}},
            ],
        }
    }


@pytest.mark.parametrize("annotation", [dict[str, Person], Mapping[str, Person]])
def test_t113_a_dict_of_structs_is_a_ktable(annotation):
    encoded = encode_enriched_type(annotation)["type"]
    assert (encoded["kind"], encoded["num_key_parts"]) == ("KTable", 1)
    assert encoded["row"]["fields"][0] == {"name": "_key", "type": {"kind": "Str"}}
    assert [field["name"] for field in encoded["row"]["fields"][1:]] == ["first_name", "age", "dob"]


def test_t114_a_nullable_str():
    assert encode_enriched_type(str | None) == {"type": {"kind": "Str"}, "nullable": True}


@pytest.mark.parametrize("annotation", [list[Person], Sequence[Person]])
def test_t115_a_list_of_structs_is_an_ltable(annotation):
    encoded = encode_enriched_type(annotation)["type"]
    assert encoded["kind"] == "LTable" and "num_key_parts" not in encoded
    assert [field["name"] for field in encoded["row"]["fields"]] == ["first_name", "age", "dob"]


def test_none_stays_none():
    assert encode_enriched_type(None) is None


def test_attributes_and_descriptions():
    assert encode_enriched_type_info(analyze_type_info(Annotated[str, TypeAttr("unit", "m")])) == {
        "type": {"kind": "Str"},
        "attrs": {"unit": "m"},
    }
    assert encode_enriched_type(Model)["type"] == {
        "kind": "Struct",
        "description": "A thing with a title.",
        "fields": [
            {"name": "title", "type": {"kind": "Str"}, "description": "what it is called"},
            {"name": "note", "type": {"kind": "Str"}, "nullable": True},
        ],
    }
    assert encode_enriched_type(dict[str, Place])["type"]["row"]["description"] == "Where it is."
    assert "description" not in encode_enriched_type(Pair)["type"]  # what NamedTuple writes is no docstring


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (list[float], "Vector[Float64]"),
        (list[list[float]], "Vector[Vector[Float64]]"),
        (Vector[Vector[np.float32, Literal[2]], Literal[3]], "Vector[Vector[Float32, 2], 3]"),
        (NDArray[np.int64], "Vector[Int64]"),
        (Vector[Json], "Vector[Json]"),
        (list[int | str], "Vector[Int64 | Str]"),
        (int | str | None, "Int64 | Str?"),
        (list[float] | str, "Vector[Float64] | Str"),
        (Annotated[float | None, TypeKind("Float32")], "Float32?"),
        (Empty, "Struct()"),
    ],
)
def test_other_types(annotation, shown):
    assert str(enriched_type_of(annotation)) == shown


@pytest.mark.parametrize(
    "annotation", [Person, dict[Pair, Model], list[Pair], Vector[Float32, 3] | None, int | str, Vector[Range]]
)
def test_json_and_schemas_are_inverse(annotation):
    schema = enriched_type_of(annotation)
    assert EnrichedValueType.decode(schema.encode()) == schema
    assert decode_engine_value_type(encode_engine_value_type(schema.type)) == schema.type


def test_field_schemas_decode():
    fields = struct_fields_of(Model)
    assert decode_engine_field_schemas([field.encode() for field in fields]) == fields
    assert (
        decode_engine_field_schemas([field.encode() for field in fields])[0].description
        == "what it is called"
    )
    with pytest.raises(ValueError, match=r"expected a struct .*got int"):
        struct_fields_of(int)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (str, ["_key"]),
        (Range, ["_key"]),
        (datetime.datetime, ["_key"]),
        (Place, ["city", "street"]),
        (Pair, ["a", "b"]),
        (FrozenModel, ["id"]),
        (NestedKey, ["place", "number"]),
    ],
)
def test_key_fields(key, names):
    assert [field.name for field in key_fields_of(key)] == names
    table = enriched_type_of(dict[key, Empty]).type
    assert [field.name for field in table.key_fields] == names
    assert table.value_fields == ()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (float, "Float64, which cannot be a key"),
        (Float32, "Float32, which cannot be a key"),
        (Json, "Json, which cannot be a key"),
        (list[int], "cannot be a key"),
        (int | str, "cannot be a key"),
        (dict[str, Place], "cannot be a key"),
        (str | None, "may be None, and a key may not"),
        (FloatKey, "key field 'x' has the type Float64"),
        (Person, r"Person cannot be a key.*@dataclass\(frozen=True\)"),
        (Model, "key field 'note' may be None"),
        (Empty, "no fields"),
        (Any, "Specific type annotation is expected"),
    ],
)
def test_what_cannot_be_a_key(key, message):
    with pytest.raises(ValueError, match=message):
        key_fields_of(key)
    with pytest.raises(ValueError, match=message):
        enriched_type_of(dict[key, Place])


def test_a_mutable_pydantic_key_gets_its_own_fix():
    class Mutable(pydantic.BaseModel):
        id: int

    with pytest.raises(ValueError, match="ConfigDict"):
        key_fields_of(Mutable)


def test_a_name_in_key_and_value():
    with pytest.raises(ValueError, match="a is a field of the key and of the value"):
        enriched_type_of(dict[Pair, Keyed])


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (NDArray[Any], "NDArray for Vector must use a concrete numpy dtype"),
        (NDArray[np.int32], "Unsupported NumPy dtype in NDArray"),
        (set[str], r"Unsupported type annotation: set\[str\].*list"),
        (tuple[int, int], "Unsupported type annotation: tuple.*Range"),
        (Inner | None, "Unsupported type annotation: set"),
        (object(), "Unsupported type annotation"),
        ("Missing", "Unsupported type annotation: Missing; the name cannot be resolved"),
        (Any, "Specific type annotation is expected"),
        (list, "Specific type annotation is expected"),
        (list[Any], "Specific type annotation is expected"),
        (dict, "Specific type annotation is expected.*Json.*struct"),
        (dict[str, Any], "KTable value must have a Struct type.*Json"),
        (dict[str, int], "KTable value must have a Struct type, got int"),
        (dict[str, Person | None], "rows of a table cannot be None"),
        (Annotated[list[Person], VectorInfo(3)], "LTable type must not have a vector info"),
        (list[Person | None], "elements of a list cannot be None"),
        (list[str | None], "elements of a list cannot be None"),
        (list[list[Person]], "a list of tables"),
        (list[list[list[float]]], "at most two levels"),
        (int | Person, "alternatives of a union must be basic"),
        (list[float] | list[str] | int, "must differ in kind, got Vector twice"),
        (int | np.int64, "must differ in kind, got Int64 twice"),
        (Node, r"Node contains itself \(Node -> Node\)"),
        (Left, r"contains itself \(Left -> Right -> Left\)"),
        (collections.namedtuple("bare", ["a"]), "Specific type annotation is expected"),
    ],
)
def test_errors(annotation, message):
    with pytest.raises(ValueError, match=message):
        enriched_type_of(annotation)


def test_an_error_in_a_struct_has_notes_from_inside_out():
    with pytest.raises(ValueError, match="Unsupported type annotation") as caught:
        enriched_type_of(Outer)
    assert caught.value.__notes__ == [
        "in struct Inner, field 'bad' of type set[str]",
        "in struct Outer, field 'inner' of type Inner",
    ]
