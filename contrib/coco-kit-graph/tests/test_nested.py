"""Values as JSON text come back bit for bit; different keys have different texts."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.kit.packed import pack
from coco.typing import (
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
    UnionTypeSchema,
    ValueType,
    VectorTypeSchema,
)
from coco_kit_graph.nested import json_text, key_text


def scalar(kind: str) -> BasicValueType:
    return BasicValueType(kind)


FIELDS = (
    FieldSchema("name", EnrichedValueType(scalar("Str"))),
    FieldSchema("at", EnrichedValueType(scalar("OffsetDateTime"), nullable=True)),
)
FLOATS = BasicValueType("Vector", vector=VectorTypeSchema(scalar("Float32")))
DAY = 86_400_000_000
offsets = st.tuples(st.integers(-719_162 * DAY, 2_932_896 * DAY), st.integers(-86_399, 86_399)).map(
    lambda pair: (min(max(pair[0], -719_161 * DAY), 2_932_895 * DAY), pair[1])
)

VALUES: dict[str, tuple[ValueType, st.SearchStrategy[Any]]] = {
    "text": (scalar("Str"), st.text(st.characters(exclude_categories=["Cs"]))),
    "bytes": (scalar("Bytes"), st.binary()),
    "bool": (scalar("Bool"), st.booleans()),
    "int": (scalar("Int64"), st.integers(-(2**63), 2**63 - 1)),
    "float": (scalar("Float64"), st.floats(allow_nan=False)),
    "uuid": (scalar("Uuid"), st.binary(min_size=16, max_size=16)),
    "date": (scalar("Date"), st.integers(1, 3_652_059)),
    "time": (scalar("Time"), st.integers(0, DAY - 1)),
    "local": (scalar("LocalDateTime"), st.integers(-719_162 * DAY, 2_932_897 * DAY - 1)),
    "offset": (scalar("OffsetDateTime"), offsets),
    "span": (scalar("TimeDelta"), st.integers(-(10**15), 10**15)),
    "range": (scalar("Range"), st.tuples(st.integers(0, 2**62), st.integers(0, 2**62))),
    "floats": (FLOATS, st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4])),
    "texts": (
        BasicValueType("Vector", vector=VectorTypeSchema(scalar("Str"))),
        st.lists(st.text("ab'\"")).map(tuple),
    ),
    "struct": (StructType(FIELDS), st.tuples(st.text("ab"), st.none() | offsets)),
    "table": (
        TableType("LTable", StructSchema(FIELDS)),
        st.lists(st.tuples(st.text("ab"), st.none() | offsets)).map(tuple),
    ),
    "union": (
        BasicValueType("Union", union=UnionTypeSchema((scalar("Int64"), scalar("Bytes")))),
        st.tuples(st.just(0), st.integers(-9, 9)) | st.tuples(st.just(1), st.binary(max_size=3)),
    ),
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_values_survive_a_round_trip(name: str, data: st.DataObject) -> None:
    type_, values = VALUES[name]
    write, read = json_text(type_)
    value = data.draw(values)
    text = write(value)
    assert pack(read(text)) == pack(value)
    json.loads(text)


def test_floats_that_json_lacks() -> None:
    write, read = json_text(scalar("Float64"))
    assert [write(value) for value in (math.inf, -math.inf, math.nan)] == [
        '"Infinity"',
        '"-Infinity"',
        '"NaN"',
    ]
    assert math.isnan(read('"NaN"'))
    packed = struct.pack("<2f", math.nan, 1.0)
    write, read = json_text(FLOATS)
    assert read(write(packed)) == packed


@given(st.tuples(st.text(), st.integers()), st.tuples(st.text(), st.integers()))
def test_different_keys_have_different_texts(one: tuple[str, int], other: tuple[str, int]) -> None:
    text = key_text([scalar("Str"), scalar("Int64")])
    assert (text(one) == text(other)) == (one == other)


def test_days_outside_of_the_calendar() -> None:
    """An offset may move an instant out of the calendar."""
    write, read = json_text(scalar("OffsetDateTime"))
    late = (2_932_896 * DAY + DAY - 1, 3_600)
    assert write(late) == '"10000-01-01T00:59:59.999999+01:00"'
    early = (-719_162 * DAY, -60)
    assert write(early) == '"0000-12-31T23:59:00.000000-00:01"'
    assert (read(write(late)), read(write(early))) == (late, early)


def test_the_stored_form_does_not_change() -> None:
    """Texts are compared with those that older releases wrote."""
    texts = {
        "Time": (5_000_000, '"00:00:05.000000"'),
        "LocalDateTime": (5, '"1970-01-01T00:00:00.000005"'),
        "OffsetDateTime": ((0, -5_400), '"1969-12-31T22:30:00.000000-01:30"'),
        "TimeDelta": (-5, "-5"),
        "Uuid": (bytes(range(16)), '"00010203-0405-0607-0809-0a0b0c0d0e0f"'),
    }
    assert {kind: json_text(scalar(kind))[0](value) for kind, (value, _) in texts.items()} == {
        kind: text for kind, (_, text) in texts.items()
    }
    infinite = struct.pack("<2f", math.inf, 1.0)
    assert json_text(FLOATS)[0](infinite) == '"AACAfwAAgD8="'
