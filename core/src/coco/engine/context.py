"""What one update pass works with: the plan, the ids, the services. Made by the environment, passed down."""

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

DEFAULT_PARK_AFTER = 5


class RunOptions(Struct):
    """How to run. ``reexport``: write every row; ``reprocess``: also ignore the memo.

    ``only_keys``: by source name, packed keys to look at; nothing else is touched. They are processed whatever
    they look like, unless ``force_keys`` is off: then equal content ends the work as usual (change streams).
    ``deleted``: by source, what change messages deleted, with the ordinal of the deletion; grows.
    ``retry_parked``: parked rows are tried again. ``park_after``: failed attempts at one version. ``patient``: what
    could not be prepared is left alone for a while. ``heartbeat``: targets are asked how many rows they hold. ``kept``:
    targets that are open, or stay so after the pass. ``kind``: what began the run, for who looks on (``RunStarted``).
    """

    reexport: bool = False
    reprocess: bool = False
    allow_deletes: bool = False
    max_delete_share: float = 0.5
    retry_parked: bool = False
    park_after: int = DEFAULT_PARK_AFTER
    only_keys: dict[str, list[bytes]] | None = None
    force_keys: bool = True
    deleted: dict[str, dict[bytes, int]] = field(default_factory=dict)
    patient: bool = False
    heartbeat: bool = True
    kept: KeptTargets | None = None
    kind: str = ""

    @property
    def mode(self) -> str:
        return "reprocess" if self.reprocess else "reexport" if self.reexport else "normal"


class Writes(Struct):
    """What one run wrote to one target, in rows. ``error``: the first reason why some were not."""

    done: int = 0
    failed: int = 0
    error: BaseException | None = None


class Run(Struct):
    """One pass over one flow. ``plan`` may be ``whole_plan`` narrowed to some sources.

    ``waiting``: (source id, key) of rows to export again at its end. ``in_doubt``: whether another process may
    have worked on the flow meanwhile. ``heartbeat``: the look at what targets hold, over before anything is written.
    """

    flow: str
    plan: Plan
    whole_plan: Plan
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
    in_doubt: Callable[[], bool] = lambda: False
    heartbeat: asyncio.Future[None] | None = None
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
        """Whether this pass looks at every row of every source."""
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

        So fine that a run cannot get ahead of the clock and with it of the run that follows.
        """
        value = max(stored_max + 1, time.time_ns() // 1_000, self._last_ordinal + 1)
        self._last_ordinal = value
        return value

    def report_failure(self, error: RowError) -> None:
        """Tell of a row that failed: the log, the outcome of the update, and who listens to events."""
        if not self._say_once(error):
            self.failure_log.add(error)
        if len(self.info.errors) < MAX_ERRORS:
            self.info.errors.append(error)
        self.emit(RowFailed(self.flow, error.source, error.key, error.phase, error.op, error.message[:500]))

    def _say_once(self, error: RowError) -> bool:
        """Whether a row failed because its target takes none: a live updater says that once, and not of each row."""
        name = error.op.removeprefix("target:")
        port = self.ports.get(name) if name != error.op else None
        if self.options.kept is None or port is None or port.down is None:
            return False
        self.say_down(name, port.down)
        return True

    def say_down(self, name: str, reason: BaseException) -> None:
        """Log that a target takes no rows, once for each reason in the life of a live updater."""
        kept, opened = self.options.kept, self.ports[name].closed_door is None
        if kept is not None and kept.is_news(name, describe(self.ports[name].closed_door or reason)):
            text = describe(reason)
            if opened:
                text = f"target '{name}' of flow '{self.flow}' takes no rows: {text}"
            logging.getLogger(f"coco.{self.flow}").error(
                "%s. Its rows wait; `coco errors` lists them", printable(text)
            )

    def note_writes(self, target: str, done: int, failed: int, error: BaseException | None) -> None:
        """Count what a target did with a batch; ``error``: why some of it was not written."""
        known = self.writes.setdefault(target, Writes())
        known.done += done
        known.failed += failed
        known.error = known.error or error
        if done and self.options.kept is not None and self.options.kept.is_back(target):
            text = "target '%s' of flow '%s' takes rows again"
            logging.getLogger(f"coco.{self.flow}").warning(text, target, self.flow)

    def end(self) -> None:
        """Sum up what concerns the run as a whole."""
        self.failure_log.end()
        self.info.failed_targets = {
            name: describe(item.error)
            for name, item in self.writes.items()
            if item.error is not None and item.failed and not item.done
        }

    def warn(self, text: str) -> None:
        if text not in self.info.warnings:
            self.info.warnings.append(text)
