"""Structs, tables, unions and keys: encoding."""

import dataclasses
import datetime
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest

from coco.engine_value import make_engine_key_encoder, make_engine_value_encoder
from coco.errors import ValueConversionError
from coco.types.analyze import enriched_type_of, key_fields_of
from coco.types.encode import encoder_for_schema, key_encoder_for_schema
from coco.typing import Float32, Json, LocalDateTime, OffsetDateTime, Range, Vector

pytestmark = pytest.mark.kernels


@dataclasses.dataclass
class Address:
    city: str
    zip: str | None = None


@dataclasses.dataclass
class Person:
    name: str
    address: Address
    tags: list[str] = dataclasses.field(default_factory=list)
    age: int = 3


@dataclasses.dataclass
class Employee(Person):
    salary: float = 0.0


class Pair(NamedTuple):
    a: int
    b: str = "z"


class Model(pydantic.BaseModel):
    title: str = pydantic.Field(alias="TITLE")
    parts: list[int] = pydantic.Field(default_factory=list)


@dataclasses.dataclass
class Derived:
    a: int
    twice: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.twice = 2 * self.a


@dataclasses.dataclass(frozen=True)
class When:
    at: datetime.datetime
    name: str


@dataclasses.dataclass(frozen=True)
class Deep:
    when: When
    number: int


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass
class Library:
    shelves: dict[str, Pair]
    people: list[Person]


ADA = Person("Ada", Address("London"))
ADA_ENGINE = ("Ada", ("London", None), (), 3)


@pytest.mark.parametrize(
    "value",
    [
        ADA,
        Employee("Ada", Address("London"), salary=1.0),
        {"name": "Ada", "address": {"city": "London"}},
        types.MappingProxyType({"name": "Ada", "address": Address("London"), "tags": (), "age": np.int8(3)}),
    ],
    ids=["instance", "subclass", "dict", "mapping"],
)
def test_a_struct(value):
    assert make_engine_value_encoder(Person)(value) == ADA_ENGINE


def test_other_struct_classes():
    assert make_engine_value_encoder(Pair)(Pair(1)) == (1, "z")
    assert make_engine_value_encoder(Pair)({"a": 1}) == (1, "z")
    assert make_engine_value_encoder(Model)(Model(TITLE="x", parts=[1])) == ("x", b"\1" + bytes(7))
    assert make_engine_value_encoder(Model)({"title": "x"}) == ("x", b"")
    assert make_engine_value_encoder(Derived)(Derived(2)) == (2, 4)
    assert make_engine_value_encoder(Empty)(Empty()) == ()
    assert make_engine_value_encoder(list[Empty])([Empty(), {}]) == ((), ())


