"""Definitions that run again: notebook cells and reloaded modules replace, all else is refused."""

from __future__ import annotations

import importlib
import itertools
import linecache
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import coco
from coco.environment.environment import Environment
from coco.errors import DefinitionError

Cell = Callable[[str], dict[str, Any]]


@pytest.fixture(autouse=True)
def no_flows() -> Iterator[None]:
    yield
    for flow in list(coco.flows().values()):
        flow.close()


def ipykernel(number: int) -> str:
    return f"/tmp/ipykernel_4242/{number}.py"


def ipython(number: int) -> str:
    return f"<ipython-input-{number}-0a1b2c>"


@pytest.fixture(params=[ipykernel, ipython])
def cell(request: pytest.FixtureRequest) -> Cell:
    """Runs the source of a cell in the names of one session."""
    names: dict[str, Any] = {"__name__": "__main__", "coco": coco}
    numbers = itertools.count(1)

    def run(source: str) -> dict[str, Any]:
        file = request.param(next(numbers))
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        exec(compile(source, file, "exec", dont_inherit=True), names)
        return names

    return run


FLOW = """
@coco.flow_def(name="Docs")
def docs(builder, scope):
    made.append(1)
"""


def test_a_cell_that_runs_again_replaces_its_flow(cell: Cell) -> None:
    cell("made = []")
    first = cell(FLOW)["docs"]
    assert first.internal_flow() is first.graph
    again = cell(FLOW)["docs"]
    assert first.is_closed and not again.is_closed
    assert coco.flows() == {"Docs": again}
    edited = cell(FLOW.replace("append(1)", "append(2)"))["docs"]
    assert cell(FLOW.replace("def docs", "def other"))["other"] is coco.flow_by_name("Docs")
    assert edited.is_closed


def test_flows_that_a_cell_opens(cell: Cell) -> None:
    source = "flow = coco.open_flow('Docs', lambda builder, scope: None)"
    first = cell(source)["flow"]
    assert cell(source)["flow"] is coco.flow_by_name("Docs") is not first


def test_an_illegal_edition_leaves_the_first_alone(cell: Cell) -> None:
    first = cell(FLOW)["docs"]
    with pytest.raises(DefinitionError, match="docs is async"):
        cell(FLOW.replace("def docs", "async def docs"))
    assert coco.flow_by_name("Docs") is first and not first.is_closed


def test_updaters_of_a_flow_end_when_it_is_replaced(cell: Cell, recording: Any) -> None:
    cell("made = []")
    cell(FLOW)["docs"].internal_flow()
    cell(FLOW)
    assert recording.calls == [("end_updaters", "Docs")]


def test_query_handlers_of_cells(cell: Cell) -> None:
    cell(FLOW)
    handler = """
@docs.query_handler()
def search(q: str) -> coco.QueryOutput:
    return coco.QueryOutput([{"answer": VALUE}])
"""
    cell(handler.replace("VALUE", "1"))
    flow = cell(handler.replace("VALUE", "2"))["docs"]
    (found,) = flow.query_handlers.values()
    assert found.handler("x").results == [{"answer": 2}]


def test_operations_of_cells(cell: Cell) -> None:
    source = """
class Suffix(coco.op.FunctionSpec):
    text: str

@coco.op.executor_class()
class SuffixExecutor:
    spec: Suffix
    def __call__(self, text: str) -> str:
        return text + self.spec.text * TIMES

@coco.op.function()
def twice(text: str) -> str:
    return text * TIMES

@coco.transform_flow()
def ask(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
    return text.transform(twice).transform(Suffix(text="!"))
"""
    cell(source.replace("TIMES", "1"))
    names = cell(source.replace("TIMES", "2"))
    steps = names["ask"].inline.graph.transforms
    assert [step.function.record.target for step in steps] == [names["twice"], names["SuffixExecutor"]]


SETTINGS = """
import coco
def settings():
    return coco.Settings()
"""


def test_a_settings_function_of_a_cell(cell: Cell) -> None:
    environment = Environment()
    assert not environment.set_settings_function(cell(SETTINGS)["settings"])
    assert not environment.set_settings_function(cell(SETTINGS)["settings"])
    assert environment.set_settings_function(coco.Settings.from_env)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], types.ModuleType]]:
    """Writes a module and loads it, or loads it again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = "edited_flows"

    def load(source: str) -> types.ModuleType:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        known = sys.modules.get(name)
        return importlib.import_module(name) if known is None else importlib.reload(known)

    yield load
    sys.modules.pop(name, None)


@pytest.mark.parametrize("edit", ["", "# a line more\n", "\n\n"])
@pytest.mark.parametrize("name", ["docs", "pages"])
def test_a_module_that_is_loaded_again(
    module: Callable[[str], types.ModuleType], edit: str, name: str
) -> None:
    source = f"import coco\nmade = []\n{FLOW}"
    first = module(source).docs
    again = getattr(module(edit + source.replace("def docs", f"def {name}")), name)
    assert again is coco.flow_by_name("Docs") and first.is_closed


def test_two_definitions_of_one_module(module: Callable[[str], types.ModuleType]) -> None:
    with pytest.raises(DefinitionError) as caught:
        module(f"import coco\n{FLOW}\n{FLOW}")
    assert re.search(
        r"The first is defined at .*edited_flows\.py:3, this one at .*edited_flows\.py:8$", str(caught.value)
    )


def test_one_definition_that_runs_twice() -> None:
    def define(name: str) -> coco.Flow:
        return coco.open_flow(name, lambda builder, scope: None)

    define("Docs")
    with pytest.raises(DefinitionError, match=r"'Docs' is registered already; close\(\)"):
        define("Docs")


def test_sources_without_a_file() -> None:
    """Such as cells of other notebooks: the same name of a function is the same place."""
    names = {"__name__": "__main__", "coco": coco, "made": []}

    def run(source: str) -> coco.Flow:
        exec(compile(source, "<a cell>", "exec", dont_inherit=True), names)
        return coco.flow_by_name("Docs")

    first = run(FLOW)
    assert run(FLOW) is not first
    second = run("\n\n" + FLOW)
    assert not second.is_closed
    with pytest.raises(DefinitionError, match="registered already"):
        run("\n\n" + FLOW.replace("def docs", "def other"))


def test_another_module_is_another_place(cell: Cell) -> None:
    cell(FLOW)
    with pytest.raises(
        DefinitionError, match=r"The first is defined at .*(ipykernel|ipython).*:2, this one at"
    ):
        coco.open_flow("Docs", lambda builder, scope: None)


def test_names_that_differ_in_case(cell: Cell) -> None:
    cell(FLOW)
    with pytest.raises(DefinitionError, match="differ only in case"):
        cell(FLOW.replace('"Docs"', '"DOCS"'))


def test_no_warning_for_a_settings_function_that_is_defined_again(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coco.lib.ENVIRONMENT", Environment())
    source = SETTINGS.replace("def settings", "@coco.settings\ndef settings")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cell(source)
        cell(source)
