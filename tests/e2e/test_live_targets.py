"""What a live updater keeps open between passes, and how often it asks targets what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coco
from coco import op
from coco.operations import live

LIMIT = 60


class Hall(op.TargetSpec):
    """A target that is opened; ``stays`` chooses the connector."""

    name: str


class OpenHall(Hall):
    """One that stays open."""


class Door:
    """What ``prepare`` gives."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.closed = False
        world.opened += 1
        world.doors.append(self)

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class World:
    """All that happened."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.doors: list[Door] = []
        self.opened = 0
        self.counts = 0
        self.fail = 0


WORLD = [World()]


class HallConnector:
    @staticmethod
    def get_persistent_key(spec: Hall, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            WORLD[0].rows.clear()

    @staticmethod
    def prepare(spec: Hall) -> Door:
        return Door(WORLD[0])

    @staticmethod
    def count_rows(door: Door) -> int:
        assert not door.closed
        WORLD[0].counts += 1
        return len(WORLD[0].rows)

    @staticmethod
    def mutate(*batches: tuple[Door, dict[str, Any]]) -> None:
        for door, changes in batches:
            assert not door.closed
            if WORLD[0].fail:
                WORLD[0].fail -= 1
                raise ConnectionError("the door fell shut")
            for key, value in changes.items():
                if value is None:
                    WORLD[0].rows.pop(key, None)
                else:
                    WORLD[0].rows[key] = value["text"]


@op.target_connector(spec_cls=Hall, persistent_key_type=str)
class PlainHallConnector(HallConnector):
    pass


@op.target_connector(spec_cls=OpenHall, persistent_key_type=str)
class OpenHallConnector(HallConnector):
    stays_open = True


@pytest.fixture
def world() -> World:
    WORLD[0] = World()
    return WORLD[0]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("0")
    return folder


def make_flow(corpus: Path, spec: op.TargetSpec) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(coco.sources.LocalFile(path=str(corpus), watch_changes=True))
        rows = scope.add_collector()
        with scope["files"].row() as file:
            rows.collect(filename=file["filename"], text=file["content"])
        rows.export("hall", spec, primary_key_fields=["filename"])

    flow = coco.open_flow("Halls", define)
    flow.setup()
    return flow


def until(updater: coco.FlowLiveUpdater, true: Callable[[], bool]) -> None:
    while not true():
        assert updater.next_status_updates().active_sources, "the updater has ended"


def edit(corpus: Path, updater: coco.FlowLiveUpdater, world: World, *texts: str) -> None:
    """One pass for each text at least, after the first one."""
    until(updater, lambda: "a.md" in world.rows)
    for text in texts:
        (corpus / "a.md").write_text(text)
        until(updater, lambda text=text: world.rows.get("a.md") == text)  # type: ignore[misc]


@pytest.mark.timeout(LIMIT)
def test_a_target_that_stays_open_is_opened_once(corpus: Path, world: World) -> None:
    with coco.FlowLiveUpdater(make_flow(corpus, OpenHall("one"))) as updater:
        edit(corpus, updater, world, "1", "2", "3")
        assert world.opened == 1
        assert not world.doors[0].closed
    assert world.doors[0].closed


@pytest.mark.timeout(LIMIT)
def test_other_targets_are_opened_and_closed_by_each_run(corpus: Path, world: World) -> None:
    with coco.FlowLiveUpdater(make_flow(corpus, Hall("one"))) as updater:
        edit(corpus, updater, world, "1", "2", "3")
        assert world.opened >= 4
    assert all(door.closed for door in world.doors)


@pytest.mark.timeout(LIMIT)
def test_a_single_update_keeps_nothing_open(corpus: Path, world: World) -> None:
    flow = make_flow(corpus, OpenHall("one"))
    flow.update()
    flow.update()
    assert [door.closed for door in world.doors] == [True, True]


@pytest.mark.timeout(LIMIT)
def test_after_an_error_the_target_is_reopened(corpus: Path, world: World) -> None:
    with coco.FlowLiveUpdater(make_flow(corpus, OpenHall("one"))) as updater:
        edit(corpus, updater, world, "1")
        world.fail = 1
        edit(corpus, updater, world, "2")
        assert [door.closed for door in world.doors] == [True, False]
    assert all(door.closed for door in world.doors)


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("seconds", [3600.0, 0.0])
def test_single_changes_do_not_count_the_targets_rows_each_time(
    corpus: Path, world: World, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting rows of a large target takes longer than writing one."""
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", seconds)
    with coco.FlowLiveUpdater(make_flow(corpus, OpenHall("one"))) as updater:
        edit(corpus, updater, world, "1", "2")
        before = world.counts
        edit(corpus, updater, world, "3", "4", "5")
        assert (world.counts == before) == (seconds > 0)