def test_names_that_python_does_not_allow_as_attributes():
    odd = pydantic.create_model("odd", **{"class": (int, ...), "v": (int, 2), "error": (str, "e")})
    assert make_engine_value_encoder(odd)(odd(**{"class": 1})) == (1, 2, "e")


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Person, {"name": "Ada"}, "expected Person, got dict without the field 'address' - at r"),
        (Person, {"nam": "Ada"}, "expected Person, got dict with the unknown field 'nam' - at r"),
        (Person, Person("Ada", None), "expected Address, declared non-nullable, got None - at r.address"),
        (Person, Person("Ada", Address(5)), "expected Str, got int - at r.address.city"),
        (Person, Person("Ada", Address("x"), ["a", 5]), r"expected Str, got int - at r.tags\[1\]"),
        (Person, Pair(1), "expected Person, got Pair"),
        (Person, None, "declared non-nullable, got None"),
        (Pair, (1, "a"), "expected Pair, got tuple"),
        (Derived, object.__new__(Derived), "expected a value for field .*, got Derived without it"),
        (list[Person], [ADA, 5], r"expected Person, got int - at r\[1\]"),
        (list[Person], [Person("a", Address("b", 7))], r"expected Str, got int - at r\[0\].address.zip"),
        (list[Person], {"a": ADA}, r"expected LTable \(a list of structs\), got dict"),
        (list[Pair], Pair(1), "expected LTable"),
        (list[Person], None, "declared non-nullable, got None"),
        (dict[str, Pair], [("a", Pair(1))], r"expected KTable \(a dict from key to struct\), got list"),
        (dict[str, Pair], {"x": Pair("1")}, r"expected Int64, got str - at r\['x'\].a"),
        (dict[str, Pair], {1: Pair(1)}, r"expected Str, got int - at r\[1\].<key>"),
        (
            dict[str, Pair],
            {None: Pair(1)},
            r"expected Str, declared non-nullable, got None - at r\[None\].<key>",
        ),
        (dict[Pair, Empty], {(1, 2): {}}, r"expected Str, got int - at r\[\(1, 2\)\].<key>.b"),
        (dict[Pair, Empty], {(1,): {}}, "expected Pair of 2 parts, got 1 parts"),
        (dict[Pair, Empty], {"a": {}}, "expected Pair, got str"),
        (dict[str, Pair], {"k" * 99: Pair("1")}, r"at r\['k{56}\.\.\.\]\.a"),
        (int | str, 1.5, r"expected Int64 \| Str, got float - at r"),
        (int | str, None, r"declared non-nullable, got None"),
        (int | str, 2**63, "expected Int64, got int outside"),
        (
            Library,
            Library({"s": Pair(1)}, [ADA, Person("x", {})]),
            r"got dict without the field 'city' - at r.people\[1\]",
        ),
    ],
)
def test_refused(annotation, value, message):
    with pytest.raises(ValueConversionError, match=message):
        make_engine_value_encoder(annotation, path=("r",))(value)


def test_ktable_rows_are_sorted_by_key():
    encode = make_engine_value_encoder(dict[Pair, Address])
    rows = encode({Pair(2, "a"): Address("x"), Pair(1, "b"): Address("y"), (1, "a"): {"city": "z"}})
    assert rows == ((1, "a", "z", None), (1, "b", "y", None), (2, "a", "x", None))
    assert make_engine_value_encoder(Mapping[str, Pair])({}) == ()


def test_keys_that_become_equal_are_refused():
    encode = make_engine_value_encoder(dict[When, Pair])
    noon = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)
    with pytest.raises(ValueConversionError, match=r"expected different keys, got the key .* twice"):
        encode({When(noon, "a"): Pair(1), (noon, "a"): Pair(2)})


def test_keys():
    assert make_engine_key_encoder(str)("a") == ("a",)
    assert make_engine_key_encoder(Range)((0, 1)) == ((0, 1),)
    assert make_engine_key_encoder(Pair)(Pair(1, "x")) == (1, "x")
    assert make_engine_key_encoder(Pair)((1, "x")) == make_engine_key_encoder(Pair)([1, "x"]) == (1, "x")
    assert make_engine_key_encoder(Pair)({"a": 1}) == (1, "z")
    with pytest.raises(ValueConversionError, match=r"expected Str, got int - at <key>.b"):
        make_engine_key_encoder(Pair)((1, 2))
    with pytest.raises(ValueError, match="cannot be a key"):
        make_engine_key_encoder(float)


def test_in_a_key_the_instant_alone_counts():
    utc = datetime.datetime(2020, 1, 1, 10, tzinfo=datetime.UTC)
    local = utc.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
    for key, make in ((OffsetDateTime, lambda at: at), (Deep, lambda at: Deep(When(at, "a"), 1))):
        encode = make_engine_key_encoder(key)
        assert encode(make(utc)) == encode(make(local))
    encode = make_engine_value_encoder(When)
    assert encode(When(utc, "a")) != encode(When(local, "a"))
    assert make_engine_key_encoder(OffsetDateTime)(local)[0][1] == 0
    assert make_engine_value_encoder(dict[When, Empty])({When(local, "a"): Empty()})[0][0][1] == 0


