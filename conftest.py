"""For the tests of all distributions: profiles of hypothesis, and what the processes of `pytest -n` share out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from typing import Any

import pytest
from run_length import is_long

# Images often set this. Tests start hundreds of processes, each of which would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

with contextlib.suppress(ImportError):  # the environment of a distribution whose tests need none
    from hypothesis_profiles import register

    register()


def pytest_configure(config: pytest.Config) -> None:
    """Our own suites declare every ability, as ``coco-testing check`` asks of a release."""
    if hasattr(config.option, "coco_strict"):  # where the kit is installed
        config.option.coco_strict = True


TOGETHER = ("tests/packaging/", "targets/coco-target-neo4j/tests/")
"""Folders whose files share what is slow to make or large: wheels and environments, a server with a JVM."""


LONGEST = (
    "test_killed",
    "test_death_during_setup",
    "test_death_while_writing",
    "test_two_processes",
    "test_large_batch",
)
"""Checks of the conformance kit that start processes or write much."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the longest checks of second forms to ``make test-long``, and put the rest in order."""
    if not is_long(config):
        later = [item for item in items if _is_for_later(item)]
        left = set(later)
        items[:] = [item for item in items if item not in left]
        if later:
            config.hook.pytest_deselected(items=later)
    _order(config, items)


def _is_for_later(item: pytest.Item) -> bool:
    if item.get_closest_marker("long"):
        return True
    return bool(item.get_closest_marker("second_form")) and getattr(item, "originalname", "") in LONGEST


def _order(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests out: groups with slow tests first, then those with many.

    So that all processes end together.
    """
    if not getattr(config, "workerinput", None):
        return
    groups = {item: group_of(item.nodeid) for item in items}
    slow = Counter(groups[item] for item in items if item.get_closest_marker("slow"))
    size = Counter(groups.values())
    ranked = sorted(size, key=lambda group: (-slow[group], -size[group]))  # stable, so equal in all processes
    place = {group: number for number, group in enumerate(ranked)}
    items.sort(key=lambda item: place[groups[item]])


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which the environment of a distribution has not
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For ``--dist loadfile``: one process runs a group from its first test to its last."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def group_of(nodeid: str) -> str:
    """A file, for the sake of its fixtures, or several that belong together."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)
