"""Killed anywhere, again and again, the next update ends where an update without a death would have ended.

``CRASHES=long`` kills at every point with every target, and at more random moments: at least 300 deaths. Every life is
logged; a failure names its log and the command that replays it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from crash_world import IN_FLIGHT, TARGETS, Case

from coco_testing.postgres import PostgresServer

LONG = os.environ.get("CRASHES") == "long"
LOG = os.environ.get("CRASH_LOG", "")
SIDE_BY_SIDE = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


def around(*names: str, inside: str = "in") -> list[str]:
    return [f"{place}-{name}" for name in names for place in ("before", inside, "after")]


ONCE = [
    "in-open",
    *around("allocate_ids", "put_cursor"),
    *around("setup_change", inside="mid"),
]
"""Reached before anything is there."""

WORK = [
    *around("acquire_lease"),
    "RunStarted",
    *around("list", inside="mid"),
    "RowsDetected",
    "SourceListed",
    "BatchStarted",
    "BatchEnded",
    "before-read",
    "after-read",
    "RowsRead",
    "before-call",
    "after-call",
    "FunctionCalled",
    *around("memo_begin", "memo_put_many", "memo_end"),
    "MemoWritten",
    *around("put_failures"),
    "RowFailed",
    *around("stage"),
    "RowsStaged",
    *around("mutate", inside="mid"),
    "TargetMutated",
    *around("commit"),
    "RowsCommitted",
    "DuplicateKeys",
    "RunFinished",
    *around("release_lease"),
]
EDITED = ["RowsDeleted", *around("collapse"), "RowsCollapsed"]
CHANGED = [
    *around("setup_write", "drop_target_keys", "drop_sources"),
    "before-setup_change",
    "mid-setup_change",
    "SetupStepDone",
]
"""Reached when a target and a source left the flow."""

POINTS = {*ONCE, *WORK, *EDITED, *CHANGED}
ONLY_LONG = {
    *("after-stage", "after-memo_put_many", "after-commit", "after-collapse"),  # an event comes next
    *("RunStarted", "BatchStarted", "BatchEnded", "RowFailed", "DuplicateKeys"),
    *("before-memo_begin", "in-memo_begin", "after-memo_begin", "before-memo_end", "after-memo_end"),
    *(f"in-{name}" for name in ("put_cursor", "acquire_lease", "release_lease", "drop_target_keys")),
}
"""So close to another point that only the long run tells them apart."""

OFTEN = {"call": 25, "read": 3, "stage": 3, "mutate": 3, "commit": 3, "memo_put_many": 2}
"""Methods to which every run comes several times."""


def when(point: str, chance: random.Random) -> str:
    """The point with the occurrence at which to die."""
    highest = OFTEN.get(point.partition("-")[2], 1)
    return f"{point}:{chance.randint(1, highest)}"


@dataclass(frozen=True)
class Life:
    """Where to die: at first, again before anything changed, after edits, and in the second edition of the flow."""

    target: str
    name: str
    first: str = ""
    again: str = ""
    edited: str = ""
    changed: str = ""

    def live(self, case: Case) -> None:
        chance = random.Random(self.name)
        for fault in (self.first, self.again):
            if fault:
                self._die(case, fault, chance)
        if self.edited or self.changed:
            if not case.kills or self.edited in EDITED:
                case.run()  # so that there is something to edit
            case.edit()
        if self.edited:
            self._die(case, self.edited, chance)
        if self.changed:
            case.turn(2)
            self._die(case, self.changed, chance)
        case.finish()

    def _die(self, case: Case, point: str, chance: random.Random) -> None:
        assert case.run(when(point, chance)), f"{point} was not reached\n{case.replay_hint()}"


@dataclass(frozen=True)
class Wandering:
    """Dies at random: at any point whatsoever, or from outside at any moment."""

    target: str
    name: str

    def live(self, case: Case) -> None:
        chance = random.Random(self.name)
        for _ in range(4):
            if chance.random() < 0.5:
                case.run(f"any:{chance.randint(1, 500)}")
            else:
                case.run(after=chance.uniform(0.35, 0.9))
            if chance.random() < 0.7:
                case.edit()
            if chance.random() < 0.2:
                case.turn(2)
        case.finish()


def short_lives() -> Iterator[Life]:
    """Every boundary once, some in each life, targets in turn."""
    once, work, edited, changed = (
        [point for point in points if point not in ONLY_LONG] for points in (ONCE, WORK, EDITED, CHANGED)
    )
    while once or work or edited or changed:
        target = TARGETS[(len(once) + len(work)) % len(TARGETS)]
        at = [(rest or work).pop(0) if rest or work else "" for rest in (once, work, edited, changed)]
        if target == "torn" and "mid-setup_change" in at:
            target = "sqlite"  # which says of its statements
        yield Life(target, "+".join(filter(None, at)), *at)


def long_lives() -> Iterator[Life]:
    for target in TARGETS:
        for slot, points in (("first", ONCE), ("first", WORK), ("edited", EDITED), ("changed", CHANGED)):
            for point in points:
                if (target, point) != ("torn", "mid-setup_change"):
                    yield Life(target, f"{slot}-{point}", **{slot: point})


LIVES: list[Life | Wandering] = [*(long_lives() if LONG else short_lives())]
LIVES += [Wandering(target, f"seed-{number}") for number in range(17 if LONG else 1) for target in TARGETS]
ENOUGH = 300 if LONG else 40


class Lives:
    """Lives two at a time, as the time goes mostly into the start of processes; one beside another process of tests."""

    def __init__(self, chosen: list[Life | Wandering], folder: Path, server: PostgresServer | None) -> None:
        self._server = server
        self._folder = folder
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE)
        self.ended: dict[Life | Wandering, Future[Case]] = {
            life: self._pool.submit(self._live, life)
            for life in chosen
            if server is not None or life.target != "postgres"
        }

    def _live(self, life: Life | Wandering) -> Case:
        folder = self._folder / f"{life.target}-{life.name}"[:80]
        folder.mkdir()
        with database_for(life.target, self._server) as url:
            case = Case(folder, life.target, life.name, url)
            life.live(case)
            return case

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def database_for(target: str, server: PostgresServer | None) -> Iterator[str]:
    if target == "postgres":
        assert server is not None
        with server.database() as url:
            yield url
    else:
        yield ""


@pytest.fixture(scope="module")
def lives(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Those that are to be run in this session, begun in the background."""
    chosen: list[Life | Wandering] = []
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.function is test_killed:
            life = item.callspec.params["life"]
            assert isinstance(life, (Life, Wandering))
            chosen.append(life)
    server: PostgresServer | None = None
    if any(life.target == "postgres" for life in chosen):
        with contextlib.suppress(pytest.skip.Exception):
            server = request.getfixturevalue("postgres_server")
    begun = Lives(chosen, tmp_path_factory.mktemp("lives"), server)
    yield begun
    begun.close()


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life.target}-{life.name}")
def test_killed(life: Life | Wandering, lives: Lives) -> None:
    if life not in lives.ended:
        pytest.skip("no Postgres")
    lives.ended[life].result()


