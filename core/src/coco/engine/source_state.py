"""State that the batches of one source share during one run, and the handling of failed rows."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from coco.engine.batches import RowProblem, WorkRow
from coco.engine.context import Run
from coco.engine.failures import FailureTexts, next_failure, version_of
from coco.engine.functions import FunctionStep
from coco.engine.read import SourcePort
from coco.engine.stats import RowError, UpdateStats
from coco.errors import StateStoreError
from coco.plan.fingerprints import fingerprint_json
from coco.plan.plan import SourcePlan
from coco.state.protocol import Failure


class SourceState:
    """One source during one run, shared by its batches.

    ``logic_fp``: logic fingerprint of all exports; ``logic``: per export. ``failures``: recorded failures by packed key.
    ``left``: keys that failed in this run, or were skipped because they are quarantined.
    """

    def __init__(
        self, run: Run, plan: SourcePlan, port: SourcePort | None, failures: dict[bytes, Failure]
    ) -> None:
        self.run = run
        self.plan = plan
        self.port = port
        self.name = plan.name
        self.source_id = run.source_ids[plan.name]
        self.failures = failures
        self.left: set[bytes] = set()
        self.stats = UpdateStats()
        self.logic = {
            name: export.logic[plan.name] for name, export in run.exports.items() if plan.name in export.logic
        }
        self.logic_fp = logic_fingerprint(run, plan.name)
        self._batches = 0
        self._steps: dict[frozenset[str], dict[int, FunctionStep]] = {}

    def steps(self, exports: frozenset[str]) -> dict[int, FunctionStep]:
        known = self._steps.get(exports)
        if known is None:
            known = self.run.steps_for(self.run.planner.program(self.plan, exports))
            self._steps[exports] = known
        return known

    def next_batch(self) -> int:
        """The number of the next batch."""
        self._batches += 1
        return self._batches

    def count(self, row: WorkRow) -> None:
        """Count the outcome of a committed row."""
        stats, head = self.stats, row.head
        if row.again:
            return
        if row.deleted:
            stats.num_deletions += 1
        elif head is None:
            stats.num_insertions += 1
        elif row.forced or (head.logic_fp is not None and head.logic_fp != self.logic_fp):
            stats.num_reprocesses += 1
        elif head.logic_fp is None:
            stats.num_insertions += 1
        else:
            stats.num_updates += 1

    def skip_quarantined(self, key: bytes) -> None:
        """Count a quarantined row, which this run skips."""
        self.stats.num_quarantined += 1
        self.left.add(key)

    async def fail(self, problems: list[tuple[WorkRow, RowProblem]]) -> None:
        """Record failed rows. Raises errors of the state store."""
        run = self.run
        records = []
        texts = FailureTexts()
        for row, problem in problems:
            if isinstance(problem.error, StateStoreError):
                raise problem.error
            record = next_failure(
                self.source_id,
                row.key,
                problem,
                self.failures.get(row.key),
                version=version_of(row.ordinal, row.content_fp),
                logic_fp=self.logic_fp,
                quarantine_after=run.options.quarantine_after,
                texts=texts,
            )
            self.failures[row.key] = replace(record, traceback="")  # long, and not used here
            self.left.add(row.key)
            records.append(record)
            self.stats.num_errors += 1
            run.report_failure(row_error(self.name, row.parts, record))
        await run.threads.store(run.store.put_failures, records)


def logic_fingerprint(run: Run, source: str) -> bytes:
    """One fingerprint of the logic of all exports that a source feeds, with their ids."""
    return fingerprint_json(
        sorted(
            [export.target_id, export.logic[source]]
            for export in run.exports.values()
            if source in export.logic
        )
    )


def row_error(source: str, parts: tuple[Any, ...], failure: Failure) -> RowError:
    """A recorded failure as users see it."""
    return RowError(
        source,
        readable_key(parts),
        failure.phase,
        failure.op,
        failure.error_type,
        failure.message,
        failure.attempts,
        failure.first_at,
        failure.last_at,
        failure.quarantined,
        failure.traceback,
    )


def readable_key(parts: tuple[Any, ...]) -> str:
    """A key for messages: the single part, or all of them."""
    return str(parts[0]) if len(parts) == 1 else str(parts)
