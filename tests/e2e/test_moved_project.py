"""A project that is moved or copied as a whole, with its state and its targets in files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import coco
from coco.cli.group import cli

APP = """
import coco

@coco.flow_def(name="Shelf")
def shelf(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        rows.collect(file=doc["filename"], text=doc["content"])
    rows.export("rows", coco.targets.Sqlite(path="out.db"), primary_key_fields=["file"])
    {more}
"""
FILES = 'rows.export("pages", coco.targets.Files(path="pages", content="text"), primary_key_fields=["file"])'


class Project:
    """A folder with an app, entered by ``enter``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch

    def enter(self, more: str = FILES) -> coco.Flow:
        for flow in list(coco.flows().values()):
            flow.close()
        coco.stop()
        self._patch.chdir(self.folder)
        path = self.folder / "shelf_app.py"
        path.write_text(APP.format(more=more))
        names: dict[str, coco.Flow] = {}
        exec(compile(path.read_text(), str(path), "exec"), names)
        return names["shelf"]

    def rows(self) -> dict[str, str]:
        with closing(sqlite3.connect(self.folder / "out.db")) as db:
            return dict(db.execute("SELECT file, text FROM Shelf__rows"))

    def tables(self) -> set[str]:
        with closing(sqlite3.connect(self.folder / "out.db")) as db:
            return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def pages(self) -> int:
        return len(list((self.folder / "pages").glob("*.md")))


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.delenv("COCO_STATE_URL")
    project = Project(tmp_path / "first", monkeypatch)
    (project.folder / "docs").mkdir(parents=True)
    (project.folder / "docs" / "a.md").write_text("one")
    (project.folder / "docs" / "b.md").write_text("two")
    flow = project.enter()
    flow.setup()
    flow.update()
    yield project
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()


@pytest.mark.parametrize("bring", [shutil.copytree, os.rename])
def test_a_moved_project_continues_in_its_new_folder(
    first: Project, bring: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is to be allowed, nothing is done again, and the original, if there still is one, is left alone."""
    coco.stop()
    there = Project(first.folder.with_name("second"), monkeypatch)
    bring(first.folder, there.folder)
    flow = there.enter()
    flow.setup()
    (there.folder / "docs" / "a.md").write_text("changed")
    info = flow.update()
    assert (info["docs"].num_updates, info["docs"].num_no_change, info["docs"].num_target_upserts) == (
        1,
        1,
        2,
    )
    assert there.rows() == {"a.md": "changed", "b.md": "two"}
    assert flow.verify().ok
    assert flow.update().warnings == []
    flow.drop()
    assert "Shelf__rows" not in there.tables()
    assert not (there.folder / "pages").exists()
    if first.folder.exists():
        assert first.rows() == {"a.md": "one", "b.md": "two"}
        assert first.pages() == 2
        assert first.enter().update().warnings == []


def test_an_export_removed_in_a_copy_is_dropped_in_the_copy_only(
    first: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    coco.stop()
    there = Project(first.folder.with_name("second"), monkeypatch)
    shutil.copytree(first.folder, there.folder)
    flow = there.enter(more="")
    flow.setup(allow_destructive=True)
    assert not (there.folder / "pages").exists()
    assert first.pages() == 2


def test_a_drop_in_a_copy_drops_the_copys_targets(first: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command line too, which says where it looks."""
    coco.stop()
    there = Project(first.folder.with_name("second"), monkeypatch)
    shutil.copytree(first.folder, there.folder)
    there.enter().close()
    monkeypatch.setattr(sys, "path", [*sys.path])
    result = CliRunner().invoke(cli, ["drop", "--force", "shelf_app.py"])
    sys.modules.pop("shelf_app", None)
    assert result.exit_code == 0, result.output
    assert f"the project was in {first.folder} and is in {there.folder} now" in result.output
    assert "Shelf__rows" not in there.tables()
    assert first.rows() == {"a.md": "one", "b.md": "two"}
    assert first.pages() == 2


def test_a_target_with_an_absolute_path_stays_in_place(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state alone moved: the definition says that the target did not."""
    path = str(first.folder / "fixed.db")
    absolute = f'rows.export("fixed", coco.targets.Sqlite(path={path!r}), primary_key_fields=["file"])'
    flow = first.enter(more=absolute)
    flow.setup(allow_destructive=True)
    flow.update()
    coco.stop()
    there = Project(first.folder.with_name("second"), monkeypatch)
    shutil.copytree(first.folder, there.folder)
    flow = there.enter(more=absolute)
    flow.setup()
    info = flow.update()
    assert info["docs"].num_no_change == 2
    assert flow.verify().ok
