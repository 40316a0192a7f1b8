"""``print_stats``: what an update prints while it works."""

from __future__ import annotations

import io
import sys
import threading

import pytest
from memory_rows import MemoryRows, fill
from row_table import RowTable, table

import coco
from coco import op
from coco.operations import progress

SHOWN = threading.Event()


class Screen(io.StringIO):
    """Tells when it shows ``WANTED``; ``terminal``: what it says it is."""

    terminal = False
    wanted = "in functions"

    def write(self, text: str) -> int:
        if self.wanted in text:
            SHOWN.set()
        return super().write(text)

    def isatty(self) -> bool:
        return self.terminal


@op.function(behavior_version=1)
def wait_until_shown(text: str) -> str:
    assert SHOWN.wait(20), "nothing was printed while this function was at work"
    return text


def flow_of(name: str) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="shown"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"].transform(wait_until_shown))
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    SHOWN.clear()
    fill("shown", {"a.md": "one"})
    table("out")
    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


TERMINALS = pytest.mark.parametrize("terminal", [False, True], ids=["lines", "terminal"])


def watched(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> Screen:
    """Standard output from here on; a fixture would come too early for pytest's own capturing."""
    screen = Screen()
    screen.terminal = terminal
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    monkeypatch.setattr(progress.Lines.__init__, "__defaults__", (0.01,))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return screen


@TERMINALS
def test_an_update_prints_while_it_works(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch, terminal)
    flow = flow_of("Shown")
    flow.update(print_stats=True)
    text = screen.getvalue()
    assert "in functions 1: a.md" in text and "out 1 written" in text
    assert text.rstrip().endswith("docs: 1 added, 0 removed, 0 updated")
    before = screen.getvalue()
    flow.update()
    assert screen.getvalue() == before, "only who asks is told"


@TERMINALS
def test_so_does_a_live_update(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch, terminal)
    flow = flow_of("ShownLive")
    options = coco.FlowLiveUpdaterOptions(live_mode=True, print_stats=True)
    with coco.FlowLiveUpdater(flow, options) as updater:
        updater.wait()
    text = screen.getvalue()
    assert "initial update" in text and "in functions 1: a.md" in text and "out 1 written" in text
