"""Which flows a live update on the command line takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import coco
from coco.cli.group import cli
from coco.cli.project import project_files
from coco.operations.live_source import can_be_followed

APP = """
import datetime
import coco

def files(name, interval=None, **options):
    @coco.flow_def(name)
    def define(builder, scope):
        source = coco.sources.LocalFile(path="docs", **options)
        scope["docs"] = builder.add_source(source, refresh_interval=interval)
        scope["more"] = builder.add_source(coco.sources.LocalFile(path="docs"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(name=doc["filename"], text=doc["content"])
        out.export("out", coco.targets.Sqlite(path="out.db"), primary_key_fields=["name"])

"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    yield tmp_path
    sys.modules.pop("follow_app", None)


def sources_of(folder: Path, text: str) -> dict[str, list[bool]]:
    """By flow, which of its sources can be followed."""
    (folder / "follow_app.py").write_text(APP + text)
    from coco.cli.apps import load_app

    flows = load_app("follow_app.py")
    return {name: [can_be_followed(step) for step in flow.graph.sources] for name, flow in flows.items()}


def test_sources_that_can_be_followed(folder: Path) -> None:
    found = sources_of(
        folder,
        "files('Still')\nfiles('Timed', datetime.timedelta(seconds=1))\nfiles('Told', watch_changes=True)\n",
    )
    assert found == {"Still": [False, False], "Timed": [True, False], "Told": [True, False]}


def test_a_flow_without_followable_sources_is_refused_before_setup(folder: Path) -> None:
    (folder / "follow_app.py").write_text(APP + "files('Still')\n")
    result = CliRunner().invoke(cli, ["update", "-L", "-f", "follow_app.py"])
    assert result.exit_code == 2
    for word in (
        "flow Still",
        "source 'docs' (LocalFile)",
        "source 'more'",
        "refresh_interval=",
        "watch_changes=True",
    ):
        assert word in result.stderr
    assert {item.name for item in folder.iterdir()} - {"__pycache__"} == {"docs", "follow_app.py"}


def test_sources_that_are_not_followed_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coco.cli import live

    monkeypatch.setattr(live, "follow", lambda flows, **options: True)
    (folder / "follow_app.py").write_text(
        APP + "files('Still')\nfiles('Timed', datetime.timedelta(seconds=1))\n"
    )
    result = CliRunner().invoke(cli, ["update", "-L", "-f", "follow_app.py"])
    assert result.exit_code == 0, result.output
    assert result.stderr.count("it is updated once and not followed") == 3
    assert "flow Timed: source 'more'" in result.stderr and "flow Timed: source 'docs'" not in result.stderr


def test_the_project_of_init_can_be_followed(folder: Path) -> None:
    for name, text in project_files("notes").items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "follow_app.py").write_text((folder / "main.py").read_text())
    from coco.cli.apps import load_app

    (flow,) = load_app("follow_app.py").values()
    assert isinstance(flow, coco.Flow) and all(can_be_followed(step) for step in flow.graph.sources)
    commands = (folder / "README.md").read_text()
    assert "coco update --setup main.py" in commands and "coco update --setup -L main.py" in commands
