"""A suite cannot be made to say less than the kit wrote: by removal, replacement, marks or silence."""

from __future__ import annotations

from typing import Any

import pytest

from coco_testing.abilities import FULL, UNSUPPORTED, KnownFailure, claim
from coco_testing.audit import SuiteError, checks_of, problems_of
from coco_testing.function_suite import FunctionSuite
from coco_testing.runner_suite import RunnerSuite
from coco_testing.source_suite import ALL_SOURCE_ABILITIES, SOURCE_ABILITIES, SourceSuite
from coco_testing.store_suite import StoreSuite
from coco_testing.target_suite import TargetSuite


def subclass(*mixins: type, **body: Any) -> Any:
    return type("TestIt", (*mixins, SourceSuite), {"abilities": claim(SOURCE_ABILITIES), **body})


def test_an_unchanged_suite_has_no_problems() -> None:
    class Mixin:
        helper = 3

    made = subclass(Mixin, world=lambda self: None, test_more=lambda self: None)
    assert problems_of(made) == []


@pytest.mark.parametrize(
    "name", ["test_vanished", "assert_value", "listing", "_judge", "_session", "support", "all_abilities"]
)
@pytest.mark.parametrize("instead", [None, lambda self: None])
def test_overriding_a_part_of_the_kit_is_a_problem(name: str, instead: Any) -> None:
    with pytest.raises(SuiteError, match=name):
        subclass(**{name: instead})
    with pytest.raises(SuiteError, match=name):
        subclass(type("Mixin", (), {name: instead}))


def test_overriding_in_an_intermediate_class_is_a_problem() -> None:
    between = subclass()
    with pytest.raises(SuiteError, match="test_change"):
        type("TestThat", (between,), {"test_change": None})


def test_assigning_a_check_after_the_definition_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    made = subclass()
    monkeypatch.setattr(made, "test_change", None, raising=False)
    assert any("test_change" in item for item in problems_of(made))


@pytest.mark.parametrize("mark", [pytest.mark.skip, pytest.mark.skipif(True, reason="x"), pytest.mark.xfail])
def test_marks_that_void_checks(mark: Any) -> None:
    with pytest.raises(SuiteError, match="is marked"):
        subclass(pytestmark=[mark.mark])


def test_a_suite_that_pytest_does_not_collect_is_a_problem() -> None:
    with pytest.raises(SuiteError, match="__test__"):
        subclass(__test__=False)


def test_hooks_of_python_count_too() -> None:
    with pytest.raises(SuiteError, match="__getattribute__"):
        subclass(__getattribute__=lambda self, name: None)


def test_unknown_abilities_and_checks_are_problems() -> None:
    with pytest.raises(SuiteError, match="'speed' is not an ability"):
        subclass(abilities={"speed": FULL})
    with pytest.raises(SuiteError, match="no check 'test_speed'"):
        subclass(known_failures={"test_speed": KnownFailure(ValueError, "slow")})
    with pytest.raises(ValueError, match="is not an ability"):
        claim(SOURCE_ABILITIES, {"speed": FULL})


def test_reasons_are_given() -> None:
    with pytest.raises(ValueError, match="reason"):
        UNSUPPORTED(" ")
    with pytest.raises(ValueError, match="reason"):
        KnownFailure(ValueError, "")


def test_only_the_kit_makes_kit_suites() -> None:
    with pytest.raises(SuiteError, match="kit=True"):

        class Mine(TargetSuite, kit=True):
            pass


def test_a_new_ability_may_be_left_undeclared_but_not_misspelt() -> None:
    assert problems_of(subclass(abilities=claim(SOURCE_ABILITIES))) == []
    assert problems_of(subclass(abilities=claim(ALL_SOURCE_ABILITIES))) == []
    with pytest.raises(SuiteError, match="'change_streams' is not an ability"):
        subclass(abilities={**claim(SOURCE_ABILITIES), "change_streams": FULL})


@pytest.mark.parametrize("suite", [TargetSuite, SourceSuite, FunctionSuite, StoreSuite, RunnerSuite])
def test_each_ability_has_a_check(suite: Any) -> None:
    """A claim that nothing tests would be worth nothing."""
    tested: set[str] = set()
    for name in checks_of(suite):
        method = getattr(suite, name)
        ability = method.__coco_check__
        marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
        values = [item.values[0] for mark in marks for item in mark.args[1]] or [""]
        tested |= {ability.format(name=value) for value in values}
    assert tested - {"required"} == {*suite.all_abilities, *suite.newer_abilities}


def test_checks_in_order() -> None:
    found = checks_of(TargetSuite)
    assert found[0] == "test_nothing_is_left_out"
    assert found.index("test_create") < found.index("test_upsert") < found.index("test_secrets_do_not_show")
    assert len(found) == len(set(found)) > 25
