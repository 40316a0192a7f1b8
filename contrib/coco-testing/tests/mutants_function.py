"""Functions that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import itertools
import time
import types
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from coco import op
from coco.typing import Vector
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.function_suite import FUNCTION_ABILITIES, Case, FunctionSuite
from coco_testing.reference.function import CountWords, CountWordsExecutor, WordCount

_numbers = itertools.count()
C = CountWordsExecutor
CASES = [
    Case(
        ("b a b a c",),
        result=[{"word": "a", "count": 2}, {"word": "b", "count": 2}, {"word": "c", "count": 1}],
    ),
    Case(("x x x",)),
]


class CountSuite:
    """What the mutants' suites share."""

    def cases(self) -> Sequence[Case]:
        return CASES

    def bad_cases(self) -> Sequence[Case]:
        return [Case(("a\0",))]


def suite_of(name: str, function: Any, *kills: str, abilities: Any = None, **body: Any) -> Any:
    given = {
        "kills": kills,
        "abilities": claim(FUNCTION_ABILITIES, abilities),
        "function": pytest.fixture(lambda self: function, name="function"),
    }
    return type(f"Test{name}", (CountSuite, FunctionSuite), {**given, **body})


def mutant(name: str, *kills: str, op_args: Any = None, abilities: Any = None, **methods: Any) -> Any:
    spec_cls: Any = types.new_class(f"{name}Words", (CountWords,))
    executor = type(
        f"{name}Executor", (CountWordsExecutor,), {"__annotations__": {"spec": spec_cls}, **methods}
    )
    op.executor_class(**{"batching": True, "cache": True, "behavior_version": 1, **(op_args or {})})(executor)
    return suite_of(name, spec_cls(), *kills, abilities=abilities)


def _one_more(self: Any, text: str) -> list[WordCount]:
    return [WordCount(item.word, item.count + 1) for item in C.count(self, text)]


def _flaps(self: Any, text: str) -> list[WordCount]:
    return [*C.count(self, text), WordCount("n", next(_numbers))]


def _remembers(self: Any, text: str) -> list[WordCount]:
    before = self.__dict__.setdefault("before", [])
    before.append(text)
    return [*C.count(self, text), WordCount(before[-2] if len(before) > 1 else "", 0)]


def _sorts(self: Any, text: list[str]) -> list[list[WordCount]]:
    return [C.count(self, item) for item in sorted(text)]


def _makes_up(self: Any, text: str) -> list[WordCount]:
    try:
        return C.count(self, text)
    except ValueError:
        return []


def _shares(self: Any, text: str) -> list[WordCount]:
    self.text = text
    time.sleep(0.01)  # long enough for any other call
    return C.count(self, self.text)


TestShares = mutant("Shares", "test_side_by_side", count=_shares)
TestOneMore = mutant("OneMore", "test_results", count=_one_more)
TestFlaps = mutant("Flaps", "test_determinism", count=_flaps)
TestFlapsUncached = mutant(
    "FlapsUncached",
    "test_determinism",
    count=_flaps,
    op_args={"cache": False},
    abilities={"deterministic": UNSUPPORTED("a model answers")},
)
TestRemembers = mutant("Remembers", "test_determinism", count=_remembers)
TestSorts = mutant("Sorts", "test_batch_equals_single", __call__=_sorts)
TestMakesUp = mutant("MakesUp", "test_bad_input_is_refused", count=_makes_up)
TestRandomIdentity = mutant(
    "RandomIdentity", "test_identity_is_stable", extra_identity=staticmethod(lambda spec: str(next(_numbers)))
)
TestUnpinned = mutant("Unpinned", "test_version_is_pinned", op_args={"behavior_version": None})
TestNoBatching = suite_of(
    "NoBatching", CountWords(), "test_batch_equals_single", abilities={"batching": UNSUPPORTED("says so")}
)
TestOneCase = suite_of("OneCase", CountWords(), "test_cases_say_something", cases=lambda self: CASES[:1])


class Embed(op.FunctionSpec):
    """Two numbers, declared as three."""


@op.executor_class(behavior_version=1)
class EmbedExecutor:
    spec: Embed

    def analyze(self) -> Any:
        return Vector[float, Literal[3]]

    def __call__(self, text: str) -> Any:
        return [float(len(text)), 1.0]


TestWrongDimension = suite_of(
    "WrongDimension",
    Embed(),
    "test_declared_type",
    abilities={"batching": UNSUPPORTED("one by one")},
    cases=lambda self: [Case(("a",)), Case(("bb",))],
)


class Late(op.FunctionSpec):
    """Its type is another one once it was used."""


@op.executor_class(behavior_version=1)
class LateExecutor:
    spec: Late
    used = False

    def analyze(self) -> Any:
        return str | None if LateExecutor.used else str

    def __call__(self, text: str) -> Any:
        LateExecutor.used = True
        return text


TestLate = suite_of(
    "Late", Late(), "test_type_is_known_beforehand", cases=lambda self: [Case(("a",), result="a")]
)


@op.function(behavior_version=1)
def needs_words(text: str, words: int | None = None) -> str:
    assert words is not None
    return text[:words]


TestNeedsWords = suite_of(
    "NeedsWords", needs_words, "test_null", cases=lambda self: [Case(("abc", 2), result="ab"), Case(("x", 1))]
)
