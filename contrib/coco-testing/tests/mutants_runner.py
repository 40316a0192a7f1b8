"""Runners that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import runner_mutants as mutants

from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.runner_suite import RUNNER_ABILITIES, RunnerSuite

ALONE = {"parallel": UNSUPPORTED("one process")}


def suite_of(name: str, factory: Any, *kills: str, abilities: Any = ALONE) -> Any:
    body = {
        "kills": kills,
        "abilities": claim(RUNNER_ABILITIES, abilities),
        "factory": pytest.fixture(lambda self: factory, name="factory"),
        "limit_seconds": 2.0,
        "patience_seconds": 5.0,
    }
    return type(f"Test{name}", (RunnerSuite,), body)


def mutant(executor_class: Any, *kills: str, abilities: Any = ALONE) -> Any:
    factory = functools.partial(mutants.MutantRunner, executor_class)
    return suite_of(executor_class.__name__, factory, *kills, abilities=abilities)


TestLists = mutant(mutants.Lists, "test_values")
TestPlain = mutant(mutants.Plain, "test_errors", "test_result_that_cannot_travel")
TestFailTogether = mutant(mutants.FailTogether, "test_errors")
TestInOrder = mutant(mutants.InOrder, "test_each_call_has_its_answer", abilities={})
TestLastRun = mutant(mutants.LastRun, "test_batches")
TestTwice = mutant(mutants.Twice, "test_one_answer_each")
TestFromThread = mutant(mutants.FromThread, "test_one_answer_each")
TestStuffs = mutant(mutants.Stuffs, "test_much_at_once")
TestAloud = mutant(mutants.Aloud, "test_printing_does_no_harm")
TestUnlimited = mutant(mutants.Unlimited, "test_time_limit")
TestLimitOfRun = mutant(mutants.LimitOfRun, "test_time_limit_is_of_one_call")
TestKeepsTheDead = mutant(mutants.KeepsTheDead, "test_crash", "test_crash_of_a_batch")
TestWordless = mutant(mutants.Wordless, "test_crash")
TestOneByOne = mutant(mutants.OneByOne, "test_calls_of_one_function_side_by_side", abilities={})
TestAfresh = mutant(mutants.Afresh, "test_prepared_once")
TestUnprepared = mutant(mutants.Unprepared, "test_prepare_makes_a_worker_ready")
TestOneForAll = suite_of("OneForAll", mutants.OneForAll, "test_specs")
TestForgetful = mutant(mutants.Forgetful, "test_auth_entries")
TestTalks = mutant(mutants.Talks, "test_secrets_do_not_show")
TestShows = mutant(mutants.Shows, "test_secrets_do_not_show")
TestEnvironment = mutant(mutants.Environment, "test_secrets_do_not_show")
TestGoesOn = mutant(mutants.GoesOn, "test_cancelled")
TestSwallows = mutant(mutants.Swallows, "test_cancelled")
TestNeverCloses = mutant(mutants.NeverCloses, "test_close_ends_everything")
TestClosesOnce = mutant(mutants.ClosesOnce, "test_close_ends_everything")
TestLeavesThread = mutant(mutants.LeavesThread, "test_close_ends_everything")
TestOnlyIdle = mutant(mutants.OnlyIdle, "test_close_in_the_middle")
TestStartsAgain = mutant(mutants.StartsAgain, "test_closed")
TestAbrupt = mutant(mutants.Abrupt, "test_functions_are_closed")
