"""Progress from events: what is counted, and when a line is due."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.progress import Progress as Display
from rich.progress import TextColumn

from coco.cli.progress import Bars, Lines, Progress
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

PASS: Sequence[FlowEvent] = (
    RunStarted("F", "normal", ("a", "b")),
    RowsDetected("F", "a", 2, 2, 6),
    SourceListed("F", "a", 10, True),
    RowsGone("F", "a", 1),
    RowsCollapsed("F", "a", 1),
    RowFailed("F", "a", "k", "read", "op", "no"),
    RowsCommitted("F", "a", 2, 1),
    RunFinished("F", 1.5, False),
)
QUIET: Sequence[FlowEvent] = (
    RunStarted("F", "normal", ("a",)),
    RowsDetected("F", "a", 0, 1, 6),
    RowsCollapsed("F", "a", 1),
    RunFinished("F", 1.5, False),
)


def test_lines_end_with_counts(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines(seconds=3600))
    for event in PASS:
        progress(event)
    assert capsys.readouterr() == ("", "F: a 11/11 rows, 1 failed in 1.5 s\n")
    for event in QUIET:
        progress(event)
    assert capsys.readouterr() == ("", ""), "a pass without changes has no line"


def test_lines_on_the_way_when_due(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines(seconds=0))
    progress(PASS[0])
    progress(PASS[1])
    assert capsys.readouterr().err == "F a: 6/10 rows\n"


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
