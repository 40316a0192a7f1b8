"""What conftest.py at the root hands to the processes of `pytest -n`: which tests stay together, and which come first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Item:
    """As much of a collected test as is looked at."""

    def __init__(self, nodeid: str, *marks: Any, fixtures: tuple[str, ...] = ()) -> None:
        self.nodeid = nodeid
        self.marks = {mark.name: mark for mark in marks}
        definitions = {scope: [SimpleNamespace(scope=scope)] for scope in fixtures}
        self._fixtureinfo = SimpleNamespace(name2fixturedefs=definitions)

    def get_closest_marker(self, name: str) -> Any:
        return self.marks.get(name)

    def add_marker(self, mark: Any) -> None:
        self.marks[mark.name] = mark.mark

    @property
    def group(self) -> str | None:
        mark = self.marks.get("xdist_group")
        return mark.args[0] if mark else None


SLOW = pytest.mark.slow.mark


Share = Callable[..., list[tuple[str, str | None]]]


@pytest.fixture
def shared_out(pytestconfig: pytest.Config) -> Share:
    """Names and groups, in the order in which they are handed out."""
    module: Any = pytestconfig.pluginmanager.get_plugin(str(ROOT / "conftest.py"))

    def share(items: list[Item], *, worker: bool = True) -> list[tuple[str, str | None]]:
        module.pytest_collection_modifyitems(SimpleNamespace(workerinput={"n": 1} if worker else None), items)
        return [(item.nodeid, item.group) for item in items]

    return share


def test_a_file_stays_together_and_many_tests_come_before_few(shared_out: Share) -> None:
    items = [Item("a.py::one"), Item("b.py::one"), Item("a.py::two"), Item("b.py::two"), Item("b.py::three")]
    assert shared_out(items) == [
        ("b.py::one", "b.py"),
        ("b.py::two", "b.py"),
        ("b.py::three", "b.py"),
        ("a.py::one", "a.py"),
        ("a.py::two", "a.py"),
    ]


def test_slow_tests_come_first_and_each_for_itself(shared_out: Share) -> None:
    items = [Item("a.py::one"), Item("b.py::one"), Item("b.py::two", SLOW), Item("b.py::three", SLOW)]
    assert shared_out(items) == [
        ("b.py::two", "b.py::two"),
        ("b.py::three", "b.py::three"),
        ("a.py::one", "a.py"),
        ("b.py::one", "b.py"),
    ]


@pytest.mark.parametrize("scope", ["module", "class", "package"])
def test_slow_tests_that_share_a_fixture_stay_with_their_file(shared_out: Share, scope: str) -> None:
    items = [Item("a.py::one"), Item("b.py::one"), Item("b.py::two", SLOW, fixtures=("function", scope))]
    assert [group for _, group in shared_out(items)] == ["b.py", "b.py", "a.py"]


def test_groups_that_tests_name_are_kept(shared_out: Share) -> None:
    together = pytest.mark.xdist_group("wheels").mark
    items = [Item("a.py::one", SLOW), Item("b.py::one", SLOW, together), Item("c.py::one", SLOW, together)]
    assert shared_out(items) == [
        ("b.py::one", "wheels"),
        ("c.py::one", "wheels"),
        ("a.py::one", "a.py::one"),
    ]


def test_in_one_process_everything_stays_as_it_is(shared_out: Share) -> None:
    items = [Item("a.py::one"), Item("b.py::one", SLOW)]
    assert shared_out(items, worker=False) == [("a.py::one", None), ("b.py::one", None)]
