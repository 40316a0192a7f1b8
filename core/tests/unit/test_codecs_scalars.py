"""Scalars: engine values, what is accepted, what is refused, and the way back."""

import datetime
import decimal
import enum
import math
import uuid
from typing import Any

import numpy as np
import pytest

from coco.engine_value import make_engine_key_encoder, make_engine_value_decoder, make_engine_value_encoder
from coco.errors import ValueConversionError
from coco.types.analyze import enriched_type_of
from coco.types.decode import is_identity
from coco.types.encode import key_encoder_for_schema
from coco.types.schema import FieldSchema
from coco.typing import Float32, Int64, Json, LocalDateTime, OffsetDateTime, Range

pytestmark = pytest.mark.kernels

UTC = datetime.UTC
PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
SOME_UUID = uuid.UUID("12345678123456781234567812345678")


class Text(enum.StrEnum):
    A = "a"


ACCEPTED = [
    (bytes, b"ab", b"ab"),
    (bytes, bytearray(b"ab"), b"ab"),
    (bytes, memoryview(b"ab"), b"ab"),
    (str, "héllo 🙂", "héllo 🙂"),
    (str, "a\x00b", "a\x00b"),
    (str, np.str_("x"), "x"),
    (str, Text.A, "a"),
    (bool, True, True),
    (bool, np.bool_(False), False),
    (int, 2**63 - 1, 2**63 - 1),
    (int, -(2**63), -(2**63)),
    (Int64, np.int8(-3), -3),
    (int, np.uint64(7), 7),
    (np.int64, 5, 5),
    (float, 1.5, 1.5),
    (float, 2, 2.0),
    (float, np.float32(0.5), 0.5),
    (float, math.inf, math.inf),
    (Float32, 0.1, 0.10000000149011612),
    (Float32, 3, 3.0),
    (np.float32, -math.inf, -math.inf),
    (uuid.UUID, SOME_UUID, bytes.fromhex("12345678" * 4)),
    (datetime.date, datetime.date(1, 1, 1), 1),
    (datetime.time, datetime.time(1, 2, 3, 4), 3_723_000_004),
    (LocalDateTime, datetime.datetime(1970, 1, 1, 0, 0, 1), 1_000_000),
    (datetime.datetime, datetime.datetime(1970, 1, 1, 2, tzinfo=PLUS_TWO), (0, 7200)),
    (OffsetDateTime, datetime.datetime(1970, 1, 1, 0, 0, 0, 5), (5, 0)),
    (datetime.timedelta, datetime.timedelta(days=-1, microseconds=1), -86_399_999_999),
    (Range, (2, 5), (2, 5)),
    (Range, [0, 0], (0, 0)),
    (Json, {"b": [1, 2.5, None, True], "a": {"é": "x"}}, '{"a":{"\\u00e9":"x"},"b":[1,2.5,null,true]}'),
    (Json, "text", '"text"'),
    (Json, (1, 2), "[1,2]"),
    (str, "a\ud800b\udc00\ud83d\ude00", "a\ufffdb\ufffd\U0001f600"),
    (Json, {"\udc00": ["\ud800", {"é": 1}]}, '{"\\ufffd":["\\ufffd",{"\\u00e9":1}]}'),
]


@pytest.mark.parametrize(("annotation", "value", "engine"), ACCEPTED)
def test_accepted(annotation, value, engine):
    encoded = make_engine_value_encoder(annotation)(value)
    assert (encoded, type(encoded)) == (engine, type(engine))
    assert make_engine_value_encoder(annotation | None)(value) == engine


