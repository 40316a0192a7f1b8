"""Two programs that meet in one state under one flow name are told apart by where they define it."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from setup_lab import Lab

import coco
from coco.errors import DestructiveSetupError
from coco.flow import make_drop_bundle, make_setup_bundle

APP = """
import coco
from setup_lab import LabSource, LabTarget

@coco.flow_def(name="Shop")
def {function}(builder, scope):
    scope["rows"] = builder.add_source(LabSource())
    found = scope.add_collector()
    with scope["rows"].row() as row:
        found.collect(name=row["name"], text=row["text"])
    found.export("rows", LabTarget({table!r}), primary_key_fields=["name"])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    _use(folder, monkeypatch)
    return folder


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
    monkeypatch.chdir(folder)
    (folder / ".coco").mkdir(exist_ok=True)
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{folder / '.coco' / 'state.db'}")


def load(path: Path, function: str = "shop", table: str = "one") -> coco.Flow:
    """The flow of a program, which is written first."""
    for flow in list(coco.flows().values()):
        flow.close()
    path.write_text(APP.format(function=function, table=table))
    flow = runpy.run_path(str(path))[function]
    assert isinstance(flow, coco.Flow)
    return flow


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = [item.getMessage() for item in caplog.records if "was defined by" in item.getMessage()]
    caplog.clear()
    return texts


def test_another_program_is_warned_and_loses_nothing(
    project: Path, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Each time the other one is at work, in the plan and in the log; a table of the other is not dropped unasked."""
    flow = load(project / "one.py")
    flow.setup()
    flow.update()
    assert warned(caplog) == []
    other = load(project / "two.py", table="two")
    text, _ = make_setup_bundle([other]).describe()
    assert "NOTE: flow 'Shop' was defined by shop in one.py until now, and is now by shop in two.py" in text
    with pytest.raises(DestructiveSetupError, match=r"shop in one\.py(.|\n)*TO DELETE \] table one"):
        other.setup()
    assert "shop in one.py" in make_drop_bundle([other]).describe()[0]
    assert set(lab.rows["one"]) == {"a", "b"}
    load(project / "one.py").update()
    assert warned(caplog) == []


def test_two_programs_with_the_same_targets_are_warned_by_every_update(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(project / "one.py").setup()
    for name, before in (("two.py", "one.py"), ("one.py", "two.py")):
        info = load(project / name).update()
        assert [before in text and name in text for text in info.warnings] == [True]
        assert warned(caplog) == info.warnings
        assert coco.flows()["Shop"].update().warnings == []  # once is enough


def test_a_live_updater_warns(project: Path) -> None:
    load(project / "one.py").setup()
    with coco.FlowLiveUpdater(load(project / "one.py", function="store")) as updater:
        updater.wait()
    assert ["store in one.py" in text for text in updater.update_stats().warnings] == [True]


def test_a_project_that_moves_as_a_whole_is_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(project / "one.py").setup()
    copy = project.with_name("copy")
    coco.stop()
    shutil.copytree(project, copy)
    _use(copy, monkeypatch)
    assert load(copy / "one.py").update().warnings == []
    assert load(project / "one.py").update().warnings != []  # the original, at work in the copy's state


def test_a_definition_without_a_file_is_not_compared(project: Path) -> None:
    """A notebook gives each cell another name, each time."""
    load(project / "one.py").setup()
    coco.flows()["Shop"].close()
    names: dict[str, Any] = {}
    exec(compile(APP.format(function="shop", table="one"), "<cell 7>", "exec"), names)
    assert names["shop"].update().warnings == []
    names["shop"].close()
    assert load(project / "one.py").update().warnings == []
