"""Progress of updates from the engine's events: bars on a terminal, else now and then a line (L-39 to L-42)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from coco.cli.output import say
from coco.events import (
    FlowEvent,
    LeaseAwaited,
    LiveIdle,
    RowFailed,
    RowsCollapsed,
    RowsCommitted,
    RowsDetected,
    RowsGone,
    RowsRead,
    RowsStaged,
    RunFinished,
    RunStarted,
    SourceListed,
)
from coco.printable import printable, printable_lines
from coco.state.machine import describe_holder

SECONDS_BETWEEN_LINES = 5.0


@dataclass
class Count:
    """Rows of one source in one pass, and where those at work are. ``total``: as far as it is listed."""

    done: int = 0
    total: int = 0
    unchanged: int = 0
    failed: int = 0
    reading: int = 0
    computing: int = 0
    writing: int = 0
    listed: bool = False

    @property
    def eventful(self) -> bool:
        """Whether anything but "no change" was found."""
        return self.total > self.unchanged or bool(self.failed)

    @property
    def waits_for(self) -> str:
        """What the pass waits for: the source, functions, targets; empty when it is through."""
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
        return ", ".join(stages)

    def add(self, event: FlowEvent) -> None:
        if isinstance(event, RowsDetected):
            self.total += event.new + event.maybe + event.unchanged
            self.done += event.unchanged
            self.unchanged += event.unchanged
            self.reading += event.new + event.maybe
        elif isinstance(event, SourceListed):
            self.total = max(self.total, event.rows)
            self.listed = True
        elif isinstance(event, RowsGone):
            self.total += event.rows
        elif isinstance(event, RowsRead):
            self.reading = max(self.reading - event.rows, 0)
            self.computing += event.rows - event.unchanged - event.vanished - event.failed
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


class _View(Protocol):
    def begin(self, flow: str) -> None: ...
    def show(self, flow: str, source: str, count: Count) -> None: ...
    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None: ...
    def idle(self, flow: str, seconds: float | None) -> None: ...
    def say(self, text: str) -> None: ...


class Progress:
    """A listener for events; hands counts to a view. Events may come from any thread."""

    def __init__(self, view: _View) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._flows: dict[str, dict[str, Count]] = {}

    def __call__(self, event: FlowEvent) -> None:
        with self._lock:
            if isinstance(event, RunStarted):
                self._flows[event.flow] = {name: Count() for name in event.sources}
                self._view.begin(event.flow)
            elif isinstance(event, RunFinished):
                self._view.end(event.flow, self._flows.pop(event.flow, {}), event.seconds)
            elif isinstance(event, LiveIdle):
                self._view.idle(event.flow, event.seconds)
            elif isinstance(event, LeaseAwaited):
                self._view.say(awaiting(event))
            else:
                source = getattr(event, "source", None)
                if source is not None:
                    count = self._flows.setdefault(event.flow, {}).setdefault(source, Count())
                    count.add(event)
                    self._view.show(event.flow, source, count)

    def tick(self) -> None:
        """Show again what is under way: a long wait is news as well."""
        with self._lock:
            for flow, counts in self._flows.items():
                for source, count in counts.items():
                    if count.waits_for:
                        self._view.show(flow, source, count)


def awaiting(event: LeaseAwaited) -> str:
    """What somebody who waits should know."""
    return f"{event.flow}: {event.what} waits for {describe_holder(event.holder)}, which works on this flow"


class Lines:
    """Plain lines, at most one every few seconds; a pass that did nothing has none."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def begin(self, flow: str) -> None:
        """Nothing to say yet."""

    def show(self, flow: str, source: str, count: Count) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            waits = f" ({count.waits_for})" if count.waits_for else ""
            self.say(f"{flow} {source}: {count}{waits}")

    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None:
        text = "; ".join(f"{source} {count}" for source, count in counts.items() if count.eventful)
        if text:
            self.say(f"{flow}: {text} in {seconds:.1f} s")

    def idle(self, flow: str, seconds: float | None) -> None:
        """A log has no use for it."""

    def say(self, text: str) -> None:
        say(text, err=True)


class Bars:
    """One bar per source in a shared display; in live mode one line that says what it waits for."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._tasks: dict[tuple[str, str], Any] = {}

    def begin(self, flow: str) -> None:
        self._drop(flow, "")

    def show(self, flow: str, source: str, count: Count) -> None:
        task = self._tasks.get((flow, source))
        if task is None:
            task = self._tasks[flow, source] = self._display.add_task(
                printable(f"{flow} {source}"), total=None, note=""
            )
        failed = f"{count.failed} failed" if count.failed else ""
        note = "; ".join(text for text in (failed, count.waits_for) if text)
        total = count.total or None
        self._display.update(task, completed=min(count.done, count.total), total=total, note=note)

    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None:
        for source, count in counts.items():
            self._drop(flow, source)
            if count.eventful:
                self.say(f"{flow} {source}: {count} in {seconds:.1f} s")

    def idle(self, flow: str, seconds: float | None) -> None:
        self._drop(flow, "")
        note = "waiting for changes" if seconds is None else f"waiting; looks again in {seconds:.0f} s"
        self._tasks[flow, ""] = self._display.add_task(printable(flow), total=None, note=note)

    def say(self, text: str) -> None:
        self._display.console.print(printable_lines(text), highlight=False, markup=False)

    def _drop(self, flow: str, source: str) -> None:
        task = self._tasks.pop((flow, source), None)
        if task is not None:
            self._display.remove_task(task)


@contextmanager
def progress(quiet: bool) -> Iterator[Progress | None]:
    """A listener for the time of an update; None if the user wants no progress."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        listener = Progress(Lines())
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
    with Display(*columns, console=Console(stderr=True), refresh_per_second=4, transient=True) as display:
        yield Progress(Bars(display))


@contextmanager
def _ticking(listener: Progress) -> Iterator[None]:
    """Without a terminal nothing redraws: from time to time say what is under way."""
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


@contextmanager
def saying_waits(quiet: bool = False) -> Iterator[None]:
    """For commands without progress: a line when they must wait for another process."""
    if quiet:
        yield
        return
    from coco.environment.runtime import RUNTIME

    def listen(event: FlowEvent) -> None:
        if isinstance(event, LeaseAwaited):
            say(awaiting(event), err=True)

    remove = RUNTIME.add_listener(listen)
    try:
        yield
    finally:
        remove()
