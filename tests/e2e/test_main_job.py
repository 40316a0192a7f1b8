"""The main job through the public API: only what changed is worked on."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from json_file import JsonFile

import coco
from coco import op
from coco.errors import SafetyStopError, SetupRequiredError
from coco.events import FlowEvent, FunctionCalled, TargetMutated


@op.function(cache=True, behavior_version=1)
def shout_main(text: str) -> str:
    if "poison" in text:
        raise ValueError("cannot shout poison")
    return text.upper()


def make_flow(source: Path, target: Path) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(source)))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["chunks"] = doc["content"].transform(
                coco.functions.SplitRecursively(), chunk_size=40, language="markdown"
            )
            with doc["chunks"].row() as chunk:
                chunk["loud"] = chunk["text"].transform(shout_main)
                rows.collect(filename=doc["filename"], location=chunk["location"], loud=chunk["loud"])
        rows.export("out", JsonFile(path=str(target)), primary_key_fields=["filename", "location"])

    return coco.open_flow("Main", define)


def rows_of(target: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(target.read_text())
    return found


def work_of(events: list[FlowEvent]) -> tuple[int, int, int]:
    """(calls of shout, upserts, deletes)."""
    calls = sum(e.calls for e in events if isinstance(e, FunctionCalled) and e.op.startswith("Shout"))
    ups = sum(e.upserts for e in events if isinstance(e, TargetMutated))
    downs = sum(e.deletes for e in events if isinstance(e, TargetMutated))
    events.clear()
    return calls, ups, downs


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    old = 1_600_000_000
    for name, text in {
        "a.md": "# One\n\nalpha beta",
        "b.md": "# Two\n\ngamma delta",
        "c.md": "# Three\n\nepsilon",
    }.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (old, old))
    return folder


def test_update_refuses_before_setup(corpus: Path, tmp_path: Path) -> None:
    flow = make_flow(corpus, tmp_path / "out.json")
    with pytest.raises(SetupRequiredError, match="setup"):
        flow.update()


def test_only_changes_are_worked_on(corpus: Path, tmp_path: Path, events: list[FlowEvent]) -> None:
    target = tmp_path / "out.json"
    flow = make_flow(corpus, target)
    flow.setup()
    info = flow.update()
    assert info["docs"].num_insertions == 3
    assert sorted(row["loud"] for row in rows_of(target).values())[0].startswith("#")
    first = rows_of(target)
    assert work_of(events) == (3, 3, 0)

    assert flow.update()["docs"].num_no_change == 3
    assert work_of(events) == (0, 0, 0)

    for path in corpus.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert flow.update()["docs"].num_no_change == 3
    assert work_of(events) == (0, 0, 0)

    (corpus / "a.md").write_text("# One\n\nalpha changed")
    assert flow.update()["docs"].num_updates == 1
    assert work_of(events)[0] == 1

    (corpus / "b.md").rename(corpus / "z.md")
    info = flow.update()
    assert (info["docs"].num_insertions, info["docs"].num_deletions) == (1, 1)
    assert work_of(events)[0] == 0

    (corpus / "c.md").unlink()
    assert flow.update()["docs"].num_deletions == 1
    assert len(rows_of(target)) == len(first) - 1


def test_a_bad_row_is_listed_and_the_others_are_written(corpus: Path, tmp_path: Path) -> None:
    (corpus / "bad.md").write_text("poison")
    target = tmp_path / "out.json"
    flow = make_flow(corpus, target)
    flow.setup()
    info = flow.update()
    assert (info["docs"].num_insertions, info["docs"].num_errors) == (3, 1)
    assert info.has_errors
    (corpus / "bad.md").write_text("fine now")
    info = flow.update()
    assert (info["docs"].num_insertions, info["docs"].num_errors) == (1, 0)


def test_an_emptied_target_is_noticed(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = make_flow(corpus, target)
    flow.setup()
    flow.update()
    target.write_text("{}")
    info = flow.update()
    assert info.drifted == ["out"]
    assert "verify --repair" in str(info)


def test_a_source_that_lists_nothing_stops_the_run(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = make_flow(corpus, target)
    flow.setup()
    flow.update()
    for path in corpus.iterdir():
        path.unlink()
    with pytest.raises(SafetyStopError, match="lists nothing"):
        flow.update()
    assert rows_of(target)
    flow.update(allow_deletes=True)
    assert rows_of(target) == {}


def test_drop_removes_target_and_state(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = make_flow(corpus, target)
    flow.setup()
    flow.update()
    flow.drop()
    assert not target.exists()
    with pytest.raises(SetupRequiredError):
        flow.update()
