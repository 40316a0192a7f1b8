"""What conftest.py at the root hands to the processes of `pytest -n`: which tests stay together, and which come first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Item:
    """As much of a collected test as is looked at."""

    def __init__(self, nodeid: str, *, slow: bool = False, mark: str = "") -> None:
        self.nodeid = nodeid
        self.originalname = nodeid.rpartition("::")[2]
        self.marks = {mark, "slow" if slow else ""}

    def get_closest_marker(self, name: str) -> Any:
        return name in self.marks


@pytest.fixture
def shared_out(pytestconfig: pytest.Config) -> Any:
    """The module that does it, as it is loaded."""
    return pytestconfig.pluginmanager.get_plugin(str(ROOT / "conftest.py"))


def order(shared_out: Any, *items: Item, worker: bool = True, profile: str = "ci") -> list[str]:
    found = list(items)
    config = SimpleNamespace(
        workerinput={"n": 1} if worker else None,
        getoption=lambda name, default: profile,
        hook=SimpleNamespace(pytest_deselected=lambda items: None),
    )
    shared_out.pytest_collection_modifyitems(config, found)
    return [item.nodeid for item in found]


def test_many_tests_come_before_few(shared_out: Any) -> None:
    names = ["a.py::one", "b.py::one", "a.py::two", "b.py::two", "b.py::three"]
    assert order(shared_out, *map(Item, names)) == [
        "b.py::one",
        "b.py::two",
        "b.py::three",
        "a.py::one",
        "a.py::two",
    ]


def test_files_with_slow_tests_come_first(shared_out: Any) -> None:
    items = [Item("a.py::one"), Item("a.py::two"), Item("b.py::one"), Item("c.py::one", slow=True)]
    assert order(shared_out, *items) == ["c.py::one", "a.py::one", "a.py::two", "b.py::one"]


def test_a_group_of_tests_counts_as_one(shared_out: Any) -> None:
    items = [Item("a.py::one"), Item("a.py::two"), *map(Item, PACKAGING)]
    assert order(shared_out, *items) == [*PACKAGING, "a.py::one", "a.py::two"]


def test_in_one_process_the_order_does_not_change(shared_out: Any) -> None:
    items = [Item("a.py::one"), Item("b.py::one", slow=True)]
    assert order(shared_out, *items, worker=False) == ["a.py::one", "b.py::one"]


def test_one_process_runs_a_group(shared_out: Any, pytestconfig: pytest.Config) -> None:
    pytest.importorskip("xdist")
    options = SimpleNamespace(tx=["popen"] * 2, loadscopereorder=False, maxschedchunk=None)
    config = SimpleNamespace(getoption=lambda name: "loadfile", getvalue=options.__dict__.get, option=options)
    scheduler = shared_out.pytest_xdist_make_scheduler(config, None)
    scopes = [
        scheduler._split_scope(name) for name in ["a.py::one", "a.py::C::two[x::y]", "b.py::one", *PACKAGING]
    ]
    assert scopes == ["a.py", "a.py", "b.py", *["tests/packaging/"] * 3]


PACKAGING = [f"tests/packaging/test_{name}.py::test" for name in ("one", "two", "three")]


def test_long_cases_are_left_to_the_long_profile(shared_out: Any) -> None:
    items = [
        Item("a.py::short"),
        Item("a.py::test_killed"),
        Item("a.py::large", mark="long"),
        Item("b.py::test_killed", mark="second_form"),
        Item("b.py::test_values", mark="second_form"),
    ]
    every = [item.nodeid for item in items]
    assert order(shared_out, *items, worker=False) == [
        "a.py::short",
        "a.py::test_killed",
        "b.py::test_values",
    ]
    assert order(shared_out, *items, worker=False, profile="long") == every
