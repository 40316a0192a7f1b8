"""Strict reading of JSON."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.strict_json import DEEPEST, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_round_trip(value: object, escaped: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=escaped)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None), (" true\n", True), ('"a"', "a"), ("-0", 0), ("[]", []), ("\ufeff{}", {}),
        ('{"a": 1, "a": 2}', {"a": 2}), ('"\\ud83d\\ude00"', "😀"), ('"\\\\ud800"', "\\ud800"),
        (str(2**200), 2**200),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("{\n  'a': 1}", "line 2, column 3"),
        ("[1, 2", "line 1, column 6"),
        ("[1,]", "at line 1, column"),
        ("1 2", "Extra data at line 1, column 3"),
        ('"\t"', "Invalid control character .*line 1, column 2"),
        ("\ufeff\ufeff1", "line 1, column 1"),
        ("NaN", "NaN is no JSON value"),
        ("[Infinity]", "Infinity is no JSON value"),
        ("[-Infinity]", "-Infinity is no JSON value"),
        ("1e999", "too large for a float"),
    ],
)
def test_malformed_text(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a\\ud800b"]', ["a\ufffdb"]),
        ('{"\\uDFFF": {"x": "\\udc00\\ud800"}}', {"\ufffd": {"x": "\ufffd\ufffd"}}),
        ('"\\ud83d\\ude00 and \\ud83d"', "\U0001f600 and \ufffd"),
        ('["\\\\ud800", 1]', ["\\ud800", 1]),  # an escaped backslash
    ],
)
def test_half_of_a_surrogate_pair_is_replaced(text: str, value: object) -> None:
    assert parse_json(text) == value


def test_huge_integers_become_floats_where_they_fit() -> None:
    digits = "0." + "1" * 5000
    assert parse_json(digits) == float(digits)
    with pytest.raises(ValueError, match="too large for a float"):
        parse_json("1" * 5000)
    assert math.isclose(parse_json("[" + "1" * 300 + "]")[0], float("1" * 300))


@pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ('{"a":', "}")])
def test_depth(opener: str, closer: str) -> None:
    value = parse_json(opener * DEEPEST + "1" + closer * DEEPEST)
    for _ in range(DEEPEST):
        (value,) = value if isinstance(value, list) else value.values()
    assert value == 1
    for deeper in (DEEPEST + 1, 200_000):
        with pytest.raises(ValueError, match=f"deeper than {DEEPEST} levels"):
            parse_json(opener * deeper + "1" + closer * deeper)


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    assert len(parse_json("[" + "[]," * 2000 + "[]]")) == 2001
    text = json.dumps(['[{\\"' * 2000, "\\", "[["])
    assert parse_json(text) == json.loads(text)


def test_an_open_string_behind_many_brackets() -> None:
    for inside in ("[" * 200_000, "\\[" * 200_000, '\\"' * 200_000):
        with pytest.raises(ValueError, match="line 1"):
            parse_json("[]" * 300 + '"' + inside)
