"""Targets of one function: kept equal to their sources, across failures, restarts, drops and drift."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

import coco
from coco import op
from coco.errors import DestructiveSetupError, MutationError, UnwrittenTargetError


@dataclass
class Page:
    text: str


BATCHES: list[tuple[list[str], list[str]]] = []
"""Keys that were written and deleted, by call."""


@op.row_target()
def shelf_of_pages(upserts: dict[str, Page], deletes: list[str], folder: str, suffix: str = "") -> None:
    """Files of a folder. A page that says "refuse" is refused, one that says "raise" fails the call."""
    BATCHES.append((sorted(upserts), sorted(deletes)))
    place = Path(folder)
    place.mkdir(exist_ok=True)
    if any(page.text == "raise" for page in upserts.values()):
        raise ValueError("a page that cannot be written")
    for name in deletes:
        (place / f"{name}{suffix}").unlink(missing_ok=True)
    refused = {name: "it says so" for name, page in upserts.items() if page.text == "refuse"}
    for name, page in upserts.items():
        if name not in refused:
            (place / f"{name}{suffix}").write_text(page.text)
    if refused:
        raise MutationError(refused)


class Drawer(op.TargetSpec):
    """Rows of a dictionary."""

    name: str
    note: str = ""


DRAWERS: dict[str, dict[str, dict[str, Any]]] = {}
CLEARED: list[str] = []


async def all_of(spec: Drawer) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for key, row in DRAWERS.get(spec.name, {}).items():
        await asyncio.sleep(0)
        yield key, row


async def empty(spec: Drawer) -> None:
    CLEARED.append(spec.name)
    DRAWERS.pop(spec.name, None)


@op.row_target(key="name", read=all_of, clear=empty)
async def put(spec: Drawer, upserts: dict[str, dict[str, Any]], deletes: list[str]) -> None:
    drawer = DRAWERS.setdefault(spec.name, {})
    drawer.update(upserts)
    for key in deletes:
        drawer.pop(key, None)


class Bag(op.TargetSpec):
    """Rows of a dictionary, which coco deletes one by one."""

    name: str


BAGS: dict[str, dict[str, dict[str, Any]]] = {}


@op.row_target()
def pack_bag(spec: Bag, upserts: dict[str, dict[str, Any]], deletes: list[str]) -> None:
    bag = BAGS.setdefault(spec.name, {})
    bag.update(upserts)
    for key in deletes:
        bag.pop(key, None)


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    folder = tmp_path / "drafts"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text(f"text {name}")
    BATCHES.clear()
    DRAWERS.clear()
    BAGS.clear()
    CLEARED.clear()
    return folder


def flow_into(spec: op.TargetSpec | None, drafts: Path, name: str = "Pages", key: str = "name") -> coco.Flow:
    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["drafts"] = builder.add_source(coco.sources.LocalFile(path=str(drafts)))
        pages = scope.add_collector()
        with scope["drafts"].row() as draft:
            pages.collect(name=draft["filename"], text=draft["content"])
        if spec is not None:
            pages.export("pages", spec, primary_key_fields=[key])

    return flow


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def restarted(flow: coco.Flow, spec: op.TargetSpec | None, drafts: Path) -> coco.Flow:
    """The flow as a process finds it that begins now."""
    flow.close()
    coco.stop()
    return flow_into(spec, drafts)


def test_follows_its_source(drafts: Path, tmp_path: Path) -> None:
    place = tmp_path / "shelf"
    flow = flow_into(shelf_of_pages(folder=str(place)), drafts)
    flow.setup()
    assert not place.exists()  # nothing is set up
    flow.update()
    assert files(place) == {name: f"text {name}" for name in "abc"}
    assert BATCHES == [(["a", "b", "c"], [])]
    (drafts / "a").write_text("new")
    (drafts / "b").unlink()
    flow.update()
    assert files(place) == {"a": "new", "c": "text c"}
    BATCHES.clear()
    flow.update()
    assert BATCHES == []


ROUNDS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", "refuse", "raise"]), max_size=3),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(ROUNDS)
def test_increments_end_where_a_fresh_run_does(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[str, str]]
) -> None:
    """Whatever was there, refused or restarted in between; a row that fails keeps what it had."""
    base = tmp_path_factory.mktemp("law")
    drafts, place, fresh = base / "drafts", base / "shelf", base / "fresh"
    wanted: dict[str, str] = {}
    spec = shelf_of_pages(folder=str(place))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCO_STATE_URL", f"sqlite:///{base / 'state.db'}")
        for left in list(coco.flows().values()):  # of an example that failed
            left.close()
        coco.stop()
        flow = flow_into(spec, drafts)
        for pages in rounds:
            shutil.rmtree(drafts, ignore_errors=True)
            drafts.mkdir()
            for name, text in pages.items():
                (drafts / name).write_text(text)
            flow = restarted(flow, spec, drafts)
            flow.setup()
            with contextlib.suppress(UnwrittenTargetError):  # where all of them fail
                flow.update(allow_deletes=True)
            good = {name: text for name, text in pages.items() if text in "xy"}
            wanted = {**{name: wanted[name] for name in pages if name in wanted}, **good}
            assert files(place) == wanted
            assert {item.key for item in flow.errors()} == set(pages) - set(good)
        if wanted == {name: text for name, text in rounds[-1].items() if text in "xy"}:
            other = flow_into(shelf_of_pages(folder=str(fresh)), drafts, "Fresh")
            other.setup()
            with contextlib.suppress(UnwrittenTargetError):
                other.update()
            assert files(fresh) == files(place)
            other.close()
        flow.close()
        coco.stop()


@pytest.mark.parametrize("text", ["refuse", "raise"])
def test_one_failing_row_fails_no_other(drafts: Path, tmp_path: Path, text: str) -> None:
    place = tmp_path / "shelf"
    flow = flow_into(shelf_of_pages(folder=str(place)), drafts)
    flow.setup()
    (drafts / "b").write_text(text)
    stats = flow.update().total
    assert stats.num_errors == 1
    assert files(place) == {"a": "text a", "c": "text c"}
    [error] = flow.errors()
    assert error.key == "b"
    (drafts / "b").write_text("mended")
    flow.update()
    assert files(place)["b"] == "mended"


def test_a_new_process_writes_nothing_again(drafts: Path, tmp_path: Path) -> None:
    spec = shelf_of_pages(folder=str(tmp_path / "shelf"))
    flow = flow_into(spec, drafts)
    flow.setup()
    flow.update()
    BATCHES.clear()
    flow = restarted(flow, spec, drafts)
    flow.setup()
    flow.update()
    assert BATCHES == []


def test_drop_deletes_what_coco_wrote_and_nothing_else(drafts: Path, tmp_path: Path) -> None:
    place = tmp_path / "shelf"
    flow = flow_into(shelf_of_pages(folder=str(place)), drafts)
    flow.setup()
    flow.update()
    (place / "mine").write_text("by hand")
    BATCHES.clear()
    flow.drop()
    assert files(place) == {"mine": "by hand"}
    assert BATCHES == [([], ["a", "b", "c"])]


def test_drop_in_a_new_process_after_the_export_was_removed(drafts: Path, tmp_path: Path) -> None:
    place = tmp_path / "shelf"
    flow = flow_into(shelf_of_pages(folder=str(place)), drafts)
    flow.setup()
    flow.update()
    (drafts / "b").unlink()
    flow = restarted(flow, None, drafts)
    with pytest.raises(DestructiveSetupError, match="3 rows there are deleted"):
        flow.setup()
    flow.setup(allow_destructive=True)  # it drops what no export names
    assert files(place) == {}


def test_a_changed_identity_moves_the_rows(drafts: Path, tmp_path: Path) -> None:
    flow = flow_into(shelf_of_pages(folder=str(tmp_path / "old")), drafts)
    flow.setup()
    flow.update()
    flow = restarted(flow, shelf_of_pages(folder=str(tmp_path / "new")), drafts)
    flow.setup(allow_destructive=True)
    flow.update()
    assert files(tmp_path / "old") == {}
    assert sorted(files(tmp_path / "new")) == ["a", "b", "c"]


def test_another_primary_key_deletes_by_the_old_one(drafts: Path) -> None:
    flow = flow_into(Bag(name="b"), drafts)
    flow.setup()
    flow.update()
    assert sorted(BAGS["b"]) == ["a", "b", "c"]
    flow.close()
    coco.stop()
    flow = flow_into(Bag(name="b"), drafts, key="text")
    flow.setup(allow_destructive=True)
    assert BAGS["b"] == {}
    flow.update()
    assert sorted(BAGS["b"]) == ["text a", "text b", "text c"]


def test_a_failed_drop_is_completed_by_the_next(
    drafts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "shelf"
    spec = shelf_of_pages(folder=str(place))
    flow = flow_into(spec, drafts)
    flow.setup()
    flow.update()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            flow.drop()
    assert len(files(place)) == 3
    flow.drop()
    assert files(place) == {}


def test_with_a_spec_of_its_own_and_async(drafts: Path) -> None:
    flow = flow_into(Drawer(name="d"), drafts)
    flow.setup()
    flow.update()
    assert DRAWERS["d"] == {name: {"text": f"text {name}"} for name in "abc"}
    del DRAWERS["d"]["b"]
    flow = restarted(flow, Drawer(name="d", note="another"), drafts)
    flow.setup()  # loses nothing: the note is no part of the key
    assert CLEARED == []
    flow.update()
    assert sorted(DRAWERS["d"]) == ["a", "b", "c"]  # but rows may depend on it
    flow.drop()
    assert (CLEARED, DRAWERS) == (["d"], {})


def test_verify_finds_and_repairs_changes_by_other_programs(drafts: Path) -> None:
    flow = flow_into(Drawer(name="d"), drafts)
    flow.setup()
    flow.update()
    assert flow.verify().ok
    DRAWERS["d"]["a"]["text"] = "changed by hand"
    del DRAWERS["d"]["b"]
    DRAWERS["d"]["x"] = {"text": "stranger"}
    [target] = flow.verify().targets
    assert (target.missing, target.different, target.extra) == (["b"], ["a"], ["x"])
    flow.verify(repair=True)
    assert DRAWERS["d"] == {name: {"text": f"text {name}"} for name in "abc"}
