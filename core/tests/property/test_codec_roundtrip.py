"""Laws of the codecs over random types and values."""

import dataclasses
import datetime
import itertools
import math
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco.engine_value import make_engine_key_decoder, make_engine_value_decoder, make_engine_value_encoder
from coco.errors import StoredValueError, ValueConversionError, format_path
from coco.types.analyze import enriched_type_of, key_fields_of
from coco.types.encode import encoder_for_schema, make_engine_key_encoder
from coco.types.storage import pack, unpacker
from coco.typing import Float32, Json, LocalDateTime, OffsetDateTime, Range, TypeAttr, Vector

pytestmark = pytest.mark.kernels

SETTINGS = settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))


class Case(NamedTuple):
    """A type, its values, and what must not be taken for one of them."""

    annotation: Any
    values: st.SearchStrategy[Any]
    illegal: Any
    basic_kind: str | None = None
    key: bool = False

    def __repr__(self) -> str:
        return f"Case({self.annotation})"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RANGES = st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)).map(lambda pair: (min(pair), max(pair)))
DELTAS = st.timedeltas(datetime.timedelta(days=-100_000_000), datetime.timedelta(days=100_000_000))
# As a key only the instant counts, so it must exist in UTC too.
KEY_INSTANTS = st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1), timezones=OFFSETS)

SCALARS = [
    Case(bytes, st.binary(max_size=8), "text", "Bytes", True),
    Case(str, TEXT, b"bytes", "Str", True),
    Case(bool, st.booleans(), 1, "Bool", True),
    Case(int, INT64, 1.0, "Int64", True),
    Case(np.int64, INT64.map(np.int64), True, "Int64", True),
    Case(float, st.floats(), "1.0", "Float64"),
    Case(np.float64, st.floats().map(np.float64), "1.0", "Float64"),
    Case(Float32, st.floats(width=32), 1e39, "Float32"),
    Case(np.float32, st.floats(width=32).map(np.float32), True, "Float32"),
    Case(uuid.UUID, st.uuids(), "0" * 32, "Uuid", True),
    Case(datetime.date, st.dates(), datetime.datetime(2020, 1, 1), "Date", True),
    Case(datetime.time, st.times(), datetime.time(1, tzinfo=datetime.UTC), "Time", True),
    Case(
        LocalDateTime,
        st.datetimes(),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        "LocalDateTime",
        True,
    ),
    Case(
        OffsetDateTime,
        KEY_INSTANTS,
        datetime.date(2020, 1, 1),
        "OffsetDateTime",
        True,
    ),
    Case(datetime.timedelta, DELTAS, 5, "TimeDelta", True),
    Case(Range, RANGES, (2, 1), "Range", True),
    Case(Json, JSON.filter(lambda value: value is not None), b"", "Json"),
]
NAMES = ["text", "v", "error", "item", "out", "key", "rows", "classes", "_odd", "x1"]
_counter = itertools.count()


@st.composite
def vectors(draw: Any) -> Case:
    number = draw(
        st.sampled_from(
            [(np.float32, 32), (np.float64, 64), (np.int64, 0), (Float32, 32), (float, 64), (int, 0)]
        )
    )
    dimension = draw(st.none() | st.integers(1, 5))
    sizes = {"min_size": dimension or 0, "max_size": dimension or 5}
    choice = draw(st.sampled_from(["numbers", "numbers", "rows", "others"]))
    if choice == "others":
        element = draw(
            st.sampled_from([case for case in SCALARS if case.annotation in (str, bool, bytes, Range, Json)])
        )
        annotation = Vector[element.annotation, dimension] if dimension else list[element.annotation]
        return Case(annotation, st.lists(element.values, **sizes), [object()] * (dimension or 1), "Vector")
    base, width = number
    elements = st.floats(width=width) if width else INT64
    numpy_type = base if base in (np.float32, np.float64, np.int64) else None

    def as_declared(values: list[Any]) -> Any:
        return values if numpy_type is None else np.array(values, numpy_type)

    if choice == "numbers":
        annotation = Vector[base, dimension] if dimension else Vector[base]
        return Case(
            annotation, st.lists(elements, **sizes).map(as_declared), ["1"] * (dimension or 1), "Vector"
        )
    rows = st.lists(elements, min_size=2, max_size=2).map(as_declared)
    annotation = Vector[Vector[base, Literal[2]], dimension]
    return Case(annotation, st.lists(rows, **sizes), [[1, 2, 3]] * (dimension or 1), "Vector")


