"""Progress of updates, drawn from the engine's events: bars on a terminal, else occasional lines.

It shows the rows in flight, what they wait for, and what was written. The command line prints it to standard error,
``print_stats`` on standard output.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from coco.events import (
    BatchEnded,
    BatchStarted,
    FlowEvent,
    LeaseAwaited,
    LiveIdle,
    RowFailed,
    RowsCollapsed,
    RowsCommitted,
    RowsDeleted,
    RowsDetected,
    RowsRead,
    RowsStaged,
    RunFinished,
    RunStarted,
    SourceListed,
    TargetMutated,
)
from coco.printable import printable, printable_lines
from coco.state.machine import describe_holder

SECONDS_BETWEEN_LINES = 5.0


@dataclass
class Count:
    """Rows of one source in one run, and the stages of those in flight. ``total``: rows listed so far.

    ``batches``: batches in flight, oldest first: by number, the count of rows and the first key.
    """

    done: int = 0
    total: int = 0
    unchanged: int = 0
    failed: int = 0
    reading: int = 0
    computing: int = 0
    writing: int = 0
    listed: bool = False
    batches: dict[int, tuple[int, str]] = field(default_factory=dict)

    @property
    def at_work(self) -> str:
        """The rows in flight for longest: ``a.md``, ``a.md and 20 more``; empty if there are none."""
        for rows, first in self.batches.values():
            return first if rows == 1 or not first else f"{first} and {rows - 1} more"
        return ""

    @property
    def eventful(self) -> bool:
        """Whether any row is not unchanged."""
        return self.total > self.unchanged or bool(self.failed)

    @property
    def waits_for(self) -> str:
        """What the run waits for: the source, functions, targets; empty when it has ended."""
        stages = [
            f"{word} {count}"
            for word, count in (
                ("reading", self.reading),
                ("in functions", self.computing),
                ("writing", self.writing),
            )
            if count > 0
        ]
        if not self.listed:
            stages.insert(0, "listing")
        text = ", ".join(stages)
        return f"{text}: {self.at_work}" if text and self.at_work else text

    def add(self, event: FlowEvent) -> None:
        if isinstance(event, RowsDetected):
            self.total += event.new + event.maybe + event.unchanged
            self.done += event.unchanged
            self.unchanged += event.unchanged
            self.reading += event.new + event.maybe
        elif isinstance(event, SourceListed):
            self.total = max(self.total, event.rows)
            self.listed = True
        elif isinstance(event, BatchStarted):
            self.batches[event.batch] = (event.rows, event.first)
        elif isinstance(event, BatchEnded):
            self.batches.pop(event.batch, None)
        elif isinstance(event, RowsDeleted):
            self.total += event.rows
        elif isinstance(event, RowsRead):
            self.reading = max(self.reading - event.rows, 0)
            self.computing += event.rows - event.unchanged - event.deleted - event.failed
        elif isinstance(event, RowsStaged):
            self.computing = max(self.computing - event.rows - event.refused, 0)
            self.writing += event.rows
        elif isinstance(event, RowsCommitted):
            self.done += event.rows + event.removed
            self.writing = max(self.writing - event.rows - event.removed, 0)
        elif isinstance(event, RowsCollapsed):
            self.done += event.rows
            self.unchanged += event.rows
        elif isinstance(event, RowFailed):
            self.done += 1
            self.failed += 1
            if event.phase in ("prepare", "evaluate"):
                self.computing = max(self.computing - 1, 0)
            elif event.phase == "apply":
                self.writing = max(self.writing - 1, 0)

    def __str__(self) -> str:
        text = f"{min(self.done, self.total)}/{self.total} rows"
        return f"{text}, {self.failed} failed" if self.failed else text


@dataclass
class State:
    """One run. ``kind``: the reason for it, in live mode. ``written``: by target, rows written and deleted."""

    kind: str = ""
    counts: dict[str, Count] = field(default_factory=dict)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def writes(self) -> str:
        """``out 12 written, 3 deleted``; empty if nothing was written."""
        parts = []
        for target, (upserts, deletes) in self.written.items():
            text = ", ".join(
                f"{count} {word}" for count, word in ((upserts, "written"), (deletes, "deleted")) if count
            )
            if text:
                parts.append(f"{target} {text}")
        return "; ".join(parts)

    def write(self, event: TargetMutated) -> None:
        upserts, deletes = self.written.get(event.target, (0, 0))
        self.written[event.target] = (upserts + event.upserts, deletes + event.deletes)


class _View(Protocol):
    def begin(self, flow: str) -> None: ...
    def show(self, flow: str, source: str, state: State) -> None: ...
    def end(self, flow: str, state: State, seconds: float) -> None: ...
    def idle(self, flow: str, seconds: float | None) -> None: ...
    def say(self, text: str) -> None: ...


class Progress:
    """A listener for events that passes counts to a view. Events may come from any thread.

    ``only``: the full name of the flow to show; None: all flows.
    """

    def __init__(self, view: _View, only: str | None = None) -> None:
        self._view = view
        self._only = only
        self._lock = threading.Lock()
        self._flows: dict[str, State] = {}

    def __call__(self, event: FlowEvent) -> None:
        if self._only is not None and event.flow != self._only:
            return
        with self._lock:
            if isinstance(event, RunStarted):
                self._flows[event.flow] = State(event.kind, {name: Count() for name in event.sources})
                self._view.begin(event.flow)
            elif isinstance(event, RunFinished):
                self._view.end(event.flow, self._flows.pop(event.flow, State()), event.seconds)
            elif isinstance(event, TargetMutated):
                self._flows.setdefault(event.flow, State()).write(event)
            elif isinstance(event, LiveIdle):
                self._view.idle(event.flow, event.seconds)
            elif isinstance(event, LeaseAwaited):
                self._view.say(awaiting(event))
            else:
                source = getattr(event, "source", None)
                if source is not None:
                    state = self._flows.setdefault(event.flow, State())
                    state.counts.setdefault(source, Count()).add(event)
                    self._view.show(event.flow, source, state)

    def tick(self) -> None:
        """Show the runs in progress again, so that a long wait is visible."""
        with self._lock:
            for flow, state in self._flows.items():
                for source, count in state.counts.items():
                    if count.waits_for:
                        self._view.show(flow, source, state)


def awaiting(event: LeaseAwaited) -> str:
    """The message about a lease that another process holds."""
    return f"{event.flow}: {event.what} waits for {describe_holder(event.holder)}, which works on this flow"


class Lines:
    """Plain lines for ``write``, at most one every few seconds; none while a run is short or has nothing to do."""

    def __init__(self, write: Callable[[str], None], seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._write = write
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._news: dict[str, float] = {}
        """By flow, the time from which a run in progress gets a line."""

    def begin(self, flow: str) -> None:
        self._news[flow] = time.monotonic() + self._seconds

    def show(self, flow: str, source: str, state: State) -> None:
        now = time.monotonic()
        if now >= self._next and now >= self._news.get(flow, 0.0):
            self._next = now + self._seconds
            count = state.counts[source]
            waits = f" ({count.waits_for})" if count.waits_for else ""
            writes = f"; {state.writes}" if state.writes else ""
            self.say(f"{flow} {source}: {count}{waits}{writes}")

    def end(self, flow: str, state: State, seconds: float) -> None:
        texts = [f"{source} {count}" for source, count in state.counts.items() if count.eventful]
        if texts:
            kind = f"{state.kind}: " if state.kind else ""
            writes = f"; {state.writes}" if state.writes else ""
            self.say(f"{flow}: {kind}{'; '.join(texts)} in {seconds:.1f} s{writes}")

    def idle(self, flow: str, seconds: float | None) -> None:
        """Print nothing: idle times are not useful in a log."""

    def say(self, text: str) -> None:
        self._write(printable_lines(text))


class Bars:
    """One bar per source in a shared display; in live mode one line with what it waits for."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._tasks: dict[tuple[str, str], Any] = {}

    def begin(self, flow: str) -> None:
        self._drop(flow, "")

    def show(self, flow: str, source: str, state: State) -> None:
        count = state.counts[source]
        task = self._tasks.get((flow, source))
        if task is None:
            task = self._tasks[flow, source] = self._display.add_task(
                printable(f"{flow} {source}"), total=None, note=""
            )
        failed = f"{count.failed} failed" if count.failed else ""
        note = "; ".join(text for text in (state.kind, failed, count.waits_for, state.writes) if text)
        total = count.total or None
        self._display.update(task, completed=min(count.done, count.total), total=total, note=printable(note))

    def end(self, flow: str, state: State, seconds: float) -> None:
        kind = f"{state.kind}, " if state.kind else ""
        writes = f"; {state.writes}" if state.writes else ""
        for source, count in state.counts.items():
            self._drop(flow, source)
            if count.eventful:
                self.say(f"{flow} {source}: {kind}{count} in {seconds:.1f} s{writes}")

    def idle(self, flow: str, seconds: float | None) -> None:
        self._drop(flow, "")
        note = "waiting for changes" if seconds is None else f"waiting; next listing in {seconds:.0f} s"
        self._tasks[flow, ""] = self._display.add_task(printable(flow), total=None, note=note)

    def say(self, text: str) -> None:
        self._display.console.print(printable_lines(text), highlight=False, markup=False)

    def _drop(self, flow: str, source: str) -> None:
        task = self._tasks.pop((flow, source), None)
        if task is not None:
            self._display.remove_task(task)


@contextmanager
def shown_on(stream: TextIO, write: Callable[[str], None], only: str | None = None) -> Iterator[Progress]:
    """A listener that shows progress on ``stream``: bars if that is a terminal, else lines, by ``write``.

    ``only``: see ``Progress``.
    """
    if not stream.isatty():
        listener = Progress(Lines(write), only)
        with _ticking(listener):
            yield listener
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Display(*columns, console=Console(file=stream), refresh_per_second=4, transient=True) as display:
        yield Progress(Bars(display), only)


@contextmanager
def _ticking(listener: Progress) -> Iterator[None]:
    """Without a terminal nothing is redrawn, so print the runs in progress from time to time."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            listener.tick()

    thread = threading.Thread(target=tick, name="coco-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
