"""The functions against the rules that hold for every function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from coco_function_text.detect_language import DetectProgrammingLanguage
from coco_function_text.parse_json import ParseJson
from coco_function_text.split_by_separators import SplitBySeparators
from coco_function_text.split_recursively import CustomLanguageSpec, SplitRecursively
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.function_suite import FUNCTION_ABILITIES, Case, FunctionSuite

ABILITIES = claim(
    FUNCTION_ABILITIES, {"batching": UNSUPPORTED("texts are split one by one; a batch would save nothing")}
)


class TestParseJson(FunctionSuite):
    abilities = ABILITIES

    @pytest.fixture
    def function(self) -> ParseJson:
        return ParseJson()

    def cases(self) -> Sequence[Case]:
        return [
            Case(('{"a": [1, "x"]}',), result={"a": [1, "x"]}),
            Case(("null",), result=None),
            Case(("2.5", "JSON"), result=2.5),
            Case(("[]",), {"language": "json"}, result=[]),
        ]

    def bad_cases(self) -> Sequence[Case]:
        return [Case(("{",)), Case(("",)), Case(("{}", "yaml"))]


class TestDetectProgrammingLanguage(FunctionSuite):
    abilities = ABILITIES

    @pytest.fixture
    def function(self) -> DetectProgrammingLanguage:
        return DetectProgrammingLanguage()

    def cases(self) -> Sequence[Case]:
        return [
            Case(("src/a.py",), result="python"),
            Case(("a.RS",), result="rust"),
            Case(("README",), result=None),
        ]


TEXT = "One is here. Two is there.\n\nThree stands alone; it is a longer one.\n" * 4


class TestSplitRecursively(FunctionSuite):
    abilities = ABILITIES

    @pytest.fixture
    def function(self) -> SplitRecursively:
        return SplitRecursively(custom_languages=[CustomLanguageSpec("mine", [r";"])])

    def cases(self) -> Sequence[Case]:
        return [
            Case((TEXT,), {"chunk_size": 40}),
            Case((TEXT, 60, 30, 0, "markdown")),
            Case(("a;b",), {"chunk_size": 2, "min_chunk_size": 1, "language": "mine"}),
            Case(("",), {"chunk_size": 10}, result={}),
        ]

    def bad_cases(self) -> Sequence[Case]:
        return [Case((TEXT, 0))]


class TestSplitBySeparators(FunctionSuite):
    abilities = ABILITIES

    @pytest.fixture
    def function(self) -> SplitBySeparators:
        return SplitBySeparators(separators_regex=[r"\n\n", r";"])

    def cases(self) -> Sequence[Case]:
        position = {"offset": 0, "line": 1, "column": 1}
        return [
            Case((TEXT,)),
            Case(("",), result={}),
            Case(
                ("ä",),
                result={
                    (0, 1): {"text": "ä", "start": position, "end": {"offset": 2, "line": 1, "column": 2}}
                },
            ),
        ]


def test_every_function_is_here() -> None:
    from coco_function_text import _plugin

    suites: list[Any] = [
        TestParseJson,
        TestDetectProgrammingLanguage,
        TestSplitRecursively,
        TestSplitBySeparators,
    ]
    assert {item.name for item in _plugin.coco_ops()} == {
        suite.__name__.removeprefix("Test") for suite in suites
    }
