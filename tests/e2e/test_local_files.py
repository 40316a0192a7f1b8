"""Folders as sources of whole flows: what feeds a flow, what is said about it, and what makes nothing at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import coco
from coco.errors import SourceError
from coco.flow import make_setup_bundle
from coco.operations import live_source
from coco.sources import LocalFile
from coco.targets import Files, Sqlite


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a project, with the state where it is by default."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COCO_STATE_URL")
    return folder


def write(path: Path, text: str = "one") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def notes(source: Any, target: Any, name: str = "Notes", *, suffix: str = "") -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(source)
        rows = scope.add_collector()
        with scope["files"].row() as file:
            rows.collect(filename=file["filename"], text=file["content"])
        rows.export("out", target, primary_key_fields=["filename"])

    return coco.open_flow(name, define)


def rows(path: Path, table: str = "Notes__out") -> dict[str, str]:
    db = sqlite3.connect(path)
    try:
        return dict(db.execute(f"SELECT filename, text FROM {table}"))
    finally:
        db.close()


# -- a project that reads its own folder --------------------------------------------------------------


def test_a_flow_over_its_own_folder_does_not_read_what_coco_writes(project: Path) -> None:
    write(project / "a.md")
    flow = notes(LocalFile(path=".", included_patterns=["*"]), Sqlite(path="data/notes.db"))
    other = notes(LocalFile(path="."), Files(path="site", content="text"), "Pages")
    flow.setup()
    other.setup()
    flow.update()
    other.update()
    assert len(list((project / "site").rglob("*.md"))) == 1
    for _ in range(2):
        assert flow.update().total.has_any_change is False
        assert other.update().total.has_any_change is False
    assert rows(project / "data/notes.db") == {"a.md": "one"}


def test_a_state_in_any_place_is_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "a.md")
    write(project / "data/b.md")
    monkeypatch.setenv("COCO_STATE_URL", "sqlite:///data/state.db")
    flow = notes(LocalFile(path="."), Sqlite(path="data/notes.db"))
    flow.setup()
    flow.update()
    assert flow.update().total.has_any_change is False
    assert rows(project / "data/notes.db") == {"a.md": "one", "data/b.md": "one"}


def test_targets_of_other_flows_in_the_same_state_are_left_out_too(project: Path) -> None:
    write(project / "a.md")
    other = notes(LocalFile(path="."), Sqlite(path="other.db"), "Other")
    other.setup()
    other.update()
    other.close()  # another program, which this one does not know
    flow = notes(LocalFile(path="."), Sqlite(path="notes.db"))
    flow.setup()
    assert flow.update().total.num_insertions == 1


def test_a_flow_may_read_what_another_one_writes(project: Path) -> None:
    write(project / "in/a.md", "text")
    first = notes(LocalFile(path="in"), Files(path="site", content="text", metadata=False), "First")
    first.setup()
    first.update()
    second = notes(LocalFile(path="site", included_patterns=["*.md"]), Sqlite(path="notes.db"))
    second.setup()
    assert second.update().total.num_insertions == 1


def test_an_evaluation_does_not_read_its_own_output(project: Path) -> None:
    write(project / "a.md")
    write(project / "dump/old.yaml")
    flow = notes(LocalFile(path="."), Sqlite(path="notes.db"))
    info = flow.evaluate_and_dump(coco.EvaluateAndDumpOptions(output_dir="dump", use_cache=False))
    assert info.total.num_insertions == 1


# -- names that are no text ---------------------------------------------------------------------------


@pytest.fixture
def bad(project: Path) -> bytes:
    path = os.fsencode(project) + b"/in/bad\xff.md"
    write(project / "in/a.md")
    write(project / "in/b.md")
    try:
        os.mknod(path)
    except OSError:
        pytest.skip("this file system refuses names that are no text")
    return path


def test_an_undecodable_name_skips_only_that_file(project: Path, bad: bytes) -> None:
    flow = notes(LocalFile(path="in"), Sqlite(path="notes.db"))
    flow.setup()
    info = flow.update()
    assert (info.total.num_insertions, info.total.num_errors) == (2, 1)
    (project / "in/a.md").unlink()
    assert flow.update().total.num_deletions == 1
    assert rows(project / "notes.db") == {"b.md": "one"}

    [error] = flow.errors()
    assert (error.source, error.key, error.phase, error.attempts) == ("files", r"bad\xff.md", "list", 2)
    assert "rename it" in error.message
    report = flow.verify()
    assert not report.ok and [error.message] == report.sources[0].problems

    flow.retry()  # as `coco retry`: there is no row to try again
    os.rename(bad, project / "in/good.md")
    assert flow.update().total.num_insertions == 1
    assert flow.errors() == [] and flow.verify().ok


def test_an_unreadable_folder_is_reported_alike_everywhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "in/a.md")
    write(project / "in/private/b.md")
    flow = notes(LocalFile(path="in"), Sqlite(path="notes.db"))
    flow.setup()
    flow.update()
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if str(path).rstrip("/").endswith("private"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", denied)
        (project / "in/a.md").unlink()
        info = flow.update()
        assert (info.total.num_deletions, info.total.num_errors) == (1, 1)
        [error] = flow.errors()
        assert "private" in error.message and flow.verify().sources[0].problems
    assert rows(project / "notes.db") == {"private/b.md": "one"}
    flow.update()
    assert flow.errors() == [] and flow.verify().ok


# -- what is said ---------------------------------------------------------------------------------------


def test_warnings_of_a_listing_are_warnings_of_the_update(project: Path) -> None:
    write(project / "in/a.md")
    write(project / "in/.env")
    flow = notes(LocalFile(path="in", included_patterns=["*", "*.mdx"]), Sqlite(path="notes.db"))
    flow.setup()
    pattern, secret = flow.update().warnings
    assert pattern.startswith("source 'files': included_patterns: '*.mdx' matches no file")
    assert str(project / "in/.env") in secret


# -- live -----------------------------------------------------------------------------------------------


def becomes(updater: coco.FlowLiveUpdater, path: Path, wanted: dict[str, str]) -> None:
    """Wait until the target holds what is wanted."""

    async def follow() -> None:
        while rows(path) != wanted:
            await updater.next_status_updates_async()

    try:
        asyncio.run(asyncio.wait_for(follow(), 20))
    except TimeoutError:
        pytest.fail(f"the target holds {rows(path)}, not {wanted}")


def test_a_root_that_is_replaced_and_recreated_is_followed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_source, "MIN_RETRY_SECONDS", 3600.0)  # nothing is mended by trying again
    target = project / "notes.db"
    write(project / "in/a.md")
    flow = notes(LocalFile(path="in", watch_changes=True), Sqlite(path="notes.db"))
    flow.setup()
    os.rename(project / "in", project / "away")
    with coco.FlowLiveUpdater(flow) as updater:
        os.rename(project / "away", project / "in")
        becomes(updater, target, {"a.md": "one"})
        shutil.rmtree(project / "in")
        write(project / "in/b.md", "another folder")
        becomes(updater, target, {"b.md": "another folder"})
        write(project / "in/b.md", "edited there")
        (project / "in/link").symlink_to(".")
        becomes(updater, target, {"b.md": "edited there"})


def test_a_flow_that_writes_into_the_folder_it_reads_is_warned(project: Path) -> None:
    write(project / "docs/a.txt")
    flow = notes(LocalFile(path="docs", included_patterns=["*.txt"]), Files(path="docs", content="text"))
    flow.setup()
    for _ in range(2):
        info = flow.update()
        [text] = info.warnings
        assert f"it reads {project / 'docs'}, where a target of this flow writes" in text
    assert not info.total.has_any_change
    other = notes(LocalFile(path="docs", included_patterns=["*.md"]), Sqlite(path="other.db"), "Other")
    other.setup()
    assert other.update().warnings == []


# -- before anything is made ------------------------------------------------------------------------------

APP = """
import coco

