"""What is written comes back as the same engine value, for every type."""

from __future__ import annotations

import math
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sqlite_test_support import Export, field, scalar, sql, vector_of

from coco.kit.packed import pack
from coco.kit.values import value_encoder
from coco.typing import (
    BasicValueType,
    EnrichedValueType,
    StructSchema,
    StructType,
    TableType,
    UnionTypeSchema,
    ValueType,
)

SETTINGS = settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
DAY = 86_400_000_000

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats(allow_nan=False) | st.just(math.nan) | st.just(-0.0)
INSTANTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
OFFSET_TIMES = st.tuples(INSTANTS, st.integers(-86_399, 86_399)).map(
    lambda pair: (pair[0] - pair[1] * 1_000_000, pair[1])
)
JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
).map(value_encoder(EnrichedValueType(BasicValueType("Json"))))


class Case(NamedTuple):
    type: ValueType
    values: st.SearchStrategy[Any]
    key: bool = False


def of_packed(kind: str, code: str, numbers: st.SearchStrategy[Any], dimension: int | None) -> Case:
    least, most = (0, 5) if dimension is None else (dimension, dimension)
    lists = st.lists(numbers, min_size=least, max_size=most)
    values = lists.map(lambda items: struct.pack(f"<{len(items)}{code}", *items))
    return Case(vector_of(scalar(kind), dimension), values)


SCALARS = {
    "Bytes": Case(scalar("Bytes"), st.binary(max_size=9), True),
    "Str": Case(scalar("Str"), TEXT | st.just("a\0b"), True),
    "Bool": Case(scalar("Bool"), st.booleans(), True),
    "Int64": Case(scalar("Int64"), INT64, True),
    "Float32": Case(scalar("Float32"), st.floats(width=32, allow_nan=False) | st.just(math.nan)),
    "Float64": Case(scalar("Float64"), FLOATS),
    "Uuid": Case(scalar("Uuid"), st.binary(min_size=16, max_size=16), True),
    "Date": Case(scalar("Date"), st.integers(1, 3_652_059), True),
    "Time": Case(scalar("Time"), st.integers(0, DAY - 1), True),
    "LocalDateTime": Case(scalar("LocalDateTime"), INSTANTS, True),
    "OffsetDateTime": Case(scalar("OffsetDateTime"), OFFSET_TIMES, True),
    "TimeDelta": Case(scalar("TimeDelta"), INT64, True),
    "Range": Case(
        scalar("Range"),
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)).map(sorted).map(tuple),
        True,
    ),
    "Json": Case(scalar("Json"), JSON),
}
PAIR = StructType((field("s", "Str"), field("f", "Float64", nullable=True)))
PAIRS = st.tuples(TEXT, st.none() | FLOATS)
ANY_STRUCT = StructType(tuple(field(kind, case.type, nullable=True) for kind, case in SCALARS.items()))
NESTED = {
    "floats": of_packed("Float32", "f", st.floats(width=32), 3),
    "doubles": of_packed("Float64", "d", st.floats(), None),
    "ints": of_packed("Int64", "q", INT64, 2),
    "texts": Case(vector_of(scalar("Str")), st.lists(TEXT, max_size=3).map(tuple)),
    "vectors": Case(
        vector_of(vector_of(scalar("Float32"), 2)),
        st.lists(st.binary(min_size=8, max_size=8), max_size=3).map(tuple),
    ),
    "struct": Case(PAIR, PAIRS),
    "key struct": Case(StructType((field("a", "Int64"), field("b", "Str"))), st.tuples(INT64, TEXT), True),
    "all scalars": Case(ANY_STRUCT, st.tuples(*(st.none() | case.values for case in SCALARS.values()))),
    "list": Case(TableType("LTable", StructSchema(PAIR.fields)), st.lists(PAIRS, max_size=3).map(tuple)),
    "table": Case(
        TableType("KTable", StructSchema(PAIR.fields), 1),
        st.dictionaries(TEXT, FLOATS, max_size=3).map(lambda rows: tuple(sorted(rows.items()))),
    ),
    "union": Case(
        BasicValueType("Union", union=UnionTypeSchema((scalar("Int64"), scalar("Uuid"), scalar("Float64")))),
        st.tuples(st.just(0), INT64)
        | st.tuples(st.just(1), st.binary(min_size=16, max_size=16))
        | st.tuples(st.just(2), FLOATS),
    ),
    "vectors in a list": Case(
        TableType("LTable", StructSchema((field("v", vector_of(scalar("Float32"), 2)),))),
        st.lists(st.tuples(st.binary(min_size=8, max_size=8)), max_size=3).map(tuple),
    ),
}
CASES = {**SCALARS, **NESTED}


@pytest.mark.parametrize("name", CASES)
def test_values_come_back(name: str) -> None:
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        export = Export(Path(folder, "a.db"), [field("k", "Int64")], [field("v", case.type, nullable=True)])
        export.set_up()

        @SETTINGS
        @given(case.values | st.none())
        def check(value: Any) -> None:
            export.write({(1,): (value,)})
            # By bytes: NaN differs from itself, and True must not come back as 1, nor -0.0 as 0.0.
            assert pack(export.rows()[(1,)]) == pack((value,))

        check()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.key])
def test_keys_identify_rows(name: str) -> None:
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        export = Export(
            Path(folder, "a.db"), [field("k", case.type), field("n", "Int64")], [field("v", "Int64")]
        )
        export.set_up()

        @SETTINGS
        @given(st.lists(case.values, min_size=2, max_size=4, unique_by=pack))
        def check(values: list[Any]) -> None:
            wanted: dict[Any, Any] = {(value, 1): (number,) for number, value in enumerate(values)}
            export.write(wanted)
            rows = export.rows()
            assert {pack(key): row for key, row in rows.items()} == {
                pack(key): row for key, row in wanted.items()
            }
            gone = (values[0], 1)
            export.write({}, [gone])
            assert pack(gone) not in {pack(key) for key in export.rows()}
            export.write({}, list(wanted))

        check()


def test_columns_are_useful_to_sql(tmp_path: Path) -> None:
    """Dates work with SQLite's functions, vectors are packed floats, structs answer to json_extract."""
    export = Export(
        tmp_path / "a.db",
        [field("k", "Int64")],
        [
            field("day", "Date"),
            field("at", "OffsetDateTime"),
            field("pair", PAIR),
            field("vector", vector_of(scalar("Float32"), 2)),
            field("id", "Uuid"),
        ],
    )
    export.set_up()
    vector = struct.pack("<2f", 1.0, 2.0)
    export.write({(1,): (738_945, (1_704_067_200_000_000, 7_200), ("ü", 0.5), vector, bytes(16))})
    assert sql(
        export.path,
        "SELECT day, date(day, '+1 day'), datetime(at), json_extract(pair, '$.s'), vector, id FROM t",
    ) == [
        (
            "2024-02-29",
            "2024-03-01",
            "2024-01-01 00:00:00",
            "ü",
            vector,
            "00000000-0000-0000-0000-000000000000",
        )
    ]


def test_the_ends_of_the_calendar(tmp_path: Path) -> None:
    """An offset may move an instant a day out of the calendar, where only the key's form is left."""
    export = Export(tmp_path / "a.db", [field("k", "OffsetDateTime")])
    export.set_up()
    first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
    keys = {((first - DAY + 1, 0),): (), ((last + DAY - 1, 0),): (), ((0, 0),): ()}
    export.write(keys)
    assert export.rows() == keys
