"""Every coco type as a column, there and back."""

from __future__ import annotations

import datetime
import json
import math
import struct
import uuid
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis_profiles import examples
from postgres_test_support import Export, column_types, export, field, fields, query

import coco
from coco.kit.packed import pack
from coco.typing import FieldSchema
from coco_target_postgres import json_form
from coco_target_postgres.spec import PostgresConnector

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT32 = st.floats(width=32).map(lambda x: math.nan if x != x else x)
FLOAT64 = st.floats().map(lambda x: math.nan if x != x else x)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


class Point(NamedTuple):
    name: str
    size: int
    weight: float


def canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def packed(code: str, elements: st.SearchStrategy[Any], size: int | None) -> st.SearchStrategy[bytes]:
    low, high = (0, 5) if size is None else (size, size)
    return st.lists(elements, min_size=low, max_size=high).map(
        lambda values: struct.pack(f"<{len(values)}{code}", *values)
    )


SMALL = st.floats(-1000, 1000, width=32)
POINT = st.tuples(TEXT, INT64, FLOAT64)

KINDS: dict[str, tuple[Any, str, st.SearchStrategy[Any]]] = {
    "Str": (str, "text", TEXT),
    "Bytes": (bytes, "bytea", st.binary(max_size=40)),
    "Bool": (bool, "boolean", st.booleans()),
    "Int64": (int, "bigint", INT64),
    "Float32": (coco.Float32, "real", FLOAT32),
    "Float64": (float, "double precision", FLOAT64),
    "Uuid": (uuid.UUID, "uuid", st.binary(min_size=16, max_size=16)),
    "Date": (datetime.date, "date", st.integers(1, 3_652_059)),
    "Time": (datetime.time, "time without time zone", st.integers(0, 86_399_999_999)),
    "LocalDateTime": (coco.LocalDateTime, "timestamp without time zone", MICROS),
    "OffsetDateTime": (
        coco.OffsetDateTime,
        "timestamp with time zone",
        st.tuples(MICROS, st.integers(-86_399, 86_399)),
    ),
    "TimeDelta": (datetime.timedelta, "interval", INT64),
    "Range": (
        coco.Range,
        "int8range",
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)).map(
            lambda pair: (min(pair), max(pair))
        ),
    ),
    "Json": (coco.Json, "jsonb", JSON.filter(lambda data: data is not None).map(canonical)),
    "vector": (coco.Vector[coco.Float32, Literal[3]], "vector(3)", packed("f", SMALL, 3)),
    "vector of Float64": (coco.Vector[float, Literal[3]], "vector(3)", packed("d", st.floats(-1e9, 1e9), 3)),
    "vector of Int64": (coco.Vector[int, Literal[3]], "vector(3)", packed("q", INT64, 3)),
    "halfvec": (coco.Vector[coco.Float32, Literal[3]], "halfvec(3)", packed("f", SMALL, 3)),
    "dynamic vector": (coco.Vector[coco.Float32], "jsonb", packed("f", FLOAT32, None)),
    "dynamic Int64 vector": (coco.Vector[int], "jsonb", packed("q", INT64, None)),
    "vector of text": (coco.Vector[str], "jsonb", st.lists(TEXT, max_size=3).map(tuple)),
    "multi-vector": (
        coco.Vector[coco.Vector[coco.Float32, Literal[2]]],
        "jsonb",
        st.lists(packed("f", SMALL, 2), max_size=3).map(tuple),
    ),
    "Struct": (Point, "jsonb", POINT),
    "LTable": (list[Point], "jsonb", st.lists(POINT, max_size=3).map(tuple)),
    "KTable": (
        dict[str, Point],
        "jsonb",
        st.dictionaries(TEXT.filter(lambda text: "\0" not in text), POINT, max_size=3).map(
            lambda rows: tuple((key, *value) for key, value in sorted(rows.items()))
        ),
    ),
}
KEYS = [
    kind
    for kind in KINDS
    if kind not in ("Float32", "Float64", "Json") and "ec" not in kind and "Table" not in kind
]


def export_of(kind: str) -> Export:
    annotation, _, _ = KINDS[kind]
    return export(
        fields(id=int),
        [field("value", annotation)],
        table=f"of {kind}",
        halfvec=["value"] if kind == "halfvec" else [],
    )


def stored_form(target: Export, item: FieldSchema) -> Callable[[Any], Any]:
    return PostgresConnector.stored_form(target.spec, item) or (lambda value: value)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_read_in_their_stored_form(database: str, kind: str) -> None:
    target = export_of(kind)
    target.set_up()
    assert column_types(database, f"of {kind}")["value"] == KINDS[kind][1]
    form = stored_form(target, target.value_fields[0])

    @settings(max_examples=examples(10), suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.none() | KINDS[kind][2], min_size=8, max_size=8))
    def round_trip(values: list[Any]) -> None:
        target.write({(number,): (value,) for number, value in enumerate(values)})
        expected = {
            (number,): (None if value is None else form(value),) for number, value in enumerate(values)
        }
        found = target.read()
        assert {key: pack(row) for key, row in found.items()} == {
            key: pack(row) for key, row in expected.items()
        }
        # What comes back is a stored form itself: a verified row stays verified.
        assert all(row[0] is None or pack(form(row[0])) == pack(row[0]) for row in found.values())

    with target.opened():  # keeps the pool open
        round_trip()


