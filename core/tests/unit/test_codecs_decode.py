"""Decoders: compatible pairs, fields by name, keys, target rows, natural form, errors."""

import dataclasses
import datetime
import linecache
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest
from numpy.typing import NDArray

from coco.engine_value import (
    make_engine_key_decoder,
    make_engine_struct_decoder,
    make_engine_value_decoder,
    make_engine_value_encoder,
)
from coco.errors import DefinitionError, ValueConversionError
from coco.types.analyze import enriched_type_of, key_fields_of, struct_fields_of
from coco.types.columns import decode_column, encode_column
from coco.typing import Float32, Json, Range, Vector

pytestmark = pytest.mark.kernels


@dataclasses.dataclass
class Person:
    name: str
    age: int | None
    scores: list[float]


@dataclasses.dataclass
class Named:
    name: str


@dataclasses.dataclass
class Defaults:
    name: str
    extra: str | None
    items: list[str]
    table: dict[str, Named]
    count: int = 7
    made: list[int] = dataclasses.field(default_factory=lambda: [1])
    computed: str = dataclasses.field(init=False, default="c")


class Pair(NamedTuple):
    a: int
    b: str


@dataclasses.dataclass(frozen=True)
class Key:
    b: str
    a: int


@dataclasses.dataclass(frozen=True)
class Deep:
    pair: Pair
    n: int


@dataclasses.dataclass
class Row:
    """Key and value fields together."""

    a: int
    b: str
    name: str


@dataclasses.dataclass
class KeywordOnly:
    a: int
    b: str = dataclasses.field(kw_only=True)
    c: int = 0


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2, alias="the name")
    age: int | None = None


class Strict(pydantic.BaseModel):
    items: list[Model]


@dataclasses.dataclass
class WithInitVar:
    name: str
    helper: dataclasses.InitVar[int]


def transfer(source: Any, target: Any, value: Any) -> Any:
    encoded = make_engine_value_encoder(source)(value)
    return make_engine_value_decoder(["arg"], enriched_type_of(source), target)(encoded)


ADA = Person("Ada", None, [1.0])


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        (int, float, 5, 5.0),
        (int, Float32, 5, 5.0),
        (int, np.float64, 5, np.float64(5)),
        (Float32, float, 0.5, 0.5),
        (float, Float32, 0.1, 0.10000000149011612),
        (float, np.float32, 0.5, np.float32(0.5)),
        (Json, dict, {"a": 1}, {"a": 1}),
        (Json, dict[str, Any], {"a": 1}, {"a": 1}),
        (Json, Any, [1], [1]),
        (Person, Person, ADA, ADA),
        (Person, Named, ADA, Named("Ada")),
        (Person, dict[str, Any], Person("Ada", 3, []), {"name": "Ada", "age": 3}),
        (list[Person], list[Named], [ADA], [Named("Ada")]),
        (list[Person], Sequence[Person], [ADA, ADA], [ADA, ADA]),
        (list[Pair], list[dict[str, Any]], [Pair(1, "x")], [{"a": 1, "b": "x"}]),
        (list[Pair], list, [Pair(1, "x")], [{"a": 1, "b": "x"}]),
        (dict[str, Named], dict[str, Named], {"k": Named("a")}, {"k": Named("a")}),
        (dict[Pair, Named], dict[Key, Named], {Pair(1, "x"): Named("a")}, {Key("x", 1): Named("a")}),
        (
            dict[Pair, Named],
            Mapping[Pair, dict[str, Any]],
            {Pair(1, "x"): Named("a")},
            {Pair(1, "x"): {"name": "a"}},
        ),
        (dict[Pair, Named], list[Row], {Pair(1, "x"): Named("a")}, [Row(1, "x", "a")]),
        (dict[Pair, Named], dict, {Pair(1, "x"): Named("a")}, {(1, "x"): {"name": "a"}}),
        (str, int | str, "a", "a"),
        (int, float | str, 5, 5.0),
        (int | str, str | int | bytes, 5, 5),
        (int | str, Any, "a", "a"),
        (int | datetime.date, Any, datetime.date(1, 1, 2), datetime.date(1, 1, 2)),
        (str, str | None, "a", "a"),
        (KeywordOnly, KeywordOnly, KeywordOnly(1, b="x"), KeywordOnly(1, b="x")),
        (Deep, Deep, Deep(Pair(1, "x"), 2), Deep(Pair(1, "x"), 2)),
    ],
)
def test_compatible_pairs(source, target, value, expected):
    result = transfer(source, target, value)
    if target == dict[str, Any] and source is Person:
        assert isinstance(result.pop("scores"), np.ndarray)  # numbers are arrays in the natural form
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (str, int, "declared Int64, got Str - at flow.arg"),
        (float, int, "declared Int64, got Float64"),
        (bool, int, "declared Int64, got Bool"),
        (int, str, "declared Str, got Int64"),
        (str, bytes, "declared Bytes, got Str"),
        (str, Json, "declared Json, got Str"),
        (Person, Json, "declared Json, got Struct"),
        (Json, str, "declared Str, got Json"),
        (Json, Person, "declared Person, got Json"),
        (int | str, int, r"declared Int64, got Int64 \| Str"),
        (int | str, int | bytes, r"declared Int64 \| Bytes, got Str"),
        (bytes, int | str, r"declared Int64 \| Str, got Bytes"),
        (Person, int | str, r"declared Int64 \| Str, got Struct"),
        (Person, list[Person], "declared LTable.*, got Struct"),
        (list[Person], Person, "declared Person, got LTable"),
        (list[Person], dict[str, Person], r"declared dict\[str, .*Person\], got LTable"),
        (dict[str, Named], dict[int, Named], "declared Int64, got Str - at flow.arg.<key>"),
        (dict[str, Named], Named, "declared Named, got KTable"),
        (dict[Pair, Named], dict[str, Named], "declared Str, got Struct.*: a key of 2 parts needs a struct"),
        (list[Pair], NDArray[np.float32], r"declared Vector\[Float32\], got LTable"),
        (Person, dict[str, int], r"declared dict\[str, int\], got Struct"),
        (Pair, Person, "field 'name' has no default and is not among the fields a, b"),
        (dict[Pair, Named], list[Deep], "declared Deep, got Struct.*field 'pair' has no default"),
        (Person, WithInitVar, "InitVar 'helper'"),
        (str, set, "Unsupported type annotation: set - at flow.arg"),
        (dict[Pair, Named], dict[Person, Named], "Person cannot be a key"),
    ],
)
def test_incompatible_pairs(source, target, message):
    with pytest.raises(DefinitionError, match=message):
        make_engine_value_decoder(["flow", "arg"], enriched_type_of(source), target)


