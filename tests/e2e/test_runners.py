"""A flow with functions on a third party's runner: the same rows as here, no more work, and crashes survived."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from counted import work_of
from memory_rows import Entry, MemoryRows, fill
from row_table import RowTable, table

import coco
from coco import op
from coco.errors import WorkerDiedError
from coco.events import FlowEvent
from coco.flow.show import render
from coco.operations.graph_report import graph_report
from coco.ops.runner_names import RUNNERS
from coco_testing.reference.runner import PoolRunner

MODULE = """
import os
from pathlib import Path

from coco import op

CALLED_HERE = []


@op.function(behavior_version=1, cache=True)
def there(text: str) -> str:
    CALLED_HERE.append(text)
    if text.startswith("dies once "):
        marker = Path(text.removeprefix("dies once "))
        if not marker.exists():
            marker.write_text("died")
            os._exit(3)
        return "survived"
    if text == "poison":
        os._exit(3)
    return text.upper()


class Measure(op.FunctionSpec):
    unit: str


@op.executor_class(behavior_version=1, batching=True)
class MeasureExecutor:
    spec: Measure

    def prepare(self) -> None:
        self._unit = self.spec.unit

    def __call__(self, text: list[str]) -> list[str]:
        return [f"{len(item)} {self._unit}" for item in text]
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("runners")
    (folder / "e2e_runner_functions.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("e2e_runner_functions")
    del sys.modules["e2e_runner_functions"]


@pytest.fixture(autouse=True)
def pool(functions: ModuleType) -> Iterator[None]:
    op.runner("pool")(PoolRunner)
    functions.CALLED_HERE.clear()
    yield
    coco.stop()
    RUNNERS._factories.clear()


def flow_of(functions: ModuleType, runner: str | None, name: str = "Remote") -> coco.Flow:
    options: Any = {"runner": runner}

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="remote"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["loud"] = doc["content"].transform(functions.there, op_args=options)
            doc["size"] = doc["content"].transform(functions.Measure("signs"), op_args=options)
            out.collect(file=doc["_key"], loud=doc["loud"], size=doc["size"])
        out.export("out", RowTable(name=name), primary_key_fields=["file"])

    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


def test_a_runner_gives_the_same_rows_as_this_process(functions: ModuleType, events: list[FlowEvent]) -> None:
    rows, here = table("Remote"), table("Here")
    fill("remote", {f"doc {index}": f"text {index % 7}" for index in range(20)})
    flow = flow_of(functions, "pool")
    assert flow.update().total.num_insertions == 20
    assert functions.CALLED_HERE == [], "called in this process"
    flow_of(functions, None, "Here").update()
    assert len(here.rows) == 20
    assert rows.rows == here.rows
    events.clear()
    flow.update()
    assert work_of(events).none, "an update of nothing made calls"


def test_moving_a_function_to_a_runner_recomputes_nothing(
    functions: ModuleType, events: list[FlowEvent]
) -> None:
    """Where it runs is no part of what it is: rows, memo and setup stay."""
    rows = table("Remote")
    fill("remote", {"a": "one", "b": "two"})
    flow_of(functions, None).update()
    functions.CALLED_HERE.clear()
    before = dict(rows.rows)
    for runner in ("pool", "process", None):
        coco.flow_by_name("Remote").close()
        flow = flow_of(functions, runner)
        events.clear()
        flow.update()
        assert work_of(events).none, f"moved to {runner}"
    assert functions.CALLED_HERE == []
    assert rows.rows == before


def test_where_it_runs_is_shown(functions: ModuleType) -> None:
    fill("remote", {})
    graph = flow_of(functions, "pool").graph
    assert render(graph, verbose=True).count(", on pool") == 2
    assert "pool" not in render(graph)
    assert [item["runner"] for item in graph_report(graph)["transforms"]] == ["pool", "pool"]


def test_a_worker_that_is_killed_during_a_call(functions: ModuleType, tmp_path: Path) -> None:
    rows = table("Remote")
    fill(
        "remote",
        {**{f"{index}": f"text {index}" for index in range(8)}, "x": f"dies once {tmp_path / 'marker'}"},
    )
    assert flow_of(functions, "pool").update().total.num_insertions == 9
    assert rows.rows[("x",)]["loud"] == "survived"
    assert rows.rows[("3",)]["loud"] == "TEXT 3"


def test_a_row_that_always_kills_its_worker_fails_alone(functions: ModuleType) -> None:
    rows = table("Remote")
    world = fill("remote", {"a": "one", "b": "poison", "c": "three"})
    flow = flow_of(functions, "pool")
    info = flow.update()
    assert (info.total.num_insertions, info.total.num_errors) == (2, 1)
    assert set(rows.rows) == {("a",), ("c",)}
    world["b"] = Entry("cured", 2)
    assert flow.update().total.num_insertions == 1
    assert rows.rows[("b",)]["loud"] == "CURED"


def test_a_call_that_kills_its_worker_raises_the_engines_error(functions: ModuleType) -> None:
    @coco.transform_flow()
    def loud(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(functions.there, op_args={"runner": "pool"})

    with pytest.raises(WorkerDiedError, match=r"There \(.*\): the worker process ended 3 times"):
        loud.evaluate(text=["a", "poison"])
