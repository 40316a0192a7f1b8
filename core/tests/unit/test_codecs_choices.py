"""``Literal`` and ``Enum``: values of a scalar type that are checked one by one."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.engine_object import plain_data
from coco.errors import DefinitionError, ValueConversionError
from coco.types.analyze import encode_enriched_type, enriched_type_of, key_fields_of
from coco.types.decode import make_engine_key_decoder, make_engine_value_decoder
from coco.types.encode import make_engine_key_encoder, make_engine_value_encoder
from coco.types.jsonschema import json_schema
from coco.types.schema import EnrichedValueType
from coco.typing import TypeAttr


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"
    NAVY = "b"  # noqa: PIE796  (an alias)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.StrEnum):
    S = "s"
    L = "l"


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Point(enum.Enum):
    ORIGIN = (0, 0)


class Flags(enum.Flag):
    A = 1
    B = 2


class Huge(enum.Enum):
    A = 2**63


@dataclasses.dataclass
class Row:
    color: Color
    mode: Literal["fast", "good"] = "fast"
    levels: list[Level] = dataclasses.field(default_factory=list)
    size: Size | None = None


class Model(pydantic.BaseModel):
    color: Color
    mode: Literal["fast", "good"]


class Key(NamedTuple):
    color: Color
    level: Level


def there_and_back(annotation: Any, value: Any) -> Any:
    type_ = enriched_type_of(annotation)
    encoded = make_engine_value_encoder(annotation)(value)
    return make_engine_value_decoder([], type_, annotation)(encoded)


VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Size: st.sampled_from(Size),
    Literal["fast", "good"]: st.sampled_from(["fast", "good"]),
    Literal[1, 2]: st.sampled_from([1, 2]),
    Literal[True]: st.just(True),
    Literal["a", 1]: st.sampled_from(["a", 1]),
    Literal["a", None]: st.sampled_from(["a", None]),
    Literal[Color.RED]: st.just(Color.RED),
    Color | int: st.sampled_from(Color) | st.integers(0, 9),
    list[Color]: st.lists(st.sampled_from(Color), max_size=3),
    list[Level]: st.lists(st.sampled_from(Level), max_size=3),
    Row: st.builds(
        Row,
        st.sampled_from(Color),
        st.sampled_from(["fast", "good"]),
        st.lists(st.sampled_from(Level), max_size=2),
        st.none() | st.sampled_from(Size),
    ),
    Model: st.builds(Model, color=st.sampled_from(Color), mode=st.sampled_from(["fast", "good"])),
    dict[Color, Row]: st.dictionaries(st.sampled_from(Color), st.builds(Row, st.sampled_from(Color))),
}


@given(st.sampled_from(list(VALUES)), st.data())
def test_values_survive_a_round_trip(annotation: Any, data: st.DataObject) -> None:
    value = data.draw(VALUES[annotation])
    found = there_and_back(annotation, value)
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, enum.Enum):
        assert found is value


@pytest.mark.parametrize(
    ("annotation", "value", "member"),
    [
        (Color, "b", Color.BLUE),
        (Color, np.str_("r"), Color.RED),
        (Level, 2, Level.HIGH),
        (Level, np.int32(1), Level.LOW),
        (list[Level], np.array([2, 1]), [Level.HIGH, Level.LOW]),
        (Literal["s", "x"], Size.S, "s"),
        (Size, "l", Size.L),
    ],
)
def test_the_value_of_a_member_is_accepted(annotation: Any, value: Any, member: Any) -> None:
    assert there_and_back(annotation, value) == member


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Color, "green", r"expected Color \('r' or 'b'\), got str 'green'$"),
        (Color, "a private text", r"expected Color \('r' or 'b'\), got str that is none of them$"),
        (Color, 1, r"expected Color \('r' or 'b'\), got int$"),
        (Color, Level.LOW, r"expected Color \('r' or 'b'\), got Level$"),
        (Color, None, r"expected Color \('r' or 'b'\), declared non-nullable, got None$"),
        (Level, 3, r"expected Level \(1 or 2\), got int 3$"),
        (Level, True, r"expected Level \(1 or 2\), got bool$"),
        (Literal["fast", "good"], "slow", r"expected 'fast' or 'good', got str 'slow'$"),
        (Literal[True], False, r"expected True, got bool False$"),
        (Literal[Color.RED], Color.BLUE, r"expected 'r', got str 'b'$"),
        (Color | int, "green", r"expected Color .*'green'$"),
        (list[Color], ["r", "x"], r"got str 'x' - at \[1\]$"),
        (list[Level], [1, 7], r"got int 7 - at \[1\]$"),
        (Row, Row(Color.RED, "slow"), r"expected 'fast' or 'good', got str 'slow' - at mode$"),  # type: ignore[arg-type]
    ],
)
def test_other_values_are_refused(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueConversionError, match=message):
        make_engine_value_encoder(annotation)(value)


def test_values_that_come_from_elsewhere_are_checked() -> None:
    decode = make_engine_value_decoder(["mode"], enriched_type_of(str), Literal["fast", "good"])
    assert decode("fast") == "fast"
    with pytest.raises(ValueConversionError, match=r"expected 'fast' or 'good', got str 'slow' - at mode"):
        decode("slow")
    with pytest.raises(DefinitionError, match="declared Str, got Int64"):
        make_engine_value_decoder(["mode"], enriched_type_of(int), Color)


def test_other_readers_see_the_plain_value() -> None:
    type_ = enriched_type_of(Color)
    assert make_engine_value_decoder([], type_, str)("r") == "r"
    assert make_engine_value_decoder([], type_, Any)("r") == "r"


@pytest.mark.parametrize(
    "annotation",
    [
        Literal["a", "b", None],
        Literal["a", "b"] | None,
        Optional[Literal["a", "b"]],  # noqa: UP045
        Literal["a"] | Literal["b"] | None,
        Union[None, Literal["a"], Literal["b"]],  # noqa: UP007
        Annotated[Literal["a", "b"] | None, TypeAttr("unit", "m")],
    ],
)
def test_spellings_of_one_type(annotation: Any) -> None:
    encoded = encode_enriched_type(annotation)
    encoded["attrs"].pop("unit", None)
    assert encoded == {"type": {"kind": "Str"}, "nullable": True, "attrs": {"coco/values": ["a", "b"]}}


def test_the_schema_keeps_the_values_and_equality_does_not_count_them() -> None:
    type_ = enriched_type_of(Level)
    assert type_.encode() == {"type": {"kind": "Int64"}, "attrs": {"coco/values": [1, 2]}}
    assert EnrichedValueType.decode(type_.encode()).attrs == {"coco/values": [1, 2]}
    assert type_ == enriched_type_of(int)


def test_json_schema() -> None:
    assert json_schema(enriched_type_of(Color)) == {"type": "string", "enum": ["r", "b"]}
    assert json_schema(enriched_type_of(Size | None)) == {
        "type": ["string", "null"],
        "enum": ["s", "l", None],
    }
    assert json_schema(enriched_type_of(list[Color])) == {
        "type": "array",
        "items": {"type": "string", "enum": ["r", "b"]},
    }


def test_keys() -> None:
    (field,) = key_fields_of(Color)
    assert make_engine_key_encoder(Color)(Color.RED) == ("r",)
    assert make_engine_key_decoder([], [field], Color)(("r",)) is Color.RED
    fields = key_fields_of(Key)
    parts = make_engine_key_encoder(Key)(Key(Color.BLUE, Level.LOW))
    assert parts == ("b", 1)
    assert make_engine_key_decoder([], fields, Key)(parts) == Key(Color.BLUE, Level.LOW)


@pytest.mark.parametrize(
    "annotation", [Mixed, Point, Flags, Huge, Literal[b"x"], Literal[2**64], list[Mixed]]
)
def test_what_has_no_scalar_type(annotation: Any) -> None:
    with pytest.raises(DefinitionError, match="must be all str, all int, or all bool"):
        enriched_type_of(annotation)


def test_many_values_are_not_all_listed() -> None:
    many = enum.Enum("Many", {f"N{number}": number for number in range(30)})
    with pytest.raises(ValueConversionError, match=r"expected Many \(0, 1, .*, 11 or 18 more\), got int 99"):
        make_engine_value_encoder(many)(99)


def test_names_of_members_are_part_of_a_types_identity() -> None:
    """A spec that holds a type is another one where a member has another name."""
    other = enum.Enum("Color", {"RED": "r", "SKY": "b"})
    assert plain_data(Color) != plain_data(other)
