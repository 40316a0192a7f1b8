"""Decisions of the engine, as data: one event per batch and decision.

Tests assert on events ("it did no work" is checked, not assumed); plugins receive them through ``coco_flow_event``, and
progress displays are drawn from them. They carry counts and keys, never values of rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from coco.deprecated import renamed


class FlowEvent(Struct, frozen=True):
    """Base of all events."""

    flow: str
    """Full name of the flow, with its namespace."""


class RunStarted(FlowEvent, frozen=True):
    """A run of an update begins."""

    mode: str
    """``normal``, ``reexport`` or ``reprocess``."""
    sources: tuple[str, ...]
    """Names of the sources that the run updates."""
    kind: str = ""
    """In live mode the reason for the run: ``initial update``, ``interval update`` or ``change stream``; else empty."""


class RunFinished(FlowEvent, frozen=True):
    """A run of an update ended."""

    seconds: float
    """Duration of the run."""
    failed: bool
    """Whether the run raised an error. Rows that fail do not count."""


class SourceListed(FlowEvent, frozen=True):
    """The listing of a source ended."""

    source: str
    rows: int
    complete: bool
    """Whether rows that are missing in it count as deleted."""
    errors: tuple[str, ...] = ()
    """What could not be listed, one message each."""


class RowsDetected(FlowEvent, frozen=True):
    """One batch of a listing was compared with state."""

    source: str
    new: int
    maybe: int
    """Rows that may have changed: they are read and compared by content."""
    unchanged: int


class RowsDeleted(FlowEvent, frozen=True):
    """Rows were deleted in the source: state tracks them, and a complete listing lacks them."""

    source: str
    rows: int


class BatchStarted(FlowEvent, frozen=True):
    """Work on a batch of rows begins."""

    source: str
    batch: int
    """Number of the batch among those of the source, from 1."""
    rows: int
    first: str
    """Key of the first row, in readable form, at most 200 characters."""


class BatchEnded(FlowEvent, frozen=True):
    """Work on a batch ended, with or without an error."""

    source: str
    batch: int


class RowsRead(FlowEvent, frozen=True):
    """The contents of a batch were read."""

    source: str
    rows: int
    unchanged: int
    """Rows with the content that state has on record: their work ends here."""
    deleted: int
    """Rows that were deleted in the source after they had been listed."""
    failed: int

    vanished = renamed("vanished", "deleted")


class FunctionCalled(FlowEvent, frozen=True):
    """One function was evaluated over one batch."""

    source: str | None
    """Name of the source; None for a function at the root of the flow."""
    op: str
    rows: int
    calls: int
    """Results that were computed."""
    executions: int
    """How often the function's code ran; a batched function computes many results in one execution."""
    memo_hits: int
    """Results that came from the memo."""
    shared: int
    """Rows that share the result of an equal call in this batch."""
    skipped_null: int
    """Rows without a call, since a required argument is null."""
    failed: int


class BatchBisected(FlowEvent, frozen=True):
    """A batch failed and was halved to isolate the row that causes the error."""

    where: str
    """An op or ``target:NAME``."""
    size: int
    error: str


class MemoWritten(FlowEvent, frozen=True):
    """Results of cached calls were stored."""

    entries: int


class RowsStaged(FlowEvent, frozen=True):
    """State recorded which target rows a batch may write. It does so before the targets are written."""

    source: str
    rows: int
    refused: int
    """Rows that a newer run has processed meanwhile; this batch skips them."""


class TargetMutated(FlowEvent, frozen=True):
    """One target was written for one batch."""

    target: str
    upserts: int
    partial: int
    """Upserts of which only some fields changed, where the target can write single fields."""
    deletes: int
    unchanged: int
    failed: int


class RowsCommitted(FlowEvent, frozen=True):
    """State recorded these rows as up to date."""

    source: str
    rows: int
    removed: int
    """Source rows that state no longer tracks, since they were deleted."""


class RowsCollapsed(FlowEvent, frozen=True):
    """Rows with a new ordinal and equal content: state recorded the ordinal."""

    source: str
    rows: int


class RowFailed(FlowEvent, frozen=True):
    """One source row failed. The other rows of its batch go on."""

    source: str
    key: str
    """Readable form of the source key."""
    phase: str
    """``read``, ``prepare``, ``evaluate`` or ``apply``."""
    op: str
    error: str


class DuplicateKeys(FlowEvent, frozen=True):
    """Several collected rows had one target key; the last one was kept."""

    target: str
    rows: int
    example: str


class DriftNoticed(FlowEvent, frozen=True):
    """A target does not hold as many rows as state has on record."""

    target: str
    expected: int
    actual: int | None
    """None: the target cannot be read."""
    message: str


class GuardStopped(FlowEvent, frozen=True):
    """A guard against mass deletion stopped the run."""

    where: str
    message: str


class LeaseAwaited(FlowEvent, frozen=True):
    """An operation waits, since another process works on the flow."""

    holder: str
    """The other process: host/process/token."""
    what: str
    """The operation that waits."""


class LiveIdle(FlowEvent, frozen=True):
    """Live mode has nothing to do."""

    seconds: float | None
    """Time until the next listing; None: until a change stream reports a change."""


class SetupStepDone(FlowEvent, frozen=True):
    """One step of a setup or drop was applied and recorded."""

    resource: str
    action: str


EmitFn: TypeAlias = Callable[[FlowEvent], Any]


def ignore_event(event: FlowEvent) -> None:
    """The default listener."""


def __getattr__(name: str) -> Any:
    if name == "RowsGone":
        text = "coco.events.RowsGone is now coco.events.RowsDeleted"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return RowsDeleted
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