def test_the_path_leads_to_the_field():
    @dataclasses.dataclass
    class Wrong:
        name: int

    with pytest.raises(DefinitionError, match=r"declared Int64, got Str - at arg.name"):
        make_engine_value_decoder(["arg"], enriched_type_of(Person), Wrong)


def test_fields_that_the_source_lacks():
    decode = make_engine_value_decoder(["arg"], enriched_type_of(Named), Defaults)
    first, second = decode(("Ada",)), decode(("Ada",))
    assert first == Defaults("Ada", None, [], {})
    assert (first.count, first.made, first.computed) == (7, [1], "c")
    assert first.made is not second.made and first.items is not second.items


def test_a_null_for_a_field_that_is_not_nullable_is_a_row_error():
    @dataclasses.dataclass
    class Sure:
        age: int

    decode = make_engine_value_decoder(["arg"], enriched_type_of(list[Person]), list[Sure])
    assert decode((("a", 1, b""),)) == [Sure(1)]
    with pytest.raises(
        ValueConversionError, match=r"expected Int64, declared non-nullable, got None - at arg\[1\].age"
    ):
        decode((("a", 1, b""), ("b", None, b"")))


def test_json_that_is_no_object_for_a_dict():
    with pytest.raises(ValueConversionError, match="expected a JSON object, got JSON list - at arg"):
        transfer(Json, dict[str, Any], [1])


def test_pydantic_validates_and_errors_name_the_place():
    source = enriched_type_of(list[Named])
    decode = make_engine_value_decoder(["arg"], source, list[Model])
    assert decode((("Ada",),))[0].name == "Ada"
    with pytest.raises(
        ValueConversionError, match=r"expected a valid Model, .* at least 2 characters - at arg\[1\]"
    ) as caught:
        decode((("Ada",), ("Q",)))
    assert "'Q'" not in str(caught.value)


def test_nested_pydantic_models_arrive_as_models():
    strict = Strict(items=[Model(**{"the name": "Ada"})])
    assert transfer(Strict, Strict, strict) == strict


def test_decoded_values_are_the_users_own():
    decode = make_engine_value_decoder(["arg"], enriched_type_of(list[str]), list[str])
    engine = ("a",)
    decode(engine).append("b")
    assert decode(engine) == ["a"]


# Keys


