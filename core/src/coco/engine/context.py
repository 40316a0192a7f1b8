"""What one run works with: the plan, the ids, the services. The environment makes it and passes it down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec import Struct, field

from coco.engine.batches import RootValues
from coco.engine.epochs import TargetEpoch
from coco.engine.exports import ExportRun
from coco.engine.failure_log import FailureLog
from coco.engine.fencing import Fencing
from coco.engine.functions import FunctionStep
from coco.engine.guards import DeleteGuard
from coco.engine.limits import Limiter
from coco.engine.memo import MemoSession
from coco.engine.preparing import ExecutorSource
from coco.engine.read import NO_PATHS, OwnPaths
from coco.engine.stats import MAX_ERRORS, IndexUpdateInfo, RowError, UpdateStats
from coco.engine.target_calls import TargetCalls
from coco.engine.targets import KeptTargets, TargetPort
from coco.engine.threads import Threads
from coco.events import EmitFn, RowFailed
from coco.flow.graph import Graph
from coco.ops.error_text import describe
from coco.plan.plan import Plan, Planner, Program
from coco.printable import printable
from coco.state.protocol import StateStore

DEFAULT_QUARANTINE_AFTER = 5


class RunOptions(Struct):
    """Options of one run."""

    reexport: bool = False
    """Write every row, changed or not."""
    reprocess: bool = False
    """Also ignore the memo."""
    allow_deletes: bool = False
    """Lift the guard against mass deletion."""
    max_delete_share: float = 0.5
    """Share of a target's rows that the run may delete, 0 to 1."""
    retry_quarantined: bool = False
    """Also process quarantined rows."""
    quarantine_after: int = DEFAULT_QUARANTINE_AFTER
    """Failed attempts at one version of a row after which the row is quarantined."""
    only_keys: dict[str, list[bytes]] | None = None
    """By source name, the packed keys to process; the run ignores all other rows. None: all rows."""
    force_keys: bool = True
    """Process ``only_keys`` even if their content has not changed. False for keys from change streams."""
    deleted: dict[str, dict[bytes, int]] = field(default_factory=dict)
    """By source name and packed key, the ordinals of deletions that change streams reported. The run adds to it."""
    patient: bool = False
    """Do not retry a function whose ``prepare`` failed until its pause has ended."""
    heartbeat: bool = True
    """Ask the targets how many rows they hold."""
    kept: KeptTargets | None = None
    """Targets that stay open between the runs of a live updater."""
    kind: str = ""
    """The reason for the run in live mode; see ``RunStarted``."""

    @property
    def mode(self) -> str:
        return "reprocess" if self.reprocess else "reexport" if self.reexport else "normal"


class Writes(Struct):
    """Rows that one run wrote to one target."""

    done: int = 0
    failed: int = 0
    error: BaseException | None = None
    """The first error."""


