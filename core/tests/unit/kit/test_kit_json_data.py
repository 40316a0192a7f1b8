"""Values of any type as JSON data: they come back, whatever holds them, and have the forms that are promised."""

from __future__ import annotations

import json
import math
import struct
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.kit.iso_text import iso_pairs, span_in, span_out
from coco.kit.json_data import (
    SCALARS,
    Convert,
    JsonForm,
    base64_out,
    canonical_text,
    exact_numbers,
    holds_union,
    json_pair,
    json_text,
    numbers_of,
    numbers_or_null,
    packed_from,
    same,
    stored_form,
)
from coco.types.schema import (
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
from coco.types.storage import pack

FORM = JsonForm({**SCALARS, **iso_pairs(), "TimeDelta": (span_out, span_in)})
LOSSY = JsonForm(
    {**FORM.scalars, "Float64": (lambda value: value if math.isfinite(value) else None, float)},
    numbers=lambda type_: numbers_or_null(type_, lambda value: value if math.isfinite(value) else None),
    tagged=False,
    optional=False,
    name=str.upper,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner | st.none(), max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
Typed = tuple[ValueType, st.SearchStrategy[Any]]


def scalar(kind: str) -> BasicValueType:
    return BasicValueType(kind)


def vector(element: ValueType) -> BasicValueType:
    return BasicValueType("Vector", vector=VectorTypeSchema(element))


def union(*variants: ValueType) -> BasicValueType:
    return BasicValueType("Union", union=UnionTypeSchema(variants))


def fields(*types: ValueType, nullable: bool = True) -> tuple[FieldSchema, ...]:
    return tuple(
        FieldSchema(f"f{number}", EnrichedValueType(type_, nullable=nullable))
        for number, type_ in enumerate(types)
    )


def packed(code: str, *numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


NUMBERS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "Float32": ("f", st.floats(width=32)),
    "Float64": ("d", st.floats()),
    "Int64": ("q", INT64),
}
SCALAR_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Str": TEXT,
    "Bytes": st.binary(max_size=5),
    "Bool": st.booleans(),
    "Int64": INT64,
    "Float32": st.floats(width=32, allow_nan=False) | st.just(math.nan),
    "Float64": st.floats(allow_nan=False) | st.just(math.nan),
    "Uuid": st.binary(min_size=16, max_size=16),
    "Date": st.integers(1, 3_652_059),
    "Time": st.integers(0, 86_399_999_999),
    "LocalDateTime": INT64.map(lambda number: number % 2**57),
    "OffsetDateTime": st.tuples(INT64.map(lambda number: number % 2**57), st.integers(-86_399, 86_399)),
    "TimeDelta": INT64,
    "Range": st.tuples(INT64, INT64),
    "Json": JSON.map(canonical_text),
}


def in_vector(inner: Typed) -> Typed:
    type_, values = inner
    whole = vector(type_)
    if whole.packed_format is None:
        return whole, st.lists(values, max_size=3).map(tuple)
    code = whole.packed_format[0]
    return whole, st.lists(values, max_size=3).map(lambda numbers: packed(code, *numbers))


def in_struct(inner: list[Typed]) -> Typed:
    return StructType(fields(*(type_ for type_, _ in inner))), st.tuples(
        *(st.none() | item for _, item in inner)
    )


def in_table(inner: list[Typed]) -> Typed:
    row, values = in_struct(inner)
    assert isinstance(row, StructType)
    return TableType("LTable", StructSchema(row.fields)), st.lists(values, max_size=2).map(tuple)


def in_union(inner: list[Typed]) -> Typed:
    values = [st.tuples(st.just(number), item) for number, (_, item) in enumerate(inner)]
    return union(*(type_ for type_, _ in inner)), st.one_of(values)


TYPES: st.SearchStrategy[Typed] = st.recursive(
    st.sampled_from(sorted(SCALAR_VALUES)).map(lambda kind: (scalar(kind), SCALAR_VALUES[kind])),
    lambda inner: (
        inner.map(in_vector)
        | st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda items: st.sampled_from([in_struct(items), in_table(items), in_union(items)])
        )
    ),
    max_leaves=5,
)


@given(st.data(), st.booleans())
def test_values_of_all_types_come_back(data: st.DataObject, words: bool) -> None:
    type_, values = data.draw(TYPES)
    value = data.draw(values)
    write, read = json_text(type_, JsonForm(FORM.scalars, numbers=partial(exact_numbers, words=words)))
    text = write(value)
    # By bytes: NaN differs from itself, and True is not 1, nor -0.0 0.0.
    assert pack(read(text)) == pack(value)
    json.loads(text, parse_constant=pytest.fail)


