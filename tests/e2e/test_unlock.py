"""``coco unlock``: who holds leases, what is known of them, and taking one away."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from json_file import JsonFile
from memory_rows import TROUBLE, WORLD, Entry, MemoryRows, Misfortune

import coco
from coco.cli.group import cli
from coco.state.machine import new_holder


@pytest.fixture(autouse=True)
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> coco.Flow:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    WORLD["locked"], TROUBLE["locked"] = {"a": Entry("text")}, Misfortune()

    @coco.flow_def(name="Locked")
    def locked(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["rows"] = builder.add_source(MemoryRows(name="locked"))
        out = scope.add_collector()
        with scope["rows"].row() as row:
            out.collect(key=row["_key"], text=row["content"])
        out.export("out", JsonFile(path=str(tmp_path / "out.json")), primary_key_fields=["key"])

    locked.setup()
    return locked


def unlock(*args: str, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["unlock", *args])
    assert done.exit_code == code, done.output
    return done


def hold(folder: Path, holder: str, ahead: float) -> None:
    coco.stop()
    db = sqlite3.connect(folder / "state.db")
    db.execute(
        "INSERT OR REPLACE INTO leases VALUES('Locked', ?, ?, 60, 'another boot', 0)",
        (holder, time.time() + ahead),
    )
    db.commit()
    db.close()


def test_a_lease_from_the_far_future(flow: coco.Flow, tmp_path: Path) -> None:
    assert "No lease is held." in unlock().output
    hold(tmp_path, "web-1/7/x", 365 * 86_400)
    said = " ".join(unlock(code=1).output.split())
    for part in (
        "Locked: held by process 7 on web-1",
        "s ahead of the clock here: one of the two clocks is wrong",
        "renewed every 20 s and lasts 60 s",
        "coco cannot determine here whether it still runs",
        "Use --force",
    ):
        assert part in said
    assert "process 7" in unlock(code=1).output, "it was left as it was"
    assert json.loads(unlock("--force", "--json").stdout) == {"unlocked": ["Locked"]}
    flow.update()
    assert "No lease is held." in unlock().output


@pytest.mark.parametrize("running", [False, True])
def test_unlock_describes_a_process_of_this_machine(running: bool, tmp_path: Path) -> None:
    holder = new_holder()
    if not running:
        holder = holder.replace(f"/{os.getpid()}/", "/4194305/")  # above the highest number there can be
    hold(tmp_path, holder, 30)
    said = unlock(code=1).output
    assert ("RUNS on this machine" in said) is running
    assert ("no longer runs" in said) is not running


def test_unlock_creates_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco.stop()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'empty' / 'state.db'}")
    assert "No lease is held." in unlock().output
    assert list((tmp_path / "empty").iterdir()) == []
