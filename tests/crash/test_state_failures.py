"""The state store fails in the middle: the run ends with an error that says what and where, and nothing is made anew."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from memory_rows import WORLD, Entry, MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.errors import Recovery, StateStoreError
from coco.state.sqlite import database

CALLS: list[str] = []
PAGE = 4096
ROWS = 300


@op.function(cache=True, behavior_version=1)
def stored_loud(text: str) -> str:
    CALLS.append(text)
    return text.upper() * 10


def make() -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="docs"), max_inflight_rows=20)
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], loud=doc["content"].transform(stored_loud))
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    CALLS.clear()
    flow = coco.open_flow("Stored", define)
    flow.setup()
    return flow


def truth() -> dict[tuple[str], dict[str, str]]:
    return {(key,): {"loud": entry.content.upper() * 10} for key, entry in WORLD["docs"].items()}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    fill("docs", {f"k{number:03}": f"text {number}" for number in range(ROWS)})
    table("out")
    return tmp_path / "state.db"


def limit_pages(monkeypatch: pytest.MonkeyPatch, pages: int | None) -> None:
    """From the next opening of the store on."""
    monkeypatch.delitem(database._PRAGMAS, "max_page_count", raising=False)
    if pages is not None:
        monkeypatch.setitem(database._PRAGMAS, "max_page_count", pages)
    coco.stop()


def pages_of(path: Path) -> int:
    coco.stop()  # the log goes into the file
    return path.stat().st_size // PAGE


# -- full -------------------------------------------------------------------------------------------
def test_a_disk_full_at_any_moment_loses_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = make()
    empty = pages_of(state)
    flow.update()
    full = pages_of(state)
    assert full > empty + 10
    flow.close()
    failed = 0
    for room in range(1, full - empty, 3):
        coco.stop()
        for path in state.parent.glob("state.db*"):
            path.unlink()
        table("out")
        flow = make()
        limit_pages(monkeypatch, empty + room)
        with pytest.raises(
            StateStoreError, match=r"the disk is full\. Free some room and run again"
        ) as caught:
            flow.update()
        assert str(state) in str(caught.value)
        written = TABLES["out"].rows
        assert written.items() <= truth().items(), "what is written is right"
        limit_pages(monkeypatch, None)
        assert not flow.update().has_errors
        assert TABLES["out"].rows == truth()
        assert len(CALLS) - len(set(CALLS)) <= 60, "no more calls are repeated than were in flight"
        flow.close()
        failed += 1
    assert failed > 3


APP = """
import coco
from coco import op

@op.function(cache=True, behavior_version=1)
def limited_loud(text: str) -> str:
    return text.upper() * 50

@coco.flow_def(name="Limited")
def limited(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"), max_inflight_rows=20)
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        out.collect(file=doc["filename"], loud=doc["content"].transform(limited_loud))
    out.export("out", coco.targets.Sqlite(path="out.db"), primary_key_fields=["file"])
"""


# Set by the new process itself: code between fork and exec (``preexec_fn``) would run in a copy of this one, with
# the locks and the handlers of all its threads (gRPC's abort it).
LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


def run_limited(folder: Path, *args: str, size: int | None = None) -> subprocess.CompletedProcess[str]:
    """``coco``, where no file may grow beyond ``size`` bytes: what a full disk is to a process."""
    launcher = [] if size is None else [sys.executable, "-c", LIMITED, str(size)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
    return subprocess.run(
        [*launcher, str(Path(sys.executable).with_name("coco")), *args],
        cwd=folder,
        env={**environment, "COCO_STATE_URL": f"sqlite:///{folder / 'state.db'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_write_limit_of_the_process_is_reported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "docs").mkdir()
    for number in range(200):
        (tmp_path / "docs" / f"{number:03}.txt").write_text(f"text {number}")
    assert run_limited(tmp_path, "setup", "-f", "app.py").returncode == 0
    size = (tmp_path / "state.db").stat().st_size
    done = run_limited(tmp_path, "update", "app.py", size=size + 8 * PAGE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "state.db") in done.stderr
    assert "Free some room" in done.stderr or "free room" in done.stderr
    done = run_limited(tmp_path, "update", "app.py")
    assert done.returncode == 0, done.stdout + done.stderr
    db = sqlite3.connect(tmp_path / "out.db")
    rows = db.execute('SELECT file, loud FROM "Limited__out"').fetchall()
    db.close()
    assert sorted(rows) == [(f"{number:03}.txt", f"TEXT {number}" * 50) for number in range(200)]
    verified = run_limited(tmp_path, "verify", "--json", "app.py")
    assert json.loads(verified.stdout)["ok"], verified.stdout


# -- locked -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("moment", ["before", "within"])
def test_a_state_file_locked_by_another_program_is_reported(
    moment: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make()
    coco.stop()
    monkeypatch.setattr(
        database.Database.__init__, "__kwdefaults__", {"busy_timeout_seconds": 0.05, "pragmas": None}
    )
    other = sqlite3.connect(state, isolation_level=None, check_same_thread=False)

    def lock() -> None:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")

    if moment == "before":
        lock()
    else:
        TABLES["out"].on_write = lock
    with pytest.raises(
        StateStoreError, match=r"is locked by another process.* Wait for it or stop it"
    ) as caught:
        flow.update()
    assert str(state) in str(caught.value)
    assert caught.value.recovery is Recovery.RETRIABLE
    TABLES["out"].on_write = lambda: None
    other.execute("ROLLBACK")
    other.close()
    assert not flow.update().has_errors
    assert TABLES["out"].rows == truth()
    assert len(CALLS) - len(set(CALLS)) <= 60


# -- corrupt ----------------------------------------------------------------------------------------
def test_a_damaged_page_never_makes_coco_replace_the_state(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page in turn becomes noise. Either nobody needs it, or the run says so and leaves everything as it is."""
    flow = make()
    flow.update()
    pages = pages_of(state)
    whole = state.read_bytes()
    rows = dict(TABLES["out"].rows)
    WORLD["docs"]["k007"] = Entry("edited", 2)
    WORLD["docs"]["new"] = Entry("new", 2)
    del WORLD["docs"]["k150"]
    told = 0
    for page in range(pages):
        noise = random.Random(page).randbytes(PAGE)
        damaged = whole[: page * PAGE] + noise + whole[(page + 1) * PAGE :]
        for path in state.parent.glob("state.db*"):
            path.unlink()
        state.write_bytes(damaged)
        TABLES["out"].rows = dict(rows)
        TABLES["out"].writes.clear()
        CALLS.clear()
        said = ""
        try:
            flow.update()
        except StateStoreError as error:
            said = str(error)
        if said:
            told += 1
            assert "corrupt" in said and str(state) in said
            assert "restore a backup" in said
            assert TABLES["out"].rows.keys() >= rows.keys() - {("k150",)}, "nothing is taken from the target"
            coco.stop()
            assert state.stat().st_size >= len(damaged)
            kept = state.read_bytes()
            assert kept[page * PAGE : (page + 1) * PAGE] == noise, (
                "the damage is left for a person to look at"
            )
        else:
            assert TABLES["out"].rows == truth(), f"page {page}"
            assert len(CALLS) <= 2
        coco.stop()
    assert told > pages // 2
