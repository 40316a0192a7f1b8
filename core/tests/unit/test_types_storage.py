"""Packed values: canonical outwards, checked inwards."""

import dataclasses
import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from coco.errors import StoredValueError
from coco.types.analyze import enriched_type_of, key_fields_of, struct_fields_of
from coco.types.encode import make_engine_value_encoder
from coco.types.storage import pack, packer, unpacker
from coco.typing import Float32, Json, LocalDateTime, OffsetDateTime, Range, Vector

pytestmark = pytest.mark.kernels


@dataclasses.dataclass
class Person:
    name: str
    age: int | None
    kind: int | str | None
    spans: list[Range]


class Pair(NamedTuple):
    a: int
    b: str


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass
class Maybe:
    inner: Person | None
    table: dict[Pair, Person] | None
    rows: list[Empty]


PERSON = Person("Ada", None, "x", [(0, 1)])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (bytes, b"\xff"),
        (str, "é"),
        (bool, True),
        (int, -(2**63)),
        (int, 2**63 - 1),
        (Float32, 0.1),
        (float, 1),
        (UUID, UUID(int=1)),
        (datetime.date, datetime.date.max),
        (datetime.time, datetime.time.max),
        (LocalDateTime, datetime.datetime.min),
        (LocalDateTime, datetime.datetime.max),
        (
            OffsetDateTime,
            datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=23))),
        ),
        (
            OffsetDateTime,
            datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-23))),
        ),
        (datetime.timedelta, datetime.timedelta(microseconds=2**63 - 1)),
        (Range, (0, 2**63 - 1)),
        (Json, {"a": [1, None, 10**30]}),
        (Vector[Float32, 2], [1, 2]),
        (Vector[int], []),
        (Vector[str, 2], ["a", "b"]),
        (Vector[Vector[Float32, 1]], [[1], [2]]),
        (Vector[int | str], [1, "a"]),
        (int | str, "a"),
        (list[float] | Json, {"a": 1}),
        (int | str | None, None),
        (Empty, Empty()),
        (Person, PERSON),
        (list[Person], [PERSON, PERSON]),
        (list[Person], []),
        (dict[Pair, Person], {Pair(1, "x"): PERSON}),
        (Maybe, Maybe(None, None, [])),
        (Maybe, Maybe(PERSON, {Pair(1, "x"): PERSON, Pair(0, "x"): PERSON}, [Empty(), Empty()])),
        (Maybe | None, None),
    ],
)
def test_round_trip(annotation, value):
    engine = make_engine_value_encoder(annotation)(value)
    data = pack(engine)
    result = unpacker(enriched_type_of(annotation))(data)
    assert result == engine
    assert _types(result) == _types(engine)
    assert packer()(engine) == data


def _types(value):
    return tuple(map(_types, value)) if isinstance(value, tuple) else type(value)


def test_rows_and_keys():
    row = make_engine_value_encoder(Person)(PERSON)
    assert unpacker(struct_fields_of(Person))(pack(row)) == row
    assert unpacker(key_fields_of(str))(pack(("a",))) == ("a",)
    assert unpacker([])(pack(())) == ()


@pytest.mark.parametrize(
    ("annotation", "stored"),
    [
        (str, 1),
        (str, b"a"),
        (str, None),
        (bytes, "a"),
        (bool, 1),
        (int, True),
        (int, 1.5),
        (int, 2**63),
        (float, "1"),
        (UUID, b"short"),
        (datetime.date, 0),
        (datetime.date, 4_000_000),
        (datetime.time, 86_400_000_000),
        (LocalDateTime, 2**62),
        (OffsetDateTime, (0, 90_000)),
        (OffsetDateTime, 0),
        (Range, (2, 1)),
        (Range, (-1, 1)),
        (Range, (1,)),
        (Json, "{"),
        (Json, 5),
        (Vector[Float32, 2], bytes(4)),
        (Vector[Float32], bytes(5)),
        (Vector[Float32], (1.0,)),
        (Vector[str, 2], ("a",)),
        (Vector[str], ("a", 1)),
        (int | str, (2, "a")),
        (int | str, (-1, "a")),
        (int | str, (0, "a")),
        (int | str, "a"),
        (int | Range, (1, (2, 1))),
        (Pair, (1,)),
        (Pair, (1, "a", 2)),
        (Pair, ("a", 1)),
        (Pair, {"a": 1, "b": "x"}),
        (list[Pair], ((1, "a"), (2,))),
        (dict[str, Pair], (("k", 1, 2),)),
        (Empty, (1,)),
        (Person, ("a", 1, (5, 1), ())),
    ],
)
def test_what_does_not_fit_is_refused(annotation, stored):
    with pytest.raises(StoredValueError, match="stored bytes do not read as"):
        unpacker(enriched_type_of(annotation))(msgspec.msgpack.encode(stored))


@pytest.mark.parametrize("data", [b"", b"\xc1", pack("a")[:-1], pack("a") + b"\x00", b"\xa1\xff"])
def test_damaged_bytes_are_refused(data):
    with pytest.raises(StoredValueError):
        unpacker(enriched_type_of(str))(data)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Person, PERSON, "94a3416461c09201a178919200" + "01"),
        (Vector[Float32, 1], [0.1], "c404cdcccc3d"),
        (float, float("nan"), "cb7ff8000000000000"),
        (Json, {"b": 1, "a": "é"}, "b47b2261223a225c7530306539222c2262223a317d"),
        (dict[str, Pair], {"b": Pair(2, ""), "a": Pair(1, "")}, "9293a16101a093a16202a0"),
    ],
)
def test_stored_bytes_equal_those_on_record(annotation, value, expected):
    assert pack(make_engine_value_encoder(annotation)(value)).hex() == expected