REFUSED = [
    (bytes, "ab", "expected Bytes, got str"),
    (str, b"ab", "expected Str, got bytes"),
    (bool, 1, "expected Bool, got int"),
    (int, True, "expected Int64, got bool"),
    (int, 1.0, "expected Int64, got float"),
    (int, "1", "expected Int64, got str"),
    (int, np.bool_(True), "expected Int64, got bool"),
    (int, 2**63, r"expected Int64, got int outside -2\^63..2\^63-1"),
    (np.int64, np.uint64(2**63), r"expected Int64, got uint64 outside"),
    (float, "1.0", "expected Float64, got str"),
    (float, True, "expected Float64, got bool"),
    (float, 10**400, "expected Float64, got int too large"),
    (float, decimal.Decimal(1), "expected Float64, got Decimal"),
    (Float32, 1e39, "expected Float32, got float too large for 32 bits"),
    (uuid.UUID, str(SOME_UUID), r"expected Uuid, got str \(use uuid.UUID"),
    (datetime.date, datetime.datetime(2020, 1, 1), r"expected Date, got datetime \(use .date\(\)\)"),
    (datetime.date, "2020-01-01", "expected Date, got str"),
    (datetime.time, datetime.time(1, tzinfo=UTC), "expected Time, got time with a time zone"),
    (datetime.time, 3, "expected Time, got int"),
    (
        LocalDateTime,
        datetime.datetime(2020, 1, 1, tzinfo=UTC),
        "expected LocalDateTime, got datetime with an offset",
    ),
    (LocalDateTime, datetime.date(2020, 1, 1), "expected LocalDateTime, got date"),
    (OffsetDateTime, datetime.date(2020, 1, 1), "expected OffsetDateTime, got date"),
    (datetime.timedelta, 5, "expected TimeDelta, got int"),
    (datetime.timedelta, datetime.timedelta.max, "expected TimeDelta, got timedelta longer than"),
    (Range, (3, 2), "expected Range, got tuple without 0 <= start <= end"),
    (Range, (-1, 2), "expected Range, got tuple without 0 <= start <= end"),
    (Range, (1, 2, 3), "expected Range, got tuple of 3 elements"),
    (Range, (1, "2"), r"expected Int64, got str - at \[1\]"),
    (Range, range(3), "expected Range, got range"),
    (Json, {1: 2}, "expected Json with str keys, got int as a key"),
    (Json, {"a": [0, math.nan]}, r"expected Json, got float that is NaN or infinite - at \['a'\]\[1\]"),
    (Json, {"a": b""}, r"expected Json, got bytes - at \['a'\]"),
    (Json, [datetime.date(2020, 1, 1)], r"expected Json, got date - at \[0\]"),
    (Json, [10**5000], "integer of too many digits"),
    (Json, {1, 2}, "expected Json, got set"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED)
def test_refused(annotation, value, message):
    with pytest.raises(ValueConversionError, match=message):
        make_engine_value_encoder(annotation)(value)


def test_keys_of_sources_must_be_whole_text():
    for make in (
        lambda: make_engine_key_encoder(str),
        lambda: key_encoder_for_schema([FieldSchema("k", enriched_type_of(str))]),
    ):
        with pytest.raises(ValueConversionError, match="lone surrogate at position 1"):
            make()("a\ud800")


ALL = [bytes, str, bool, int, float, Float32, uuid.UUID, datetime.date, datetime.time]
ALL += [LocalDateTime, OffsetDateTime, datetime.timedelta, Range, Json]


@pytest.mark.parametrize("annotation", ALL)
def test_none_is_refused_unless_the_type_is_nullable(annotation):
    with pytest.raises(ValueConversionError, match="declared non-nullable, got None - at result"):
        make_engine_value_encoder(annotation, path=("result",))(None)
    assert make_engine_value_encoder(annotation | None)(None) is None


@pytest.mark.parametrize("annotation", ALL)
def test_no_kind_takes_any_object(annotation):
    with pytest.raises(ValueConversionError, match=r"got object - at a.b"):
        make_engine_value_encoder(annotation, path=("a", "b"))(object())


def test_the_error_tells_expectation_fact_and_place_but_not_the_value():
    with pytest.raises(ValueConversionError) as caught:
        make_engine_value_encoder(int, path=("a",))("secret")
    error = caught.value
    assert (error.expected, error.got, error.path) == ("Int64", "str", ("a",))
    assert "secret" not in str(error)


def test_json_that_contains_itself():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueConversionError, match="contains itself"):
        make_engine_value_encoder(Json)(loop)


