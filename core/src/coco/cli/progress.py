"""Progress of updates from the engine's events: bars on a terminal, else now and then a line (L-39 to L-42)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import click

from coco.events import (
    FlowEvent,
    RowFailed,
    RowsCollapsed,
    RowsCommitted,
    RowsDetected,
    RowsGone,
    RunFinished,
    RunStarted,
    SourceListed,
)

SECONDS_BETWEEN_LINES = 5.0


@dataclass
class Count:
    """Rows of one source in one pass. ``total``: as far as it is listed."""

    done: int = 0
    total: int = 0
    unchanged: int = 0
    failed: int = 0

    @property
    def eventful(self) -> bool:
        """Whether anything but "no change" was found."""
        return self.total > self.unchanged or bool(self.failed)

    def add(self, event: FlowEvent) -> None:
        if isinstance(event, RowsDetected):
            self.total += event.new + event.maybe + event.unchanged
            self.done += event.unchanged
            self.unchanged += event.unchanged
        elif isinstance(event, SourceListed):
            self.total = max(self.total, event.rows)
        elif isinstance(event, RowsGone):
            self.total += event.rows
        elif isinstance(event, RowsCommitted):
            self.done += event.rows + event.removed
        elif isinstance(event, RowsCollapsed):
            self.done += event.rows
            self.unchanged += event.rows
        elif isinstance(event, RowFailed):
            self.done += 1
            self.failed += 1

    def __str__(self) -> str:
        text = f"{min(self.done, self.total)}/{self.total} rows"
        return f"{text}, {self.failed} failed" if self.failed else text


class _View(Protocol):
    def show(self, flow: str, source: str, count: Count) -> None: ...
    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None: ...


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
            elif isinstance(event, RunFinished):
                self._view.end(event.flow, self._flows.pop(event.flow, {}), event.seconds)
            else:
                source = getattr(event, "source", None)
                if source is not None:
                    count = self._flows.setdefault(event.flow, {}).setdefault(source, Count())
                    count.add(event)
                    self._view.show(event.flow, source, count)


class Lines:
    """Plain lines, at most one every few seconds; a pass that did nothing has none."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def show(self, flow: str, source: str, count: Count) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            click.echo(f"{flow} {source}: {count}", err=True)

    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None:
        text = "; ".join(f"{source} {count}" for source, count in counts.items() if count.eventful)
        if text:
            click.echo(f"{flow}: {text} in {seconds:.1f} s", err=True)


class Bars:
    """One bar per source in a shared display."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._tasks: dict[tuple[str, str], Any] = {}

    def show(self, flow: str, source: str, count: Count) -> None:
        task = self._tasks.get((flow, source))
        if task is None:
            task = self._tasks[flow, source] = self._display.add_task(f"{flow} {source}", total=None, note="")
        note = f"{count.failed} failed" if count.failed else ""
        total = count.total or None
        self._display.update(task, completed=min(count.done, count.total), total=total, note=note)

    def end(self, flow: str, counts: dict[str, Count], seconds: float) -> None:
        for source, count in counts.items():
            task = self._tasks.pop((flow, source), None)
            if task is not None:
                self._display.remove_task(task)
            if count.eventful:
                self._display.console.print(
                    f"{flow} {source}: {count} in {seconds:.1f} s", highlight=False, markup=False
                )


@contextmanager
def progress(quiet: bool) -> Iterator[Progress | None]:
    """A listener for the time of an update; None if the user wants no progress."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield Progress(Lines())
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Display(*columns, console=Console(stderr=True), refresh_per_second=4, transient=True) as display:
        yield Progress(Bars(display))