def make_struct(draw: Any, fields: list[tuple[str, Case]], *, frozen: bool) -> Case:
    name = f"S{next(_counter)}"
    if draw(st.booleans()):
        cls: Any = NamedTuple(name, [(field.strip("_"), case.annotation) for field, case in fields])  # type: ignore[misc]
    else:
        cls = dataclasses.make_dataclass(
            name, [(field, case.annotation) for field, case in fields], frozen=frozen
        )
    values = st.tuples(*[case.values for _, case in fields]).map(lambda parts: cls(*parts))
    return Case(cls, values, object(), key=frozen and bool(fields))


def names(draw: Any, count: int, prefix: str = "") -> list[str]:
    picked = draw(
        st.lists(
            st.sampled_from(NAMES), min_size=count, max_size=count, unique_by=lambda name: name.strip("_")
        )
    )
    return [prefix + name for name in picked]


@st.composite
def structs(draw: Any, inner: st.SearchStrategy[Case], prefix: str = "") -> Case:
    cases = draw(st.lists(inner, max_size=4))
    return make_struct(draw, list(zip(names(draw, len(cases), prefix), cases, strict=True)), frozen=False)


@st.composite
def keys(draw: Any) -> Case:
    basic = st.sampled_from([case for case in SCALARS if case.key])
    if draw(st.booleans()):
        return draw(basic)
    cases = draw(st.lists(basic, min_size=1, max_size=3))
    result = make_struct(draw, list(zip(names(draw, len(cases), "k"), cases, strict=True)), frozen=True)
    if draw(st.booleans()):
        result = make_struct(draw, [("kin", result), ("kind", draw(basic))], frozen=True)
    return result


@st.composite
def unions(draw: Any) -> Case:
    cases = draw(
        st.lists(
            st.sampled_from(SCALARS) | vectors(),
            min_size=2,
            max_size=4,
            unique_by=lambda case: case.basic_kind,
        )
    )
    annotation = cases[0].annotation
    for case in cases[1:]:
        annotation = annotation | case.annotation
    # Values that several alternatives would take are no test of the way back.
    kinds = {case.basic_kind for case in cases}
    if kinds & {"Json"} or {"Range", "Vector"} <= kinds or {"Float32", "Float64"} <= kinds:
        cases = [case for case in cases if case.basic_kind == "Bool"] or cases[:0]
    if not cases:
        return Case(int | str, INT64 | TEXT, 1.5, "Union")
    return Case(annotation, st.one_of(*[case.values for case in cases]), object(), "Union")


@st.composite
def tables(draw: Any, inner: st.SearchStrategy[Case]) -> Case:
    row = draw(structs(inner, "r"))
    if draw(st.booleans()):
        return Case(list[row.annotation], st.lists(row.values, max_size=3), {"a": 1})
    key = draw(keys())
    return Case(
        dict[key.annotation, row.annotation], st.dictionaries(key.values, row.values, max_size=3), [1]
    )


@st.composite
def nullable(draw: Any, inner: st.SearchStrategy[Case]) -> Case:
    case = draw(inner)
    annotation = Annotated[case.annotation, TypeAttr("a", 1)] if draw(st.booleans()) else case.annotation
    if draw(st.booleans()):
        return case._replace(annotation=annotation)
    return case._replace(annotation=annotation | None, values=st.none() | case.values)


LEAVES = st.sampled_from(SCALARS) | vectors() | unions()
INNER = nullable(LEAVES)
MIDDLE = nullable(LEAVES | structs(INNER) | tables(INNER))
TYPES = nullable(LEAVES | structs(MIDDLE) | tables(MIDDLE))


