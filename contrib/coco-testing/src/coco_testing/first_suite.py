"""The first test file of a plugin: a suite for each operation, with open parts for its author to fill in."""

from __future__ import annotations

import inspect
from typing import Any

import click

from coco.plugins import plugin_host

_HEAD = '''"""The conformance suites. The docstring of each check says what to look for if the check fails."""

from __future__ import annotations

'''
_TARGET = '''

class Test{name}(TargetSuite):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> Any:
        """A spec of an empty place, another place for each test."""
        return {call}

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        """All rows in the place, read without the connector: {{key: {{field: value}}}}."""
        raise NotImplementedError("read the rows of this place")
'''
_SOURCE = '''

class World:
    """The place that the source reads, changed by the tests. It is empty at first."""

    def __init__(self, place: Path) -> None:
        self.spec = {call}

    def put(self, name: str, text: str) -> Any:
        """Create or change the row for ``name``. Returns its key."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        raise NotImplementedError

    def value(self, text: str) -> dict[str, Any]:
        """The fields of a row after ``put(name, text)``."""
        raise NotImplementedError

    def missing_key(self) -> Any:
        return "never was"


class Test{name}(SourceSuite):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return World(tmp_path)
'''
_FUNCTION = '''

class Test{name}(FunctionSuite):
    @pytest.fixture
    def function(self) -> Any:
        return {call}

    def cases(self) -> Sequence[Case]:
        """At least two calls with different results; at least one must give ``result``."""
        raise NotImplementedError("give cases: Case((argument,), result=...)")
'''
_IMPORTS = {
    "target": (
        "from pathlib import Path\nfrom typing import Any\n",
        "from coco_testing.rows import NaturalRows, Shape\nfrom coco_testing.target_suite import TargetSuite\n",
    ),
    "source": (
        "from pathlib import Path\nfrom typing import Any\n",
        "from coco_testing.source_suite import SourceSuite\n",
    ),
    "function": (
        "from collections.abc import Sequence\nfrom typing import Any\n",
        "from coco_testing.function_suite import Case, FunctionSuite\n",
    ),
}
_BODIES = {"target": _TARGET, "source": _SOURCE, "function": _FUNCTION}
_PLACES = {"path", "folder", "file", "directory", "root", "database", "db"}


def suite_file(distribution: str) -> str:
    """The test file for a distribution's operations. Raises ``click.ClickException`` if it announces none."""
    host = plugin_host()
    ops = [op for item in host.plugins if item.distribution()[0] == distribution for op in item.ops]
    known = [op for op in ops if op.category in _BODIES]
    if not known:
        raise click.ClickException(
            f"{distribution} announces no source, function or target: install it first (pip install -e .); "
            "coco plugins -v shows its problems"
        )
    standard = {line for op in known for line in _IMPORTS[op.category][0].strip().split("\n")}
    kit = {line for op in known for line in _IMPORTS[op.category][1].strip().split("\n")}
    own = {f"from {op.target.partition(':')[0]} import {op.target.partition(':')[2]}" for op in known}
    parts = [sorted(standard), ["import pytest", *sorted(kit)], sorted(own)]
    head = _HEAD + "\n\n".join("\n".join(lines) for lines in parts) + "\n"
    return head + "".join(_body(op, host.load(op.key)) for op in known)


def _body(op: Any, loaded: Any) -> str:
    name = op.target.partition(":")[2]
    place = "place" if op.category == "source" else "tmp_path"
    return _BODIES[op.category].format(name=op.name, call=_call(name, loaded, place))


def _call(name: str, loaded: Any, place: str) -> str:
    """A call that makes a spec: place fields get a path in the test's folder, other required fields ``...``."""
    if not isinstance(loaded, type):
        return name
    fields = inspect.signature(loaded).parameters.values()
    given = [
        f'{item.name}=str({place} / "conformance")' if item.name in _PLACES else f"{item.name}=..."
        for item in fields
        if item.default is item.empty
    ]
    return f"{name}({', '.join(given)})"