def test_key_decoders():
    pair = key_fields_of(Pair)
    assert make_engine_key_decoder(["<key>"], key_fields_of(str), str)(("a",)) == "a"
    assert make_engine_key_decoder(["<key>"], key_fields_of(datetime.date), datetime.date)(
        (1,)
    ) == datetime.date(1, 1, 1)
    assert make_engine_key_decoder(["<key>"], key_fields_of(int), float)((1,)) == 1.0
    assert make_engine_key_decoder(["<key>"], pair, Key)((1, "x")) == Key("x", 1)
    assert make_engine_key_decoder(["<key>"], pair, Any)((1, "x")) == (1, "x")
    assert make_engine_key_decoder(["<key>"], key_fields_of(Range), Any)(((0, 1),)) == (0, 1)
    deep = make_engine_key_decoder(["<key>"], key_fields_of(Deep), Any)(((1, "x"), 2))
    assert deep == ((1, "x"), 2) and hash(deep)
    part = struct_fields_of(Deep)[:1]
    assert make_engine_key_decoder(["<key>"], part, Pair)(((1, "x"),)) == Pair(1, "x")
    assert make_engine_key_decoder(["<key>"], pair[:1], Any)((1,)) == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (str, "a key of 2 parts needs a struct - at <key>"),
        (Person, "Person cannot be a key"),
        (dict[str, Any], "a key of 2 parts needs a struct"),
        (tuple[int, str], "Unsupported type annotation: tuple"),
        (Deep, "field 'pair' has no default"),
    ],
)
def test_key_decoders_that_cannot_be(target, message):
    with pytest.raises(DefinitionError, match=message):
        make_engine_key_decoder(["<key>"], key_fields_of(Pair), target)


def test_a_key_must_be_hashable():
    with pytest.raises(DefinitionError, match="a key must be hashable"):
        make_engine_key_decoder(["<key>"], struct_fields_of(Deep)[:1], dict[str, Any])


# Rows of targets


def test_struct_decoders():
    fields = struct_fields_of(Person)
    row = ("Ada", None, bytes(8))
    assert make_engine_struct_decoder(["<value>"], fields, Person)(row) == Person("Ada", None, [0.0])
    for target in (dict[str, Any], Any, dict, Mapping[str, Any]):
        decoded = make_engine_struct_decoder(["<value>"], fields, target)(row)
        assert (decoded["name"], decoded["age"], decoded["scores"].tolist()) == ("Ada", None, [0.0])
    assert make_engine_struct_decoder(["<value>"], [], dict[str, Any])(()) == {}
    for target in (str, list[Person], dict[str, Person], dict[int, Any]):
        with pytest.raises(DefinitionError, match=r"declared .*, got Struct.* - at <value>"):
            make_engine_struct_decoder(["<value>"], fields, target)


def test_the_path_of_a_target_value():
    @dataclasses.dataclass
    class Wrong:
        name: str
        scores: list[str]

    with pytest.raises(DefinitionError, match=r"- at <value>.scores"):
        make_engine_struct_decoder(["<value>"], struct_fields_of(Person), Wrong)


# Columns


def test_columns():
    encode = make_engine_value_encoder(int)
    assert encode_column(encode, [1, np.int8(2)]) == [1, 2]
    with pytest.raises(ValueConversionError, match=r"expected Int64, got str - at \[1\]"):
        encode_column(encode, [1, "x"])
    same = make_engine_value_decoder(["x"], enriched_type_of(int), int)
    values = [1, None, 2]
    assert decode_column(same, values) == values
    assert decode_column(same, values) is not values
    dates = make_engine_value_decoder(["x"], enriched_type_of(datetime.date), datetime.date)
    assert decode_column(dates, [1, None]) == [datetime.date(1, 1, 1), None]
    narrow = make_engine_value_decoder(["x"], enriched_type_of(float), Float32)
    with pytest.raises(ValueConversionError, match=r"at \[1\].x"):
        decode_column(narrow, [1.0, 1e300])


# Generated code


def test_generated_code_is_shown_in_tracebacks():
    class Failing(pydantic.BaseModel):
        name: str

    def explode(self, *args, **kwargs):
        raise RuntimeError("from user code")

    decode = make_engine_value_decoder(["arg"], enriched_type_of(Named), Failing)
    Failing.__init__ = explode
    with pytest.raises(RuntimeError) as caught:
        decode(("Ada",))
    shown = "".join(traceback.format_exception(caught.value))
    assert 'File "<coco decode Failing' in shown
    assert "(name=name_" in shown


def test_types_of_one_name_have_files_of_their_own():
    def make(hint):
        return dataclasses.make_dataclass("Twin", [("a", hint)])

    files = {make_engine_value_encoder(make(hint)).__code__.co_filename for hint in (int, str, float)}
    assert len(files) == 3
    again = {make_engine_value_encoder(make(hint)).__code__.co_filename for hint in (int, str, float)}
    assert again == files
    for name in files:
        assert "def encode_Twin(v):" in linecache.getlines(name)[0]


def test_vectors_in_structs_reach_pydantic_as_declared():
    class Embedded(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        vector: Vector[np.float32, 2]

    result = transfer(Embedded, Embedded, Embedded(vector=np.array([1, 2], np.float32)))
    assert isinstance(result.vector, np.ndarray) and result.vector.tolist() == [1, 2]
