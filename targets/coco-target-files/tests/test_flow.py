"""From local Markdown files to a folder of rows: edits, deletions, renames, equal to from scratch each time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from files_test_support import tree

import coco
from coco import op
from coco.errors import CocoError, UnwrittenTargetError
from coco.events import FlowEvent, TargetMutated

pytest.importorskip("coco_source_localfs", reason="needs the package coco-source-localfs")


@op.function(behavior_version=1)
def files_title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    for name, text in {
        "one.md": "# One\n\nfirst",
        "Two.md": "# Two\n\nsecond",
        "sub/größe.md": "# Größe\n\ndritte",
        "sub/four.md": "# Four\n\nfourth",
    }.items():
        put(folder / name, text)
    return folder


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    put.clock += 10  # type: ignore[attr-defined]
    os.utime(path, (put.clock, put.clock))  # type: ignore[attr-defined]


put.clock = 1_600_000_000  # type: ignore[attr-defined]


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()


def written(events: list[FlowEvent]) -> tuple[int, int]:
    """(files written, files deleted) since the last time."""
    found = [event for event in events if isinstance(event, TargetMutated)]
    events.clear()
    return sum(event.upserts for event in found), sum(event.deletes for event in found)


def make_flow(
    notes: Path,
    out: Path,
    name: str = "Notes",
    *,
    extra: Callable[[Any], dict[str, Any]] = lambda note: {},
    setup_by_user: bool = False,
    **options: Any,
) -> coco.Flow:
    """Redefines the flow, as an edited program would."""
    known = coco.flows().get(name)
    if known is not None:
        known.close()

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["notes"] = builder.add_source(coco.sources.LocalFile(path=str(notes)))
        rows = scope.add_collector()
        with scope["notes"].row() as note:
            note["title"] = note["content"].transform(files_title)
            rows.collect(name=note["filename"], title=note["title"], text=note["content"], **extra(note))
        rows.export(
            "pages",
            coco.targets.Files(path=str(out), **{"content": "text", **options}),
            primary_key_fields=["name"],
            setup_by_user=setup_by_user,
        )

    return coco.open_flow(name, define)


def scratch(notes: Path, tmp_path: Path, **options: Any) -> dict[str, str]:
    """What an empty folder would hold after a first run."""
    out = tmp_path / "scratch"
    flow = make_flow(notes, out, "Scratch", **options)
    flow.setup()
    assert not flow.update().has_errors
    found = tree(out)
    flow.drop()
    assert not out.exists()
    return found


@pytest.mark.parametrize("format_", ["markdown", "html", "json"])
def test_changes_lead_where_a_first_run_does(
    notes: Path, tmp_path: Path, events: list[FlowEvent], format_: str
) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"format": format_, "content": None if format_ == "json" else "text"}
    flow = make_flow(notes, out, **options)
    flow.setup()

    def step(expected: tuple[int, int]) -> None:
        assert not flow.update().has_errors
        assert written(events) == expected
        assert tree(out) == scratch(notes, tmp_path, **options)
        events.clear()
        assert flow.verify().ok

    step((4, 0))
    step((0, 0))
    put(notes / "one.md", "# One\n\nfirst, edited")
    step((1, 0))
    (notes / "Two.md").unlink()
    step((0, 1))
    (notes / "sub" / "four.md").rename(notes / "sub" / "five.md")
    step((1, 1))
    shutil.move(notes / "sub", notes / "other")
    step((2, 2))
    assert not (out / "sub").exists()
    put(notes / "Two.md", "# Two, again")
    put(notes / "two.md", "# two, which is another one")
    step((2, 0))
    flow.drop()
    assert not out.exists()


def test_a_new_field_rewrites_the_files(notes: Path, tmp_path: Path, events: list[FlowEvent]) -> None:
    out = tmp_path / "out"
    flow = make_flow(notes, out)
    flow.setup()
    flow.update()
    events.clear()
    more: dict[str, Any] = {"extra": lambda note: {"copy": note["title"]}}
    flow = make_flow(notes, out, **more)
    flow.setup(allow_destructive=True)
    flow.update()
    assert written(events) == (4, 0)
    assert tree(out) == scratch(notes, tmp_path, **more)
    flow = make_flow(notes, out)
    flow.setup(allow_destructive=True)
    flow.update()
    assert tree(out) == scratch(notes, tmp_path)
    flow = make_flow(notes, out, format="html")
    flow.setup(allow_destructive=True)
    flow.update()
    assert tree(out) == scratch(notes, tmp_path, format="html")


def test_drift_is_found_and_repaired(notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flow = make_flow(notes, out)
    flow.setup()
    flow.update()
    before = tree(out)
    (out / "one.md.md").write_text("edited by hand")
    shutil.rmtree(out / "sub")
    (out / "foreign.md").write_text("not ours")
    report = flow.verify()
    assert not report.ok
    flow.verify(repair=True)
    assert flow.verify().ok
    assert tree(out) == {**before, "foreign.md": "not ours"}


def test_a_refused_row_is_reported_and_tried_again(notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "one.md.md").write_text("not ours")
    flow = make_flow(notes, out)
    flow.setup()
    assert flow.update().has_errors
    assert (out / "one.md.md").read_text() == "not ours"
    assert len(tree(out)) == 4
    (out / "one.md.md").unlink()
    assert not flow.update().has_errors
    assert tree(out) == scratch(notes, tmp_path)


def test_two_flows_cannot_share_a_folder(notes: Path, tmp_path: Path) -> None:
    make_flow(notes, tmp_path / "out").setup()
    with pytest.raises(CocoError, match="uses it"):
        make_flow(notes, tmp_path / "out", "Other").setup()


def test_a_folder_of_the_user(notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "vault"
    flow = make_flow(notes, out, setup_by_user=True)
    flow.setup()
    assert not out.exists()
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    out.mkdir()
    (out / "diary.md").write_text("dear diary")
    assert not flow.update().has_errors
    assert len(tree(out)) == 5
    (notes / "one.md").unlink()
    flow.update()
    flow.drop()
    assert len(tree(out)) == 4
    assert (out / "diary.md").read_text() == "dear diary"


def test_a_relative_path_is_one_folder(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = make_flow(notes, Path("out"))
    flow.setup()
    flow.update()
    assert len(tree(tmp_path / "out")) == 4
    assert make_flow(notes, tmp_path / "out").update().total.num_no_change == 4