def test_all_nan_are_one_and_zeros_differ():
    import struct

    odd = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
    for annotation in (float, Float32):
        encode = make_engine_value_encoder(annotation)
        assert (
            struct.pack("<d", encode(odd))
            == struct.pack("<d", encode(math.nan))
            == struct.pack("<d", float("nan"))
        )
        assert math.copysign(1, encode(-0.0)) == -1 and math.copysign(1, encode(0.0)) == 1


def test_key_order_of_json_does_not_matter():
    encode = make_engine_value_encoder(Json)
    assert encode({"a": 1, "b": {"c": 1, "d": 2}}) == encode({"b": {"d": 2, "c": 1}, "a": 1})


def test_decoded_json_may_be_changed():
    decode = make_engine_value_decoder(["x"], enriched_type_of(Json), Json)
    first = decode("[1]")
    first.append(2)
    assert decode("[1]") == [1]


@pytest.mark.parametrize(
    ("annotation", "engine", "value"),
    [
        (np.int64, 5, np.int64(5)),
        (np.float32, 0.5, np.float32(0.5)),
        (np.float64, 0.5, np.float64(0.5)),
        (datetime.date, 1, datetime.date(1, 1, 1)),
        (datetime.time, 3_723_000_004, datetime.time(1, 2, 3, 4)),
        (LocalDateTime, -1, datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999)),
        (OffsetDateTime, (0, 7200), datetime.datetime(1970, 1, 1, 2, tzinfo=PLUS_TWO)),
        (datetime.timedelta, -1, datetime.timedelta(microseconds=-1)),
        (Range, (1, 2), (1, 2)),
        (uuid.UUID, SOME_UUID.bytes, SOME_UUID),
    ],
)
def test_decoded(annotation, engine, value):
    decode = make_engine_value_decoder(["x"], enriched_type_of(annotation), annotation)
    assert decode(engine) == value
    assert type(decode(engine)) is type(value)
    assert decode(None) is None


def test_the_offset_is_kept():
    decode = make_engine_value_decoder(["x"], enriched_type_of(OffsetDateTime), OffsetDateTime)
    assert decode((0, 7200)).utcoffset() == datetime.timedelta(hours=2)


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime.min.replace(tzinfo=PLUS_TWO),
        datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-2))),
        datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-23, minutes=-59))),
    ],
)
def test_both_ends_of_the_calendar(value):
    decode = make_engine_value_decoder(["x"], enriched_type_of(OffsetDateTime), OffsetDateTime)
    assert decode(make_engine_value_encoder(OffsetDateTime)(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime.min.replace(tzinfo=PLUS_TWO),
        datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-2))),
    ],
)
def test_a_key_that_utc_cannot_say_is_refused(value):
    with pytest.raises(ValueConversionError, match="outside the years 1 to 9999 in UTC"):
        make_engine_key_encoder(OffsetDateTime)(value)


@pytest.mark.parametrize("annotation", [bytes, str, bool, int, float, Float32, Range, Any, str | None])
def test_nothing_to_do_is_known(annotation):
    source = enriched_type_of(str if annotation is Any else annotation)
    decode = make_engine_value_decoder(["x"], source, annotation)
    assert is_identity(decode)
    value = object()
    assert decode(value) is value


@pytest.mark.parametrize("annotation", [np.int64, np.float32, datetime.date, Json, uuid.UUID])
def test_something_to_do_is_known(annotation):
    assert not is_identity(make_engine_value_decoder(["x"], enriched_type_of(annotation), annotation))
