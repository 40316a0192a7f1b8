"""One flow that exports to all six targets at once: whatever is edited and whenever it is killed, all end alike.

``CRASHES=long`` lives more lives.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from six_world import READERS, Places, World, servers

from coco_testing.postgres import PostgresServer
from coco_testing.postgres import postgres_database as postgres_database
from coco_testing.postgres import postgres_server as postgres_server

LIVES = 12 if os.environ.get("CRASHES") == "long" else 1
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]
POINTS = [
    "before-mutate",
    "after-mutate",
    "mid-mutate",
    "in-commit",
    "after-stage",
    "before-setup_change",
    "after-setup_change",
]


def give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"servers are needed: {reason}")
    pytest.skip(f"no server: {reason}")


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    with servers(tmp_path_factory.mktemp("neo4j"), give_up) as found:
        yield found


@pytest.fixture
def places(
    reached: tuple[dict[str, Any], dict[str, Any]], postgres_server: PostgresServer
) -> Iterator[Places]:
    with postgres_server.database() as url:
        yield Places(url, *reached)


@pytest.mark.parametrize("life", range(LIVES))
def test_all_six_targets_end_with_equal_rows(life: int, places: Places, tmp_path: Path) -> None:
    seed = f"six{life}"
    chance = random.Random(seed)
    world = World(tmp_path, places, seed)
    first = f"{POINTS[-1 - life % 2]}:{chance.randint(2, 8)}"
    assert world.run(first) is None, f"{first} was not reached"
    assert world.run(f"after-mutate:{chance.randint(1, 6)}") is None, "fewer than six targets were written"
    for turn in range(3 if LIVES > 1 else 2):
        if turn:
            world.edit()
        if chance.random() < 0.7:
            world.run(f"{chance.choice(POINTS[:5])}:{chance.randint(1, 12)}")
        else:
            world.run(after=chance.uniform(0.5, 4.0))
    world.check()
    world.edit()
    world.run(f"before-mutate:{chance.randint(1, 6)}")
    world.edit()
    world.check()
    assert world.kills >= 2
    world.check_dropped()


def test_readers_notice_a_wrong_row_in_each_target(places: Places, tmp_path: Path) -> None:
    """They see rows, and would see a wrong one."""
    world = World(tmp_path, places, "readers")
    world.check()
    before = {name: read(world) for name, read in READERS.items()}
    assert all(found == world.expected() and found[0] for found in before.values() if found is not None)
    name = sorted(world.docs)[0]
    world.write(name, "w1 w1 of another length")
    assert all(found != world.expected() for found in before.values())
    world.check()
    world.check_dropped()
