"""What the engine decides, as data. Each decision emits one event per batch.

Events are the oracle of the tests ("it did no work" is asserted, not assumed), the food of plugins that
observe (``coco_flow_event``) and of progress displays. They carry counts and keys, never row values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct


class FlowEvent(Struct, frozen=True):
    """Base of all events. ``flow``: full flow name."""

    flow: str


class RunStarted(FlowEvent, frozen=True):
    """An update pass begins. ``mode``: normal, reexport or reprocess.

    ``kind``: in live mode what began it: ``initial update``, ``interval update`` or ``change stream``; else empty.
    """

    mode: str
    sources: tuple[str, ...]
    kind: str = ""


class RunFinished(FlowEvent, frozen=True):
    """An update pass ended. ``seconds``: engine time."""

    seconds: float
    failed: bool


class SourceListed(FlowEvent, frozen=True):
    """A listing ended. ``complete``: deletions may be inferred from it."""

    source: str
    rows: int
    complete: bool
    errors: tuple[str, ...] = ()


class RowsDetected(FlowEvent, frozen=True):
    """One listing batch was compared with state."""

    source: str
    new: int
    maybe: int
    unchanged: int


class RowsGone(FlowEvent, frozen=True):
    """Tracked rows that a complete listing no longer has."""

    source: str
    rows: int


class BatchStarted(FlowEvent, frozen=True):
    """Work on a batch of rows begins. ``batch``: its number among those of the source; ``first``: its first key."""

    source: str
    batch: int
    rows: int
    first: str


class BatchEnded(FlowEvent, frozen=True):
    """Work on a batch ended, one way or another."""

    source: str
    batch: int


class RowsRead(FlowEvent, frozen=True):
    """Values were fetched. ``unchanged``: equal content, dropped; ``vanished``: gone since the listing."""

    source: str
    rows: int
    unchanged: int
    vanished: int
    failed: int


class FunctionCalled(FlowEvent, frozen=True):
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


class BatchBisected(FlowEvent, frozen=True):
    """A failing batch was halved to find the culprit. ``where``: an op or ``target:NAME``."""

    where: str
    size: int
    error: str


class MemoWritten(FlowEvent, frozen=True):
    """Results of cached calls became durable."""

    entries: int


class RowsStaged(FlowEvent, frozen=True):
    """State now says what may be written."""

    source: str
    rows: int
    refused: int


class TargetMutated(FlowEvent, frozen=True):
    """One target answered for one batch."""

    target: str
    upserts: int
    partial: int
    deletes: int
    unchanged: int
    failed: int


class RowsCommitted(FlowEvent, frozen=True):
    """State is final for these rows."""

    source: str
    rows: int
    removed: int


class RowsCollapsed(FlowEvent, frozen=True):
    """Only the ordinal moved."""

    source: str
    rows: int


class RowFailed(FlowEvent, frozen=True):
    """One source row left its batch. ``key``: readable form of the source key."""

    source: str
    key: str
    phase: str
    op: str
    error: str


class DuplicateKeys(FlowEvent, frozen=True):
    """Several entries with one target key; the later one won."""

    target: str
    rows: int
    example: str


class DriftNoticed(FlowEvent, frozen=True):
    """A target holds another number of rows than state says. ``actual=None``: it cannot be read."""

    target: str
    expected: int
    actual: int | None
    message: str


class GuardStopped(FlowEvent, frozen=True):
    """A guard refused to go on."""

    where: str
    message: str


class LeaseAwaited(FlowEvent, frozen=True):
    """Another process works on the flow. ``holder``: host/process/token; ``what``: what has to wait for it."""

    holder: str
    what: str


class LiveIdle(FlowEvent, frozen=True):
    """Live mode has nothing to do. ``seconds``: until it looks by itself; None: when a change is announced."""

    seconds: float | None


class SetupStepDone(FlowEvent, frozen=True):
    """One step of a setup or drop was applied and recorded."""

    resource: str
    action: str


EmitFn: TypeAlias = Callable[[FlowEvent], Any]


def ignore_event(event: FlowEvent) -> None:
    """The default listener."""
