"""Texts of UUIDs, dates, times and spans: they come back, have the forms that are promised, and sort."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.kit.iso_text import EPOCH_DAY, date_in, date_out, iso_pairs, span_in, span_out, uuid_in, uuid_out

DAY = 86_400_000_000
FIRST, LAST = (1 - EPOCH_DAY) * DAY, (3_652_060 - EPOCH_DAY) * DAY - 1
"""The ends of the calendar, in microseconds since 1970."""

WHOLE_SECONDS = st.integers(0, 86_399).map(lambda second: second * 1_000_000)
LOCAL = st.integers(FIRST, LAST) | WHOLE_SECONDS
OFFSETS = st.integers(-86_399, 86_399) | st.sampled_from([0, 3_600, -1, 5])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Uuid": st.binary(min_size=16, max_size=16),
    "Date": st.integers(1, 3_652_059),
    "Time": st.integers(0, DAY - 1) | WHOLE_SECONDS,
    "LocalDateTime": LOCAL,
    "OffsetDateTime": st.tuples(LOCAL, OFFSETS).map(lambda pair: (pair[0] - pair[1] * 1_000_000, pair[1])),
}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wide": {"timespec": "microseconds"},
    "spaced": {"separator": " ", "timespec": "microseconds", "outside": True},
}
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58)
LOCAL_MOMENT = (MOMENT - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_values_come_back(form: str, kind: str, data: st.DataObject) -> None:
    write, read = iso_pairs(**FORMS[form])[kind]
    value = data.draw(VALUES[kind])
    assert read(write(value)) == value


@given(LOCAL, OFFSETS)
def test_texts_are_those_of_python(local: int, offset: int) -> None:
    """``isoformat`` is the authority on ISO 8601; an offset is written without its help."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=local)
    zoned = moment.replace(tzinfo=datetime.timezone(datetime.timedelta(seconds=offset)))
    plain, wide = iso_pairs(), iso_pairs(separator=" ", timespec="microseconds")
    value = (local - offset * 1_000_000, offset)
    assert plain["OffsetDateTime"][0](value) == zoned.isoformat()
    assert wide["OffsetDateTime"][0](value) == zoned.isoformat(" ", "microseconds")
    assert plain["LocalDateTime"][0](local) == moment.isoformat()
    assert wide["Time"][0](local % DAY) == moment.time().isoformat("microseconds")


def test_forms() -> None:
    plain, wide = iso_pairs(), iso_pairs(separator=" ", timespec="microseconds")
    instant = (LOCAL_MOMENT + 3_600_000_000, -3_600)
    assert plain["LocalDateTime"][0](LOCAL_MOMENT) == "2024-02-29T23:59:58"
    assert plain["LocalDateTime"][0](LOCAL_MOMENT + 10) == "2024-02-29T23:59:58.000010"
    assert wide["LocalDateTime"][0](LOCAL_MOMENT) == "2024-02-29 23:59:58.000000"
    assert wide["OffsetDateTime"][0](instant) == "2024-02-29 23:59:58.000000-01:00"
    assert plain["OffsetDateTime"][0]((0, 5)) == "1970-01-01T00:00:05+00:00:05"
    assert (wide["Time"][0](0), date_out(EPOCH_DAY)) == ("00:00:00.000000", "1970-01-01")


@given(LOCAL, LOCAL)
def test_texts_of_one_width_sort_as_times_do(one: int, other: int) -> None:
    write, _ = iso_pairs(timespec="microseconds")["LocalDateTime"]
    assert (write(one) < write(other)) == (one < other)


@pytest.mark.parametrize(
    "text", ["2024-02-29 23:59:58", "2024-02-29T23:59:58.0", "2024-02-29T23:59:58.0000009"]
)
def test_texts_of_other_programs_are_read(text: str) -> None:
    for form in FORMS.values():
        assert iso_pairs(**form)["LocalDateTime"][1](text) == LOCAL_MOMENT


@given(st.integers(0, DAY - 1), st.sampled_from([-1, 1]), st.integers(1, 86_399))
def test_a_day_outside_of_the_calendar(rest: int, side: int, offset: int) -> None:
    local = FIRST - DAY + rest if side < 0 else LAST + 1 + rest
    value = (local - side * offset * 1_000_000, side * offset)
    write, read = iso_pairs(outside=True)["OffsetDateTime"]
    assert write(value).startswith("0000-12-31T" if side < 0 else "10000-01-01T")
    assert read(write(value)) == value
    with pytest.raises(OverflowError):
        iso_pairs()["OffsetDateTime"][0](value)


@pytest.mark.parametrize("instant", [FIRST - DAY - 1, LAST + DAY + 1])
def test_two_days_outside_of_the_calendar(instant: int) -> None:
    with pytest.raises(OverflowError):
        iso_pairs(outside=True)["OffsetDateTime"][0]((instant, 0))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Uuid", "no"),
        ("Date", "2024-02-30"),
        ("Date", "yesterday"),
        ("Time", "24:00:01"),
        ("Time", "12:00:00+01:00"),
        ("LocalDateTime", "2024-02-29T23:59:58Z"),
        ("OffsetDateTime", "2024-02-29T23:59:58"),
        ("OffsetDateTime", "10000-01-01"),
        ("OffsetDateTime", "10000-01-02T00:00:00+01:00"),
    ],
)
def test_other_texts_are_refused(form: str, kind: str, text: str) -> None:
    with pytest.raises(ValueError):
        iso_pairs(**FORMS[form])[kind][1](text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_spans_come_back(microseconds: int) -> None:
    assert span_in(span_out(microseconds)) == microseconds


def test_forms_of_spans() -> None:
    assert [span_out(item) for item in (0, 90_500_000, -1)] == ["PT0S", "PT90.5S", "-PT0.000001S"]
    for text in ("90", "PT90", "xPT90S", "P1D", "PT1M"):
        with pytest.raises(ValueError):
            span_in(text)


@given(st.uuids())
def test_uuids(value: uuid.UUID) -> None:
    assert uuid_out(value.bytes) == str(value)
    assert uuid_in(str(value).upper()) == value.bytes


@given(st.dates())
def test_dates(value: datetime.date) -> None:
    assert date_out(value.toordinal()) == value.isoformat()
    assert date_in(value.isoformat()) == value.toordinal()
