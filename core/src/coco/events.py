"""What the engine decides, as data. Each decision emits one event per batch (DESIGN section 3).

Events are the oracle of the tests ("it did no work" is asserted, not assumed), the food of plugins that
observe (``coco_flow_event``) and of progress displays. They carry counts and keys, never row values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """Base of all events. ``flow``: full flow name."""

    flow: str


@dataclass(frozen=True, slots=True)
class RunStarted(FlowEvent):
    """An update pass begins. ``mode``: normal, reexport or reprocess."""

    mode: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunFinished(FlowEvent):
    """An update pass ended. ``seconds``: engine time."""

    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class SourceListed(FlowEvent):
    """A listing ended. ``complete``: deletions may be inferred from it (I-27)."""

    source: str
    rows: int
    complete: bool
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowsDetected(FlowEvent):
    """One listing batch was compared with state."""

    source: str
    new: int
    maybe: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class RowsGone(FlowEvent):
    """Tracked rows that a complete listing no longer has."""

    source: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowsRead(FlowEvent):
    """Values were fetched. ``unchanged``: equal content, dropped; ``vanished``: gone since the listing."""

    source: str
    rows: int
    unchanged: int
    vanished: int
    failed: int


@dataclass(frozen=True, slots=True)
class FunctionCalled(FlowEvent):
    """One function over one batch. ``calls``: results computed; ``executions``: times user code ran."""

    source: str | None
    op: str
    rows: int
    calls: int
    executions: int
    memo_hits: int
    shared: int
    skipped_null: int
    failed: int


@dataclass(frozen=True, slots=True)
class BatchBisected(FlowEvent):
    """A failing batch was halved to find the culprit. ``where``: an op or ``target:NAME``."""

    where: str
    size: int
    error: str


@dataclass(frozen=True, slots=True)
class MemoWritten(FlowEvent):
    """Results of cached calls became durable."""

    entries: int


@dataclass(frozen=True, slots=True)
class RowsStaged(FlowEvent):
    """State now says what may be written."""

    source: str
    rows: int
    refused: int


@dataclass(frozen=True, slots=True)
class TargetMutated(FlowEvent):
    """One target answered for one batch."""

    target: str
    upserts: int
    partial: int
    deletes: int
    unchanged: int
    failed: int


@dataclass(frozen=True, slots=True)
class RowsCommitted(FlowEvent):
    """State is final for these rows."""

    source: str
    rows: int
    removed: int


@dataclass(frozen=True, slots=True)
class RowsCollapsed(FlowEvent):
    """Only the ordinal moved (I-18)."""

    source: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowFailed(FlowEvent):
    """One source row left its batch. ``key``: readable form of the source key."""

    source: str
    key: str
    phase: str
    op: str
    error: str


@dataclass(frozen=True, slots=True)
class DuplicateKeys(FlowEvent):
    """Several entries with one target key; the later one won (I-49, I-50)."""

    target: str
    rows: int
    example: str


@dataclass(frozen=True, slots=True)
class DriftNoticed(FlowEvent):
    """A target holds another number of rows than state says. ``actual=None``: it cannot be read."""

    target: str
    expected: int
    actual: int | None
    message: str


@dataclass(frozen=True, slots=True)
class GuardStopped(FlowEvent):
    """A guard refused to go on."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class LeaseAwaited(FlowEvent):
    """Another process works on the flow. ``holder``: host/process/token; ``what``: what has to wait for it."""

    holder: str
    what: str


@dataclass(frozen=True, slots=True)
class LiveIdle(FlowEvent):
    """Live mode has nothing to do. ``seconds``: until it looks by itself; None: when a change is announced."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class SetupStepDone(FlowEvent):
    """One step of a setup or drop was applied and recorded."""

    resource: str
    action: str


EmitFn: TypeAlias = Callable[[FlowEvent], Any]


def ignore_event(event: FlowEvent) -> None:
    """The default listener."""
