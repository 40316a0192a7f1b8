"""The rules that every runner must keep (``coco.op.Runner``).

Subclass ``RunnerSuite`` as ``TestSomething``, with a fixture ``factory``. Each check's docstring says what it tests.
Workers import ``coco_testing``. Some checks communicate with workers through files in a temporary folder.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.runner.calls import CallChecks
from coco_testing.runner.workers import WorkerChecks

RUNNER_ABILITIES: tuple[str, ...] = ("crash", "parallel", "close_function")


class RunnerSuite(CallChecks, WorkerChecks, kit=True):
    """Subclass it. Must give: the fixture ``factory``. May give: ``limit_seconds``, ``patience_seconds``, ``met``.

    limit_seconds: time limit of calls that exceed it on purpose. Raise it if workers answer slowly.
    patience_seconds: time after which any operation counts as stuck.
    """

    all_abilities: ClassVar[tuple[str, ...]] = RUNNER_ABILITIES


__all__ = ["RUNNER_ABILITIES", "RunnerSuite"]
