"""Progress from events: what is counted, and when a line is due."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.progress import Progress as Display
from rich.progress import TextColumn

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
from coco.operations.progress import Bars, Count, Lines, Progress

PASS: Sequence[FlowEvent] = (
    RunStarted("F", "normal", ("a", "b")),
    RowsDetected("F", "a", 2, 2, 6),
    SourceListed("F", "a", 10, True),
    RowsDeleted("F", "a", 1),
    RowsCollapsed("F", "a", 1),
    RowFailed("F", "a", "k", "read", "op", "no"),
    RowsRead("F", "a", 4, 1, 0, 1),
    RowsStaged("F", "a", 3, 0),
    RowsCommitted("F", "a", 2, 1),
    RunFinished("F", 1.5, False),
)
WRITES: Sequence[FlowEvent] = (
    RunStarted("F", "normal", ("a",), "interval update"),
    RowsDetected("F", "a", 3, 0, 0),
    BatchStarted("F", "a", 1, 2, "x.md"),
    BatchStarted("F", "a", 2, 1, "y\x1b.md"),
    TargetMutated("F", "out", 4, 0, 1, 0, 0),
    BatchEnded("F", "a", 1),
    TargetMutated("F", "out", 1, 0, 0, 0, 0),
    BatchEnded("F", "a", 2),
    RunFinished("F", 1.5, False),
)
QUIET: Sequence[FlowEvent] = (
    RunStarted("F", "normal", ("a",)),
    RowsDetected("F", "a", 0, 1, 6),
    RowsCollapsed("F", "a", 1),
    RunFinished("F", 1.5, False),
)


def note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def test_lines_end_with_counts(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines(note, seconds=3600))
    for event in PASS:
        progress(event)
    assert capsys.readouterr() == ("", "F: a 11/11 rows, 1 failed in 1.5 s\n")
    for event in QUIET:
        progress(event)
    assert capsys.readouterr() == ("", ""), "a pass without changes has no line"


def test_lines_on_the_way_when_due(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines(note, seconds=0))
    progress(PASS[0])
    progress(PASS[1])
    assert capsys.readouterr().err == "F a: 6/10 rows (listing, reading 4)\n"


def test_bars_leave_one_line_per_source() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with Display(TextColumn("{task.description}"), console=console, transient=True) as display:
        progress = Progress(Bars(display))
        for event in PASS[:-1]:
            progress(event)
        assert [(task.completed, task.total, task.fields["note"]) for task in display.tasks] == [
            (11, 11, "1 failed")
        ]
        progress(PASS[-1])
        assert display.tasks == []
    assert "F a: 11/11 rows, 1 failed in 1.5 s" in console.file.getvalue()  # type: ignore[attr-defined]


def test_lines_name_what_a_run_waits_for() -> None:
    count = Count()
    said = [count.waits_for]
    for event in PASS[1:-1]:
        count.add(event)
        said.append(count.waits_for)
    assert said == [
        "listing",
        "listing, reading 4",
        "reading 4",
        "reading 4",
        "reading 4",
        "reading 4",
        "in functions 2",
        "writing 3",
        "",
    ]


def test_a_long_wait_is_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines(note, seconds=0))
    for event in (PASS[0], PASS[1], PASS[2], RowsRead("F", "a", 4, 0, 0, 0)):
        progress(event)
    capsys.readouterr()
    progress.tick()
    assert capsys.readouterr().err == "F a: 6/10 rows (in functions 4)\nF b: 0/0 rows (listing)\n"


def test_waiting_for_another_process_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(Lines(note, seconds=3600))(LeaseAwaited("F", "host/12/abc", "an update"))
    assert capsys.readouterr().err == "F: an update waits for process 12 on host, which works on this flow\n"


def test_idle_in_live_mode_has_a_line_of_its_own() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with Display(TextColumn("{task.description}"), console=console, transient=True) as display:
        progress = Progress(Bars(display))
        for seconds, note in ((30.0, "waiting; next listing in 30 s"), (None, "waiting for changes")):
            progress(LiveIdle("F", seconds))
            assert [(task.description, task.fields["note"]) for task in display.tasks] == [("F", note)]
        progress(RunStarted("F", "normal", ("a",)))
        assert display.tasks == []


def test_lines_say_which_rows_are_at_work_and_what_was_written() -> None:
    said: list[str] = []
    progress = Progress(Lines(said.append, seconds=0))
    for event in WRITES:
        progress(event)
    assert said == [
        "F a: 0/3 rows (listing, reading 3)",
        "F a: 0/3 rows (listing, reading 3: x.md and 1 more)",
        "F a: 0/3 rows (listing, reading 3: x.md and 1 more)",
        "F a: 0/3 rows (listing, reading 3: y\\x1b.md); out 4 written, 1 deleted",
        "F a: 0/3 rows (listing, reading 3); out 5 written, 1 deleted",
        "F: interval update: a 0/3 rows in 1.5 s; out 5 written, 1 deleted",
    ]


def test_other_flows_are_left_out() -> None:
    said: list[str] = []
    progress = Progress(Lines(said.append, seconds=0), "G")
    for event in WRITES:
        progress(event)
    assert said == []


def test_bars_name_what_a_run_waits_for() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with Display(TextColumn("{task.description}"), console=console, transient=True) as display:
        progress = Progress(Bars(display))
        for event in WRITES[:6]:
            progress(event)
        assert [task.fields["note"] for task in display.tasks] == [
            "interval update; listing, reading 3: y\\x1b.md; out 4 written, 1 deleted"
        ]


def test_short_runs_while_following_have_no_lines_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("coco.operations.progress.time.monotonic", lambda: now)
    said: list[str] = []
    progress = Progress(Lines(said.append, seconds=5.0))
    for _ in range(3):
        now += 100.0
        for event in QUIET:
            progress(event)
    assert said == [], "each is over before a line is due"
    progress(PASS[0])
    now += 6.0
    progress(PASS[1])
    assert said == ["F a: 6/10 rows (listing, reading 4)"]