class Run(Struct):
    """One run of one flow."""

    flow: str
    plan: Plan
    """The plan of the sources that this run updates."""
    whole_plan: Plan
    """The plan of all sources."""
    planner: Planner
    store: StateStore
    threads: Threads
    executors: ExecutorSource
    emit: EmitFn
    memo: MemoSession
    options: RunOptions
    source_ids: dict[str, int]
    exports: dict[str, ExportRun]
    global_limiter: Limiter
    target_calls: TargetCalls
    fencing: Fencing
    namespace: str = ""
    trust_ordinals: dict[str, bool] = field(default_factory=dict)
    removed_sources: list[int] = field(default_factory=list)
    own_paths: OwnPaths = NO_PATHS
    info: IndexUpdateInfo = field(default_factory=IndexUpdateInfo)
    row_counts: dict[int, int] = field(default_factory=dict)
    root_values: RootValues | None = None
    root_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ports: dict[str, TargetPort] = field(default_factory=dict)
    epochs: dict[str, TargetEpoch] = field(default_factory=dict)
    on_progress: Callable[[str, UpdateStats], None] | None = None
    guard: DeleteGuard = field(default_factory=DeleteGuard)
    waiting: set[tuple[int, bytes]] = field(default_factory=set)
    """(source id, packed key) of rows that the run exports again at its end."""
    in_doubt: Callable[[], bool] = lambda: False
    """Whether another process may have worked on the flow meanwhile."""
    heartbeat: asyncio.Future[None] | None = None
    """Compares the row counts of the targets with state; done before the first write."""
    writes: dict[str, Writes] = field(default_factory=dict)
    failure_log: FailureLog = field(default_factory=FailureLog)
    _last_ordinal: int = 0

    def __post_init__(self) -> None:
        self.failure_log = FailureLog(self.flow)
        self.guard = DeleteGuard(self.options.max_delete_share, self.options.allow_deletes)
        self.ports = {
            name: TargetPort(
                export, self.threads, self.target_calls, self.fencing, self.emit, self.flow, self.options.kept
            )
            for name, export in self.exports.items()
        }
        self.epochs = {
            name: TargetEpoch(self.flow, export, self.ports[name], self.store, self.threads)
            for name, export in self.exports.items()
        }

    @property
    def graph(self) -> Graph:
        return self.plan.graph

    @property
    def home_source_id(self) -> int:
        """The source under which state keeps what belongs to the flow as a whole; 0 without sources."""
        return min(self.source_ids.values(), default=0)

    @property
    def covers_all(self) -> bool:
        """Whether this run compares every row of every source."""
        return self.options.only_keys is None and len(self.plan.sources) == len(self.whole_plan.sources)

    def steps_for(self, program: Program, memo: MemoSession | None = None) -> dict[int, FunctionStep]:
        """Function steps of a program, by transform id."""
        from coco.plan.plan import Call

        return {
            item.step.id: FunctionStep(
                item.step,
                self.executors,
                self.threads,
                memo if memo is not None else self.memo,
                self.emit,
                flow=self.flow,
                source=program.source,
                namespace=self.namespace,
            )
            for item in program.instructions
            if isinstance(item, Call)
        }

    def next_process_ordinal(self, stored_max: int) -> int:
        """Strictly increasing per row and per run, roughly the time in microseconds.

        The unit is so small that a run cannot get ahead of the clock, and so of the next run.
        """
        value = max(stored_max + 1, time.time_ns() // 1_000, self._last_ordinal + 1)
        self._last_ordinal = value
        return value

    def report_failure(self, error: RowError) -> None:
        """Report a failed row to the log, to the result of the update, and as an event."""
        if not self._log_target_once(error):
            self.failure_log.add(error)
        if len(self.info.errors) < MAX_ERRORS:
            self.info.errors.append(error)
        self.emit(RowFailed(self.flow, error.source, error.key, error.phase, error.op, error.message[:500]))

    def _log_target_once(self, error: RowError) -> bool:
        """Whether the row failed because its target is down. A live updater logs that once and not for each row."""
        name = error.op.removeprefix("target:")
        port = self.ports.get(name) if name != error.op else None
        if self.options.kept is None or port is None or port.down is None:
            return False
        self.log_down(name, port.down)
        return True

    def log_down(self, name: str, reason: BaseException) -> None:
        """Log that a target accepts no rows. A live updater logs each reason once."""
        kept, opened = self.options.kept, self.ports[name].closed_door is None
        if kept is not None and kept.is_news(name, describe(self.ports[name].closed_door or reason)):
            text = describe(reason)
            if opened:
                text = f"target '{name}' of flow '{self.flow}' accepts no rows: {text}"
            logging.getLogger(f"coco.{self.flow}").error(
                "%s. Its rows are not written yet; `coco errors` lists them", printable(text)
            )

    def note_writes(self, target: str, done: int, failed: int, error: BaseException | None) -> None:
        """Count the rows of a batch that a target wrote and did not write; ``error``: the reason."""
        known = self.writes.setdefault(target, Writes())
        known.done += done
        known.failed += failed
        known.error = known.error or error
        if done and self.options.kept is not None and self.options.kept.is_back(target):
            text = "target '%s' of flow '%s' accepts rows again"
            logging.getLogger(f"coco.{self.flow}").warning(text, target, self.flow)

    def end(self) -> None:
        """Complete the result of the run: log what was suppressed, and list targets of which every write failed."""
        self.failure_log.end()
        self.info.failed_targets = {
            name: describe(item.error)
            for name, item in self.writes.items()
            if item.error is not None and item.failed and not item.done
        }

    def warn(self, text: str) -> None:
        if text not in self.info.warnings:
            self.info.warnings.append(text)