@pytest.mark.parametrize("kind", KEYS)
def test_keys_come_back_and_identify(database: str, kind: str) -> None:
    annotation, _, strategy = KINDS[kind]
    target = export([field("key", annotation)], fields(number=int))
    target.set_up()
    form = stored_form(target, target.key_fields[0])

    @settings(max_examples=examples(10), suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(strategy, min_size=1, max_size=8))
    def round_trip(keys: list[Any]) -> None:
        rows: dict[tuple[Any, ...], tuple[Any, ...]] = {(form(key),): (n,) for n, key in enumerate(keys)}
        target.write(dict(rows))
        assert target.read() == rows
        target.write({key: (row[0] + 1,) for key, row in rows.items()})
        assert target.read() == {key: (row[0] + 1,) for key, row in rows.items()}
        target.write(dict.fromkeys(rows))
        assert target.read() == {}

    with target.opened():  # keeps the pool open
        round_trip()


def test_a_struct_can_be_a_key(database: str) -> None:
    class Place(NamedTuple):
        file: str
        line: int

    target = export([field("place", Place)], fields(text=str))
    target.set_up()
    target.write({(("a", 1),): ("x",), (("a", 2),): ("y",)})
    assert target.read() == {(("a", 1),): ("x",), (("a", 2),): ("y",)}
    target.write({(("a", 1),): None})
    assert query(database, "SELECT place ->> 'file', place -> 'line', text FROM rows") == [("a", 2, "y")]


EXAMPLES: list[tuple[Any, Any, str]] = [
    (str, "Hello\0World", "HelloWorld"),
    (bool, True, "true"),
    (datetime.date, datetime.date(2026, 11, 20).toordinal(), "2026-11-20"),
    (datetime.time, 3_723_000_004, "01:02:03.000004"),
    (coco.LocalDateTime, 1_500_000, "1970-01-01 00:00:01.5"),
    (coco.OffsetDateTime, (1_500_000, 7200), "1970-01-01 00:00:01.5+00"),
    (datetime.timedelta, -5_400_000_001, "-01:30:00.000001"),
    (coco.Range, (3, 17), "[3,17)"),
    (uuid.UUID, bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    (bytes, b"\x00\xff", "\\x00ff"),
    (coco.Vector[coco.Float32, Literal[2]], struct.pack("<2f", 1, -0.5), "[1,-0.5]"),
    (coco.Json, '{"a\\u0000b":["x\\u0000"]}', '{"ab": ["x"]}'),
    (coco.Vector[float], struct.pack("<3d", 1, math.nan, math.inf), "[1.0, null, null]"),
    (coco.Vector[bytes], (b"\x00\xff",), '["AP8="]'),
    (coco.Vector[coco.Range], ((1, 2),), "[[1, 2]]"),
    (coco.Vector[datetime.timedelta], (-1_500_000,), '["-PT1.5S"]'),
    (coco.Vector[coco.OffsetDateTime], ((0, 3600),), '["1970-01-01T01:00:00+01:00"]'),
    (Point, ("n\0", 1, 2.5), '{"name": "n", "size": 1, "weight": 2.5}'),
    (list[Point], (("n", 1, 2.5),), '[{"name": "n", "size": 1, "weight": 2.5}]'),
    (dict[str, Point], (("k", "n", 1, 2.5),), '[{"name": "n", "size": 1, "weight": 2.5, "key": "k"}]'),
    (int | str, (1, "text"), '"text"'),
]


@pytest.mark.parametrize(("annotation", "value", "text"), EXAMPLES, ids=lambda item: str(item)[:20])
def test_others_see_ordinary_values(database: str, annotation: Any, value: Any, text: str) -> None:
    target = export(fields(id=int), [field("value", annotation)])
    target.set_up()
    query(database, "ALTER DATABASE " + database.rpartition("/")[2] + " SET timezone TO 'UTC'")
    target.write({(1,): (value,)})
    (found,) = query(database, "SELECT value::text FROM rows")
    if text.startswith(("{", "[{")):
        loaded = json.loads(found[0])
        if isinstance(value[0], tuple) and len(value[0]) == 4:  # the name of a KTable's key is the schema's
            key = target.value_fields[0].value_type.type.row.fields[0].name  # type: ignore[union-attr]
            text = text.replace('"key"', f'"{key}"')
        assert loaded == json.loads(text)
    else:
        assert found == (text,)


def test_a_union_is_written_and_not_read_back(database: str) -> None:
    target = export(fields(id=int), [field("value", int | str), field("other", str)])
    target.set_up()
    target.write({(1,): ((0, 7), "x")})
    assert target.read() == {(1,): (..., "x")}


def test_a_row_may_have_a_key_and_nothing_else(database: str) -> None:
    target = export(fields(id=int), [])
    target.set_up()
    target.write({(1,): (), (2,): ()})
    target.write({(1,): (), (3,): ()})
    assert set(target.read()) == {(1,), (2,), (3,)}


def test_nan_inside_jsonb_is_null_with_one_warning(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_form._Warnings, "told", False)
    target = export(fields(id=int), [field("value", Point)])
    target.set_up()
    target.write({(1,): (("a", 1, math.nan),), (2,): (("b", 2, -math.inf),)})
    assert query(database, "SELECT value ->> 'weight' FROM rows") == [(None,), (None,)]
    assert len([record for record in caplog.records if "NaN" in record.message]) == 1
