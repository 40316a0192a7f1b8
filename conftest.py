"""For the tests of all distributions: profiles of hypothesis, and what the processes of `pytest -n` share out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter

import pytest

# Images often set this. Tests start hundreds of processes, each of which would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

with contextlib.suppress(ImportError):  # the environment of a distribution whose tests need none
    from hypothesis_profiles import register

    register()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file is run by one process, for the sake of its fixtures; of slow tests that share none, each by the next free one.

    Groups with slow tests are handed out first, then those with many, so that all processes end together.
    """
    if not getattr(config, "workerinput", None):
        return
    groups = {item: group_of(item) for item in items}
    size, slow = Counter(groups.values()), Counter(groups[item] for item in items if is_slow(item))
    ranked = sorted(size, key=lambda group: (-slow[group], -size[group]))  # stable, so equal in all processes
    place = {group: number for number, group in enumerate(ranked)}
    items.sort(key=lambda item: place[groups[item]])
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(groups[item]))


def group_of(item: pytest.Item) -> str:
    """What one process runs from its first test to its last."""
    given = item.get_closest_marker("xdist_group")
    if given is not None:
        return str(given.args[0])
    file = item.nodeid.partition("::")[0]
    return item.nodeid if is_slow(item) and not shares_fixtures(item) else file


def is_slow(item: pytest.Item) -> bool:
    """Whether a test is marked ``slow``."""
    return item.get_closest_marker("slow") is not None


def shares_fixtures(item: pytest.Item) -> bool:
    """Whether another test of its module or class has a fixture in common with it, which would be made twice."""
    known = getattr(item, "_fixtureinfo", None)
    if known is None:
        return False
    return any(
        definition.scope in ("module", "class", "package")
        for definitions in known.name2fixturedefs.values()
        for definition in definitions
    )
