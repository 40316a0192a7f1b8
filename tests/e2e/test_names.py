"""Names that are made from others must not meet: each collision is an error that names both sides."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from memory_rows import MemoryRows, fill

import coco
from coco import op
from coco.errors import CocoError, DefinitionError
from coco.setting import Settings

SHELVES: dict[str, dict[Any, Any]] = {}


class Shelf(op.TargetSpec):
    """Rows in memory, by the name of the shelf."""

    name: str | None = None


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)
class ShelfConnector:
    @staticmethod
    def with_default_name(spec: Shelf, name: str) -> Shelf:
        return spec if spec.name is not None else dataclasses.replace(spec, name=name)

    @staticmethod
    def get_persistent_key(spec: Shelf, target_name: str) -> str:
        assert spec.name is not None
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            SHELVES.pop(key, None)
        else:
            SHELVES.setdefault(key, {})

    @staticmethod
    def mutate(*batches: tuple[Shelf, dict[Any, Any]]) -> None:
        for spec, changes in batches:
            assert spec.name is not None
            SHELVES[spec.name].update(changes)


@pytest.fixture(autouse=True)
def empty_shelves() -> None:
    SHELVES.clear()
    fill("names", {"a": "one"})


def shelving(name: str, *exports: str, shelves: Sequence[str | None] = ()) -> coco.Flow:
    """A flow that exports into shelves; a shelf that is not named has its default name."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="names"))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            rows.collect(key=doc["_key"], text=doc["content"])
        for export, shelf in zip(exports, shelves or [None] * len(exports), strict=True):
            rows.export(export, Shelf(name=shelf), primary_key_fields=["key"])

    return coco.open_flow(name, define)


def begin(namespace: str) -> None:
    coco.stop()
    coco.init(Settings(app_namespace=namespace))


def leave(flow: coco.Flow) -> None:
    flow.setup()
    flow.update()
    flow.close()


def test_flows_of_one_process() -> None:
    shelving("Library", "rows")
    with pytest.raises(DefinitionError, match=r"flows 'Library' and 'LIBRARY' differ only in case"):
        shelving("LIBRARY", "rows")
    coco.flow_by_name("Library").close()
    assert shelving("LIBRARY", "rows").name == "LIBRARY"


def test_flows_on_record() -> None:
    leave(shelving("Library", "rows"))
    again = shelving("library", "rows")
    for attempt in (again.setup, again.update):
        with pytest.raises(
            DefinitionError, match=r"flow 'library' and flow 'Library'.*coco drop APP Library"
        ):
            attempt()
    again.close()
    assert SHELVES.keys() == {"Library__rows"}
    known = shelving("Library", "rows")
    known.setup()
    assert known.update()["docs"].num_no_change == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a", "b__c"), ("a__b", "c")), (("dev", "Flow"), ("DEV", "Flow")), (("", "a__b"), ("a", "b"))],
)
def test_flows_of_two_namespaces(first: tuple[str, str], second: tuple[str, str]) -> None:
    begin(first[0])
    leave(shelving(first[1], "rows", shelves=["one"]))
    begin(second[0])
    flow = shelving(second[1], "rows", shelves=["two"])
    with pytest.raises(DefinitionError) as caught:
        flow.setup()
    for namespace, name in (first, second):
        assert f"flow '{namespace}.{name}'" in str(caught.value) or f"flow '{name}'" in str(caught.value)
    assert SHELVES.keys() == {"one"}


def test_one_name_in_two_namespaces_is_two_flows() -> None:
    for namespace in ("", "dev", "staging"):
        begin(namespace)
        leave(shelving("Flow", "rows"))
    assert SHELVES.keys() == {"Flow__rows", "dev__Flow__rows", "staging__Flow__rows"}


def test_targets_of_one_flow() -> None:
    with pytest.raises(DefinitionError, match=r"'rows' and 'Rows' would have names that differ only in case"):
        shelving("Library", "rows", "Rows").setup()
    coco.flow_by_name("Library").close()
    with pytest.raises(DefinitionError, match=r"'rows' and 'other' would have names"):
        shelving("Library", "rows", "other", shelves=[None, "LIBRARY__ROWS"]).setup()
    coco.flow_by_name("Library").close()
    leave(shelving("Library", "rows", "Rows", shelves=["shelf", "Shelf"]))
    assert SHELVES.keys() == {"shelf", "Shelf"}, "names that the user gave are the user's business"


def test_targets_of_two_flows_one_after_the_other() -> None:
    leave(shelving("a", "b__c"))
    other = shelving("a__b", "c")
    with pytest.raises(CocoError, match=r"flow 'a' uses it"):
        other.setup()
    assert SHELVES["a__b__c"]


def test_targets_of_two_flows_of_one_plan() -> None:
    flows = [shelving("a", "b__c"), shelving("a__b", "c")]
    with pytest.raises(CocoError, match=r"flow 'a' would use it too"):
        coco.setup_all_flows()
    flows[1].close()
    coco.setup_all_flows()
    assert SHELVES.keys() == {"a__b__c"}


async def names_later() -> list[str]:
    return await coco.setup.flow_names_with_setup_async()


def test_names_of_flows_that_are_set_up() -> None:
    assert coco.setup.flow_names_with_setup() == asyncio.run(names_later()) == []
    leave(shelving("Library", "rows"))
    begin("staging")
    assert coco.setup.flow_names_with_setup() == []
    leave(shelving("Archive", "rows"))
    shelving("Draft", "rows")
    assert coco.setup.flow_names_with_setup() == asyncio.run(names_later()) == ["Archive"]