@given(st.data())
def test_what_comes_back_of_a_lossy_form_is_the_stored_form(data: st.DataObject) -> None:
    type_, values = data.draw(TYPES)
    value = data.draw(values)
    write, read = json_pair(type_, LOSSY)
    form = stored_form(type_, lossy_leaf)
    expected = value if form is None else form(value)
    written = json.loads(json.dumps(write(value), allow_nan=False))
    if expected is None:
        assert written is None
    elif not holds_union(type_):
        assert pack(read(written)) == pack(expected)
        assert pack(expected if form is None else form(expected)) == pack(expected)


def lossy_leaf(type_: BasicValueType) -> Convert | None:
    if type_.kind == "Float64":
        return lambda value: value if math.isfinite(value) else None
    if type_.vector is None or type_.packed_format == ("q", 8):
        return None
    unpack, pack_ = numbers_of(type_), packed_from(type_)
    return lambda value: pack_([item if math.isfinite(item) else math.nan for item in unpack(value)])


@pytest.mark.parametrize("kind", NUMBERS)
@given(data=st.data())
def test_packed_numbers(kind: str, data: st.DataObject) -> None:
    code, values = NUMBERS[kind]
    numbers = data.draw(st.lists(values, max_size=5))
    value = packed(code, *numbers)
    type_ = vector(scalar(kind))
    assert pack(tuple(numbers_of(type_)(value))) == pack(
        tuple(struct.unpack(f"<{len(numbers)}{code}", value))
    )
    # Bit for bit, of NaN too: a number that went through a float of Python loses none here.
    write, read = exact_numbers(type_)
    assert read(json.loads(json.dumps(write(value), allow_nan=False))) == value


def test_forms() -> None:
    pair = StructType(fields(scalar("Bytes"), scalar("Float64")))
    assert json_pair(pair, FORM)[0]((b"a", math.inf)) == {"f0": "YQ==", "f1": "Infinity"}
    assert json_pair(pair, LOSSY)[0]((b"a", math.inf)) == {"F0": "YQ==", "F1": None}
    assert json_pair(union(scalar("Str"), scalar("Range")), FORM)[0]((1, (2, 3))) == [1, [2, 3]]
    assert json_pair(union(scalar("Str"), scalar("Range")), LOSSY)[0]((1, (2, 3))) == [2, 3]
    floats = vector(scalar("Float32"))
    special = packed("f", 1, -math.inf)
    assert json_pair(floats, FORM)[0](special) == [1, "-Infinity"]
    assert json_pair(floats, LOSSY)[0](special) == [1, None]
    assert exact_numbers(floats, words=False)[0](special) == base64_out(special)
    assert json_text(vector(scalar("Str")), FORM)[0](("ü", '"')) == '["ü","\\""]'


def test_what_an_object_lacks() -> None:
    pair = StructType(fields(scalar("Str"), scalar("Int64")))
    assert json_pair(pair, FORM)[1]({"f1": 5, "more": 1}) == (None, 5)
    with pytest.raises(KeyError):
        json_pair(pair, LOSSY)[1]({"F1": 5})


def test_an_untagged_union_is_not_read() -> None:
    inner = union(scalar("Str"), scalar("Int64"))
    for type_ in (
        inner,
        vector(inner),
        StructType(fields(inner)),
        TableType("LTable", StructSchema(fields(inner))),
    ):
        assert holds_union(type_)
    assert not holds_union(StructType(fields(scalar("Str"))))
    with pytest.raises(ValueError, match="which of the alternatives"):
        json_pair(vector(inner), LOSSY)[1](["a"])


FOREIGN: Any = [None, 7, 0.5, "text", "2024", [], [[]], ["x"], [7, 7, 7], {}, {"f0": []}, {"f0": {"f0": 1}}]


@given(st.data(), st.sampled_from(FOREIGN))
def test_foreign_data_is_read_or_refused_as_promised(data: st.DataObject, foreign: Any) -> None:
    type_, _ = data.draw(TYPES)
    for form in (FORM, LOSSY):
        try:
            json_pair(type_, form)[1](foreign)
        except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
            pass


def test_values_that_need_no_conversion_have_no_converter() -> None:
    """Callers see by ``None`` and by ``same`` that there is nothing to do."""
    assert json_pair(scalar("Str"), FORM) == (same, same)
    plain = TableType(
        "LTable", StructSchema(fields(scalar("Str"), vector(scalar("Range")), vector(scalar("Int64"))))
    )
    assert stored_form(plain, lossy_leaf) is None
