"""State and target that do not belong together, since one of them was restored or copied without the other."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from memory_rows import Entry, MemoryRows, fill
from row_table import RowTable, table

import coco
from coco import op
from coco.cli.group import cli
from coco.engine.epochs import CURSOR, Epochs
from coco.environment.environment import ENVIRONMENT
from coco.errors import StateStoreError, UnwrittenTargetError


@dataclass
class Target:
    """A target in files that can be copied. ``marks``: what it holds of runs, by flow."""

    spec: op.TargetSpec
    place: Path
    marks: Callable[[], dict[str, str]]
    rows: Callable[[], dict[str, str]]


def sqlite_target(path: Path) -> Target:
    def ask(query: str) -> dict[str, str]:
        with closing(sqlite3.connect(path)) as db:
            return dict(db.execute(query))

    return Target(
        coco.targets.Sqlite(path=str(path), table_name="rows"),
        path,
        lambda: ask("SELECT flow, epoch FROM coco_epochs"),
        lambda: ask("SELECT file, text FROM rows"),
    )


def files_target(folder: Path) -> Target:
    def marks() -> dict[str, str]:
        with closing(sqlite3.connect(folder / ".coco-files.db")) as db:
            facts = dict(db.execute("SELECT name, value FROM facts"))
        return {
            name.removeprefix("epoch of "): value
            for name, value in facts.items()
            if name.startswith("epoch of ")
        }

    return Target(
        coco.targets.Files(path=str(folder), content="text", metadata=False),
        folder,
        marks,
        lambda: {item.stem: item.read_text() for item in folder.iterdir() if not item.name.startswith(".")},
    )


@pytest.fixture(params=["sqlite", "files"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "sqlite":
        return sqlite_target(tmp_path / "out.db")
    return files_target(tmp_path / "out")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def make_flow(spec: op.TargetSpec) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="docs"))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            rows.collect(file=doc["_key"], text=doc["content"])
        rows.export("rows", spec, primary_key_fields=["file"])

    flow = coco.open_flow("Epochs", define)
    flow.setup()
    return flow


def copied(*places: Path) -> Callable[[], None]:
    """Copy files and folders, with what lies beside them; gives what puts them back in place of what is there."""
    coco.stop()
    copies = [(place, place.with_name(f"copy of {place.name}")) for place in places]
    for place, copy in copies:
        (shutil.copytree if place.is_dir() else shutil.copy2)(place, copy)

    def restore() -> None:
        coco.stop()
        for place, copy in copies:
            for old in place.parent.glob(f"{place.name}*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            (shutil.copytree if copy.is_dir() else shutil.copy2)(copy, place)

    return restore


@pytest.fixture
def started(target: Target) -> tuple[coco.Flow, dict[str, Entry]]:
    rows = fill("docs", {"a": "one", "b": "two"})
    flow = make_flow(target.spec)
    assert flow.update().warnings == []
    return flow, rows


def edit(rows: dict[str, Entry], **contents: str) -> None:
    for name, content in contents.items():
        rows[name] = Entry(content, rows[name].ordinal + 1 if name in rows else 1)


@pytest.mark.parametrize("which", ["state", "target"])
def test_a_state_or_target_restored_alone_is_noticed(
    which: str, target: Target, state: Path, started: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the target holds as many rows as state knows; by each update, until all rows were compared."""
    flow, rows = started
    restore = copied(state if which == "state" else target.place)
    edit(rows, a="changed")
    assert flow.update().warnings == []
    restore()
    reason = "the state is older than the target" if which == "state" else "the target is an older copy"
    edit(rows, b="changed too")
    for _ in range(2):  # also by one that has nothing to do
        info = flow.update()
        assert [reason in text and "coco verify --repair" in text for text in info.warnings] == [True]
        assert not info.has_errors
    assert caplog.text.count(reason) == 1
    assert flow.verify(repair=True).ok
    assert flow.update().warnings == []
    assert target.rows() == {"a": "changed", "b": "changed too"}


def test_rows_left_over_by_a_restored_state_are_deleted(target: Target, state: Path, started: Any) -> None:
    flow, rows = started
    restore = copied(state)
    edit(rows, c="three")
    flow.update()
    del rows["c"]
    restore()
    assert len(flow.update().warnings) == 1
    assert set(target.rows()) == {"a", "b", "c"}
    report = flow.verify(repair=True)
    assert (report.ok, report.removed) == (True, 1)
    assert set(target.rows()) == {"a", "b"}
    assert flow.update().warnings == []


def test_state_and_target_restored_together_raise_no_warning(
    target: Target, state: Path, started: Any
) -> None:
    flow, rows = started
    restore = copied(state, target.place)
    edit(rows, a="changed")
    flow.update()
    restore()
    assert flow.update().warnings == []
    assert target.rows() == {"a": "changed", "b": "two"}


