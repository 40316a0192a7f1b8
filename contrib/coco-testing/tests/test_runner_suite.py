"""The runner suite on a pool that keeps every rule, and on core's own runner."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coco.harness import runner
from coco.op import Runner
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.reference.runner import PoolRunner
from coco_testing.runner_suite import RUNNER_ABILITIES, RunnerSuite


class TestPool(RunnerSuite):
    abilities = claim(RUNNER_ABILITIES)

    @pytest.fixture
    def factory(self) -> Callable[[], Runner]:
        return PoolRunner


class TestProcess(RunnerSuite):
    """``runner="process"``, which is ``gpu=True`` without turns."""

    abilities = claim(
        RUNNER_ABILITIES, {"parallel": UNSUPPORTED("one process for each function: its calls take turns")}
    )

    @pytest.fixture
    def factory(self) -> Callable[[], Runner]:
        return lambda: runner("process")