def test_enough_processes_were_killed(lives: Lives) -> None:
    if len(lives.ended) < len(LIVES):
        pytest.skip("not all lives were asked for")
    cases = [future.result() for future in lives.ended.values()]
    kills = sum(case.kills for case in cases)
    costs = [case.repeated / case.kills for case in cases if case.kills]
    print(
        f"{kills} deaths in {len(cases)} lives; calls repeated for each: {statistics.median(costs):.1f} (median), "
        f"{max(costs):.1f} (most), of {IN_FLIGHT} in flight"
    )
    assert kills >= ENOUGH


def test_every_reachable_kill_point_is_listed(tmp_path: Path) -> None:
    """A whole life without a death comes to the points above, and to no other."""
    case = Case(tmp_path, "sqlite", "whole")
    seen: set[str] = set()
    for edition in (0, 1, 2):
        if edition:
            case.edit()
            case.turn(edition)
        assert not case.run()
        seen.update((tmp_path / "trace").read_text().splitlines())
    case.finish()
    assert seen == POINTS


def test_a_log_can_be_replayed(tmp_path: Path) -> None:
    """The same files, the same deaths, the same end, though the second time knows nothing but the log."""
    (tmp_path / "first").mkdir()
    first = Case(tmp_path / "first", "torn", "again")
    first.run("any:150")
    first.edit()
    first.run(after=0.7)
    first.turn(2)
    first.run("in-commit:2")
    first.finish()
    log = json.loads(first.log.read_text())
    assert [step[0] for step in log["steps"]] == ["run", "edit", "run", "edition", "run", "finish"]
    (tmp_path / "second").mkdir()
    second = Case(tmp_path / "second", log["target"], log["seed"])
    second.replay(log["steps"])
    assert json.loads(second.log.read_text()) == log
    assert second.corpus.docs == first.corpus.docs
    assert second.kills >= 2


@pytest.mark.skipif(not LOG, reason="CRASH_LOG names no log")
def test_replay(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """The steps of a log once more: ``CRASH_LOG=.../crash.json``."""
    log = json.loads(Path(LOG).read_text())
    with database_for(log["target"], postgres_server) as url:
        Case(tmp_path, log["target"], log["seed"], url).replay(log["steps"])