@coco.flow_def(name="Notes")
def notes(builder, scope):
    scope["files"] = builder.add_source(coco.sources.LocalFile(path="in"))
    rows = scope.add_collector()
    with scope["files"].row() as file:
        rows.collect(filename=file["filename"], text=file["content"])
    rows.export("out", coco.targets.Sqlite(path="notes.db"), primary_key_fields=["filename"])
"""


def test_a_missing_root_makes_no_table_and_no_state(project: Path) -> None:
    flow = notes(LocalFile(path="in"), Sqlite(path="notes.db"))
    for attempt in (flow.setup, lambda: make_setup_bundle([flow]).describe()):
        with pytest.raises(
            SourceError, match=r"source 'files' of flow 'Notes'.*does not exist.*Nothing was set up"
        ):
            attempt()
    assert os.listdir(project) == []
    other = notes(LocalFile(path="."), Sqlite(path="other.db"), "Other")
    other.setup()  # there is a state now
    with pytest.raises(SourceError):
        flow.setup()
    assert not (project / "notes.db").exists()
    assert coco.setup.flow_names_with_setup() == ["Other"]
    write(project / "in/a.md")
    flow.setup()
    assert flow.update().total.num_insertions == 1


def test_a_root_that_is_deleted_later_keeps_the_rows(project: Path) -> None:
    write(project / "in/a.md")
    flow = notes(LocalFile(path="in"), Sqlite(path="notes.db"))
    flow.setup()
    flow.update()
    os.rename(project / "in", project / "away")
    flow.setup()  # nothing is to be made
    with pytest.raises(SourceError, match="does not exist; nothing is deleted"):
        flow.update()
    assert rows(project / "notes.db") == {"a.md": "one"}


@pytest.mark.parametrize("command", [["update"], ["setup"], ["update", "--reset"], ["setup", "--reset"]])
def test_the_command_line_creates_and_drops_nothing_for_a_missing_root(
    project: Path, command: list[str]
) -> None:
    from coco.cli.group import cli

    name = f"app_{'_'.join(command).replace('-', '')}.py"
    write(project / name, APP)
    write(project / "in/a.md")
    reset = "--reset" in command
    if reset:
        done = CliRunner().invoke(cli, ["update", "-f", name])
        assert done.exit_code == 0, done.output
        coco.stop()
    os.rename(project / "in", project / "away")
    result = CliRunner().invoke(cli, [*command, "-f", name])
    assert result.exit_code == 1 and f"{project / 'in'} does not exist" in result.output
    assert (project / "notes.db").exists() is reset
    if reset:
        assert rows(project / "notes.db") == {"a.md": "one"}
    else:
        assert not (project / ".coco").exists()
