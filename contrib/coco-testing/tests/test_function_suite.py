"""The function suite on functions that keep every rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.function_suite import FUNCTION_ABILITIES, Case, FunctionSuite, close
from coco_testing.reference.function import CountWords, clip_text


class TestCountWords(FunctionSuite):
    abilities = claim(FUNCTION_ABILITIES)

    @pytest.fixture
    def function(self) -> CountWords:
        return CountWords(least=2)

    def cases(self) -> Sequence[Case]:
        return [
            Case(("b a b a c",), result=[{"word": "a", "count": 2}, {"word": "b", "count": 2}]),
            Case(("one two",), result=[]),
            Case(("x x x",), result=[{"word": "x", "count": 3}]),
        ]

    def bad_cases(self) -> Sequence[Case]:
        return [Case(("a\0",))]


class TestClipText(FunctionSuite):
    abilities = claim(FUNCTION_ABILITIES, {"batching": UNSUPPORTED("cheaper than a batch")})

    @pytest.fixture
    def function(self) -> Any:
        return clip_text

    def cases(self) -> Sequence[Case]:
        return [
            Case(("one two three", 2), result="one two"),
            Case(("one two three",), {"words": 1}, result="one"),
            Case(("a  b",), result="a b"),
        ]

    def bad_cases(self) -> Sequence[Case]:
        return [Case(("a", -1))]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, {"a": 2.0}], [1.0 + 1e-7, {"a": 2.0}], True),
        ([1.0], [1.1], False),
        ([1.0], [1.0, 1.0], False),
        ({"a": 1.0}, {"b": 1.0}, False),
        ("a", "b", False),
        (1, 2, False),
    ],
)
def test_numbers_may_differ_by_the_tolerance(first: Any, second: Any, expected: bool) -> None:
    assert close(first, second, 1e-6) is expected