def same(left: Any, right: Any) -> bool:
    """Equality that looks into arrays and takes NaN for itself."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return type(left) is type(right) and left.dtype == right.dtype and same(left.tolist(), right.tolist())
    if isinstance(left, (float, np.floating)) and math.isnan(left):
        return type(left) is type(right) and math.isnan(right)
    if dataclasses.is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, field.name), getattr(right, field.name)) for field in dataclasses.fields(left)
        )
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same(left[key], right[key]) for key in left)
        )
    return type(left) is type(right) and bool(left == right)


def only_plain(value: Any) -> bool:
    """Engine values are immutable, hashable, and of seven classes."""
    if type(value) is tuple:
        return all(map(only_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes)


def codecs(annotation: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[bytes], Any]]:
    schema = enriched_type_of(annotation)
    return (
        make_engine_value_encoder(annotation),
        make_engine_value_decoder(["x"], schema, annotation),
        unpacker(schema),
    )


@SETTINGS
@given(st.data())
def test_values_come_back_as_they_were(data):
    case = data.draw(TYPES)
    value = data.draw(case.values)
    encode, decode, _ = codecs(case.annotation)
    engine = encode(value)
    assert only_plain(engine)
    assert same(decode(engine), value)


@SETTINGS
@given(st.data())
def test_engine_values_survive_storage(data):
    case = data.draw(TYPES)
    encode, _, unpack = codecs(case.annotation)
    engine = encode(data.draw(case.values))
    packed = pack(engine)
    assert pack(unpack(packed)) == packed
    assert same(unpack(packed), engine)


@SETTINGS
@given(st.data())
def test_what_was_decoded_encodes_to_the_same_bytes(data):
    case = data.draw(TYPES)
    encode, decode, _ = codecs(case.annotation)
    engine = encode(data.draw(case.values))
    assert pack(encode(decode(engine))) == pack(engine)


@SETTINGS
@given(st.data())
def test_the_natural_form_survives_a_round_trip(data):
    case = data.draw(TYPES)
    schema = enriched_type_of(case.annotation)
    engine = make_engine_value_encoder(case.annotation)(data.draw(case.values))
    natural = make_engine_value_decoder(["x"], schema, Any)(engine)
    assert pack(encoder_for_schema(schema)(natural)) == pack(engine)


@SETTINGS
@given(st.data())
def test_schemas_survive_json(data):
    schema = enriched_type_of(data.draw(TYPES).annotation)
    again = type(schema).decode(msgspec.json.decode(msgspec.json.encode(schema.encode())))
    assert again == schema


@SETTINGS
@given(st.data())
def test_keys_come_back_and_hash_alike(data):
    case = data.draw(keys())
    fields = key_fields_of(case.annotation)
    encode = make_engine_key_encoder(case.annotation)
    value = data.draw(case.values)
    parts = encode(value)
    assert len(parts) == len(fields) and only_plain(parts)
    assert unpacker(fields)(pack(parts)) == parts
    decoded = make_engine_key_decoder(["<key>"], fields, case.annotation)(parts)
    assert decoded == value and hash(decoded) == hash(value)
    natural = make_engine_key_decoder(["<key>"], fields, Any)(parts)
    assert hash(natural) == hash(make_engine_key_decoder(["<key>"], fields, Any)(encode(decoded)))


@SETTINGS
@given(st.data())
def test_the_order_of_a_dict_does_not_matter(data):
    key, row = data.draw(keys()), data.draw(structs(INNER, "r"))
    table = data.draw(st.dictionaries(key.values, row.values, min_size=2, max_size=4))
    encode = make_engine_value_encoder(dict[key.annotation, row.annotation])
    assert pack(encode(table)) == pack(encode(dict(reversed(table.items()))))


@SETTINGS
@given(st.data())
def test_illegal_values_are_refused_with_expectation_fact_and_place(data):
    case = data.draw(LEAVES | structs(INNER, "s") | tables(INNER))
    holder = dataclasses.make_dataclass("Holder", [("before", int), ("field", case.annotation)])
    encode = make_engine_value_encoder(list[holder], path=("arg",))
    good = data.draw(case.values)
    with pytest.raises(ValueConversionError) as caught:
        encode([holder(1, good), holder(1, case.illegal)])
    error = caught.value
    assert error.expected and error.got
    assert format_path(error.path).startswith("arg[1].field")
    assert str(error).endswith(f" - at {format_path(error.path)}")
    with pytest.raises(ValueConversionError, match=r"declared non-nullable, got None - at arg\[0\].field"):
        encode([holder(1, None)])


@SETTINGS
@given(st.data(), st.binary(max_size=12))
def test_any_bytes_are_read_or_refused(data, noise):
    case = data.draw(TYPES)
    schema = enriched_type_of(case.annotation)
    try:
        engine = unpacker(schema)(noise)
    except StoredValueError:
        return
    assert only_plain(engine)
    make_engine_value_decoder(["x"], schema, case.annotation)(engine)