NOW = datetime.datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int | float, 1, (0, 1)),
        (float | int, 1, (1, 1)),
        (float | int, 1.0, (0, 1.0)),
        (int | bool, True, (1, True)),
        (float | str, 1, (0, 1.0)),
        (int | float, 2**63, (1, float(2**63))),
        (Float32 | float, 0.1, (1, 0.1)),
        (Float32 | float, np.float32(0.5), (0, 0.5)),
        (Float32 | str, 0.5, (0, 0.5)),
        (Json | str, "a", (1, "a")),
        (str | Json, {"a": 1}, (1, '{"a":1}')),
        (str | Json, 5, (1, "5")),
        (datetime.date | datetime.datetime, NOW, (1, (1_577_836_800_000_000, 0))),
        (datetime.datetime | LocalDateTime, NOW, (1, 1_577_836_800_000_000)),
        (datetime.datetime | datetime.date, NOW.date(), (1, 737425)),
        (Range | Vector[int], (1, 2), (0, (1, 2))),
        (Range | Vector[int], [1, 2], (1, b"\1" + bytes(7) + b"\2" + bytes(7))),
        (str | bytes, np.str_("x"), (0, "x")),
        (str | int, np.int8(3), (1, 3)),
        (str | list[float] | None, None, None),
        (str | list[str], ("a",), (1, ("a",))),
    ],
)
def test_unions(annotation, value, expected):
    encoded = make_engine_value_encoder(annotation)(value)
    assert encoded == expected
    if encoded is not None:
        assert type(encoded[1]) is type(expected[1])


def test_natural_values_by_schema_alone():
    encode = encoder_for_schema(enriched_type_of(Library), ("x",))
    natural = {
        "shelves": {"s": {"a": 1, "b": "x"}},
        "people": [{"name": "Ada", "address": {"city": "London", "zip": None}, "tags": [], "age": 3}],
    }
    assert encode(natural) == ((("s", 1, "x"),), (ADA_ENGINE,))
    assert encode(Library({"s": Pair(1, "x")}, [ADA])) == encode(natural)
    with pytest.raises(ValueConversionError, match=r"without the field 'tags' - at x.people\[0\]"):
        encode({"shelves": {}, "people": [{"name": "a", "address": {"city": "b"}}]})
    with pytest.raises(ValueConversionError, match="with the unknown field 'z' - at x"):
        encode({"shelves": {}, "people": [], "z": 1})
    with pytest.raises(ValueConversionError, match=r"expected Struct\(a, b\), got int - at x.shelves\['s'\]"):
        encode({"shelves": {"s": 1}, "people": []})


@pytest.mark.parametrize(
    ("key", "natural", "parts"),
    [
        (str, "a", ("a",)),
        (Range, (0, 1), ((0, 1),)),
        (Pair, (1, "x"), (1, "x")),
        (Pair, {"a": 1, "b": "x"}, (1, "x")),
        (Deep, (((NOW, "a")), 1), (((1_577_836_800_000_000, 0), "a"), 1)),
    ],
)
def test_natural_keys(key, natural, parts):
    assert key_encoder_for_schema(key_fields_of(key))(natural) == parts
    assert encoder_for_schema(enriched_type_of(dict[key, Empty]))({}) == ()


def test_a_schema_encoder_takes_null_where_the_schema_does():
    encode = encoder_for_schema(enriched_type_of(str | None))
    assert encode(None) is None
    with pytest.raises(ValueConversionError):
        encoder_for_schema(enriched_type_of(str))(None)


@pytest.mark.parametrize("annotation", [Any, set[str], dict])
def test_types_without_schema_are_refused_when_the_encoder_is_made(annotation):
    with pytest.raises(ValueError, match=r"Specific type annotation|Unsupported type annotation"):
        make_engine_value_encoder(annotation)
