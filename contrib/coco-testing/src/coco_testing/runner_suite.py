"""What every runner must do, wherever it makes calls (``coco.op.Runner``).

Subclass ``RunnerSuite`` as ``TestSomething``, with a fixture ``factory``. Each check's docstring says what it catches.
Workers import ``coco_testing``; some checks speak with them over files in a temporary folder.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.runner.calls import CallChecks
from coco_testing.runner.workers import WorkerChecks

RUNNER_ABILITIES: tuple[str, ...] = ("crash", "parallel", "close_function")


class RunnerSuite(CallChecks, WorkerChecks, kit=True):
    """Subclass it. Must give: the fixture ``factory``. May give: ``limit_seconds``, ``patience_seconds``, ``met``.

    limit_seconds: limit of calls that are meant to exceed it; more where a worker takes long to answer.
    patience_seconds: how long anything may take before it counts as stuck.
    """

    all_abilities: ClassVar[tuple[str, ...]] = RUNNER_ABILITIES


__all__ = ["RUNNER_ABILITIES", "RunnerSuite"]