def test_a_run_without_changes_writes_no_mark(target: Target, started: Any) -> None:
    flow, rows = started
    before = target.marks()
    assert list(before) == ["Epochs"]
    flow.update()
    assert target.marks() == before
    edit(rows, a="changed")
    flow.update()
    assert target.marks()["Epochs"] > before["Epochs"]


@pytest.mark.parametrize("when", ["before the target's", "after the target's"])
def test_a_run_killed_between_the_two_marks_raises_no_warning(
    when: str, target: Target, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, rows = started
    before, saves = target.marks(), []
    save = Epochs.save

    def failing(epochs: Epochs, store: Any, target_id: int) -> None:
        saves.append(epochs)
        if len(saves) == 2:
            raise StateStoreError("the process ends here")
        save(epochs, store, target_id)
        if when == "before the target's":
            raise StateStoreError("the process ends here")

    monkeypatch.setattr(Epochs, "save", failing)
    for content in ("first", "second"):  # twice, so that there are two marks that the target may have got
        saves.clear()
        edit(rows, a=content)
        with pytest.raises(StateStoreError, match="ends here"):
            flow.update()
        assert saves[0].pending is not None
    assert (target.marks() == before) == (when == "before the target's")
    monkeypatch.undo()
    assert flow.update().warnings == []
    assert target.rows() == {"a": "second", "b": "two"}
    assert flow.update().warnings == []


def test_a_target_that_cannot_store_the_mark_gets_its_rows(
    target: Target, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, rows = started

    def refuse(*args: Any) -> None:
        raise OSError("not allowed")

    connector = flow.graph.exports[0].target.connector_cls
    monkeypatch.setattr(connector, "write_epoch", staticmethod(refuse))
    for content in ("first", "second"):
        edit(rows, a=content)
        assert flow.update().warnings == []
    assert target.rows() == {"a": "second", "b": "two"}


def test_a_state_of_an_earlier_release_raises_no_warning(target: Target, started: Any) -> None:
    flow, rows = started
    store = ENVIRONMENT.store()
    target_ids = [item.state["target_id"] for item in store.setup_records() if "target_id" in item.state]
    for target_id in target_ids:
        store.put_cursor(target_id, CURSOR, None)
    assert flow.update().warnings == []
    edit(rows, a="changed")
    assert flow.update().warnings == []
    assert flow.update().warnings == []


def test_a_recreated_target_raises_no_warning(target: Target, started: Any) -> None:
    flow, rows = started
    coco.stop()
    for place in target.place.parent.glob(f"{target.place.name}*"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert flow.verify(repair=True).ok
    edit(rows, a="changed")
    assert flow.update().warnings == []
    flow.drop()
    flow.setup()
    assert flow.update().warnings == []


def test_a_target_without_marks_with_more_rows_than_on_record_is_noticed() -> None:
    """What an attempt that did not end may have written does not count."""
    rows = fill("docs", {"a": "one", "b": "two"})
    place = table("rows")
    flow = make_flow(RowTable(name="rows"))
    assert flow.update().warnings == []

    def die() -> None:
        place.on_write = lambda: None
        place.rows |= {("c",): {"text": "three"}}  # written, and then the process ended
        raise OSError("the process ends here")

    place.on_write = die
    edit(rows, c="three")
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    assert flow.update().warnings == []
    place.rows[("left over",)] = {"text": "of a later run"}
    for _ in range(2):
        info = flow.update()
        assert ["holds 4 rows, and state has 3 on record" in text for text in info.warnings] == [True]
        assert not info.has_errors
    assert flow.verify(repair=True).ok
    assert flow.update().warnings == []


APP = """
import coco
from coco import op

@coco.flow_def(name="Marked")
def marked(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        rows.collect(file=doc["filename"], text=doc["content"])
    rows.export("rows", coco.targets.Sqlite(path="out.db"), primary_key_fields=["file"])
"""


def test_the_command_line_warns(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("one")
    (tmp_path / "marked_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args: str) -> Any:
        for flow in list(coco.flows().values()):
            flow.close()
        sys.modules.pop("marked_app", None)
        return CliRunner().invoke(cli, [*args, "marked_app.py"])

    assert run("update", "--force").exit_code == 0
    restore = copied(state)
    (tmp_path / "docs" / "a.md").write_text("changed")
    assert run("update").exit_code == 0
    restore()
    result = run("update")
    assert result.exit_code == 0
    assert "WARNING: target 'rows' and the state do not belong together" in result.output
    assert "`coco verify --repair marked_app.py`" in result.output
    assert run("verify", "--repair").exit_code == 0
    assert "belong together" not in run("update").output
    logging.getLogger("coco").handlers.clear()
