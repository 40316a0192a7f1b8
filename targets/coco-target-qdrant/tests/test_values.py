"""Ids and payloads: laws over all values of all types."""

from __future__ import annotations

import datetime
import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_test_support import FLOATS2, field, packed, scalar, vector_of

from coco.kit.packed import pack
from coco.typing import StructType, TableType, UnionTypeSchema
from coco_target_qdrant.ids import NAMESPACE, KeyIds
from coco_target_qdrant.payload import payload_codec
from coco_target_qdrant.vectors import VectorField, stored_vector, to_floats, vector_field

INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 12, 31)).map(
    lambda moment: (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Str": st.text(),
    "Bytes": st.binary(),
    "Bool": st.booleans(),
    "Int64": INT64,
    "Float32": st.floats(width=32),
    "Float64": st.floats(),
    "Uuid": st.binary(min_size=16, max_size=16),
    "Date": st.integers(1, 3_652_059),
    "Time": st.integers(0, 86_399_999_999),
    "LocalDateTime": MOMENTS,
    "OffsetDateTime": st.tuples(MOMENTS, st.integers(-86_399, 86_399)),
    "TimeDelta": INT64,
    "Range": st.tuples(INT64, INT64),
    "Json": JSON.filter(lambda data: data is not None).map(
        lambda data: json.dumps(data, sort_keys=True, separators=(",", ":"))
    ),
}
POINT = StructType((field("x", "Float64"), field("when", "OffsetDateTime"), field("text", "Str")))


def through(type_: Any, value: Any) -> None:
    """What is read is the normal form of what was written; and that is a form of its own."""
    codec = payload_codec(type_)
    expected = value if codec.normal is None else codec.normal(value)
    if expected is None:
        assert codec.out(value) is None
        return
    data = json.loads(json.dumps(codec.out(value)))
    assert codec.back is not None
    found = codec.back(data)
    assert pack(found) == pack(expected)
    assert pack(expected if codec.normal is None else codec.normal(expected)) == pack(expected)


# The first text that is drawn takes seconds: tables of Unicode are made.
@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_scalars_come_back(data: st.DataObject, kind: str) -> None:
    value = data.draw(VALUES[kind])
    through(scalar(kind), value)


@given(st.lists(st.tuples(st.none() | VALUES["Float64"], VALUES["OffsetDateTime"], st.text()), max_size=3))
def test_nested_values_come_back(rows: list[tuple[Any, ...]]) -> None:
    for row in rows:
        through(POINT, row)
    through(TableType("LTable", POINT), tuple(rows))


@given(st.lists(st.floats(width=32), max_size=5))
def test_vectors_without_a_dimension_are_lists(values: list[float]) -> None:
    value = packed(*values)
    codec = payload_codec(vector_of("Float32"))
    assert codec.back is not None and codec.normal is not None
    found = codec.back(json.loads(json.dumps(codec.out(value))))
    for mine, theirs in zip(values, (item for item in _floats(found)), strict=True):
        assert mine == theirs or (math.isnan(theirs) and not math.isfinite(mine))


def _floats(data: bytes) -> list[float]:
    import struct

    return list(struct.unpack(f"<{len(data) // 4}f", data))


def test_a_union_is_its_value() -> None:
    union = scalar("Union")
    type_ = type(union)("Union", union=UnionTypeSchema((scalar("Int64"), scalar("Str"))))
    codec = payload_codec(type_)
    assert (codec.out((0, 5)), codec.out((1, "5")), codec.back) == (5, "5", None)


def test_integers_beyond_64_bits() -> None:
    codec = payload_codec(scalar("Json"))
    assert codec.normal is not None
    text = "[9223372036854775807,18446744073709551616]"
    assert codec.normal(text) == "[9223372036854775807,1.8446744073709552e+19]"
    huge = "1" + "0" * 400
    assert codec.normal(huge) == huge
    with pytest.raises(ValueError, match="too many digits"):
        codec.out(huge)


# -- ids ------------------------------------------------------------------------------------------
def ids(*kinds: str) -> KeyIds:
    return KeyIds([field(f"k{n}", kind, nullable=False) for n, kind in enumerate(kinds)])


OWN = "0b6e1c4e-7a55-4d1e-9a39-1f0a2d3c4b5a"


@pytest.mark.parametrize(
    ("kinds", "key", "id_"),
    [
        (["Int64"], (0,), 0),
        (["Int64"], (2**63 - 1,), 2**63 - 1),
        (["Uuid"], (uuid.UUID(OWN).bytes,), OWN),
        (["Str"], (OWN,), OWN),
        (["Int64"], (-1,), str(uuid.uuid5(NAMESPACE, "[-1]"))),
        (["Str"], ("a.md",), str(uuid.uuid5(NAMESPACE, '["a.md"]'))),
        (["Str"], (OWN.upper(),), str(uuid.uuid5(NAMESPACE, f'["{OWN.upper()}"]'))),
        (["Str"], ("größe",), str(uuid.uuid5(NAMESPACE, '["größe"]'))),
        (["Str", "Range"], ("a.md", (0, 5)), str(uuid.uuid5(NAMESPACE, '["a.md",[0,5]]'))),
        (["Int64", "Int64"], (1, 2), str(uuid.uuid5(NAMESPACE, "[1,2]"))),
        (["Bool"], (True,), str(uuid.uuid5(NAMESPACE, "[true]"))),
        (["Date"], (datetime.date(2024, 2, 29).toordinal(),), str(uuid.uuid5(NAMESPACE, '["2024-02-29"]'))),
    ],
)
def test_ids(kinds: list[str], key: tuple[Any, ...], id_: int | str) -> None:
    assert ids(*kinds).id_of(key) == id_


def test_ids_are_the_same_in_every_release() -> None:
    assert ids("Str").id_of(("a.md",)) == "f7065435-fada-5063-87db-875aa7385e5e"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_different_keys_have_different_ids(left: tuple[str, str], right: tuple[str, str]) -> None:
    assert (ids("Str", "Str").id_of(left) == ids("Str", "Str").id_of(right)) == (left == right)


@given(INT64, INT64)
def test_numbers_of_both_signs(left: int, right: int) -> None:
    assert (ids("Int64").id_of((left,)) == ids("Int64").id_of((right,))) == (left == right)


# -- vectors --------------------------------------------------------------------------------------
def test_which_fields_are_vectors() -> None:
    assert vector_field(FLOATS2) == VectorField(2, "f", False)
    assert vector_field(vector_of("Float64", 3)) == VectorField(3, "d", False)
    assert vector_field(vector_of(FLOATS2)) == VectorField(2, "f", True)
    assert vector_field(vector_of(vector_of("Int64", 4), 7)) == VectorField(4, "q", True)
    for other in (
        vector_of("Float32"),
        vector_of("Str", 2),
        vector_of(vector_of(FLOATS2)),
        scalar("Str"),
        POINT,
    ):
        assert vector_field(other) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_numbers_that_cannot_be_compared(bad: float) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        to_floats(VectorField(2, "d", False), [packed(1, 2, code="d"), packed(1, bad, code="d")])


SIZES = st.sampled_from([2, 3, 7, 64, 384, 1_536])


@given(st.data(), SIZES)
def test_unit_vectors_are_left_alone(data: st.DataObject, size: int) -> None:
    """So what a row is compared by does not depend on how often it went through."""
    import numpy as np

    seed = data.draw(st.integers(0, 2**32))
    vector = VectorField(size, "f", False)
    value = np.random.default_rng(seed).normal(size=size).astype("<f4").tobytes()
    once = stored_vector(vector, value, unit=True)
    assert stored_vector(vector, once, unit=True) == once
    assert to_floats(vector, [value, once, value], unit=True) == [once, once, once]
    doubled = (np.frombuffer(value, "<f4") * 2).tobytes()
    assert stored_vector(vector, doubled, unit=True) == once
    assert stored_vector(vector, value, unit=False) == value
