"""Tables that an earlier release made under a mixed-case name are renamed, and nothing is written again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from postgres_test_support import CALLS, SHELVES, column_types, index_definitions, query, shelf_flow

import coco
from coco.errors import CocoError
from coco.events import FlowEvent, TargetMutated
from coco_target_postgres.names import fitted
from coco_target_postgres.spec import Postgres, PostgresConnector

OPTIONS: dict[str, Any] = {
    "vector_indexes": [coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.L2_DISTANCE)],
    "fts_indexes": [coco.FtsIndexDef("text")],
}
OLD, NEW = "MyDemo__rows", "mydemo__rows"


@pytest.fixture
def made_before(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A flow's table as releases made it whose default names kept their case."""
    SHELVES["texts"] = {"a": "apple", "b": "banana"}
    with monkeypatch.context() as patch:
        patch.setattr(
            PostgresConnector,
            "with_default_name",
            staticmethod(
                lambda spec, name: spec if spec.table_name else replace(spec, table_name=fitted(name))
            ),
        )
        flow = shelf_flow("MyDemo", "texts", **OPTIONS)
        flow.setup()
        flow.update()
        flow.close()
    CALLS.clear()
    assert len(index_definitions(database, OLD)) == 2
    return database


def oid(database: str, table: str) -> Any:
    return query(database, "SELECT oid FROM pg_class WHERE relname = %s", table)


def test_a_table_is_renamed_with_its_indexes(made_before: str, events: list[FlowEvent]) -> None:
    before, indexes = (
        oid(made_before, OLD),
        query(
            made_before, "SELECT indexrelid FROM pg_index WHERE indrelid = %s", oid(made_before, OLD)[0][0]
        ),
    )
    flow = shelf_flow("MyDemo", "texts", **OPTIONS)
    with pytest.raises(CocoError, match=f"rename table {OLD} in the default database to table {NEW}"):
        flow.update()
    flow.setup()
    assert oid(made_before, NEW) == before
    assert oid(made_before, OLD) == []
    names = [
        name for (name,) in query(made_before, "SELECT indexname FROM pg_indexes WHERE tablename = %s", NEW)
    ]
    assert sorted(names) == [f"{NEW}__text__fts", f"{NEW}__vector__l2__hnsw", f"{NEW}_pkey"]
    assert query(made_before, "SELECT indexrelid FROM pg_index WHERE indrelid = %s", before[0][0]) == indexes
    assert query(made_before, "SELECT name FROM MyDemo__rows ORDER BY 1") == [("a",), ("b",)]
    assert query(made_before, "SELECT table_name, flow FROM coco_epochs") == [(NEW, "MyDemo")]
    assert flow.update().warnings == []
    assert not [item for item in events if isinstance(item, TargetMutated)]
    assert CALLS == []
    SHELVES["texts"]["a"] = "avocado"
    flow.update()
    assert query(made_before, "SELECT text FROM MyDemo__rows WHERE name = 'a'") == [("avocado",)]
    assert flow.verify().ok
    flow.drop()
    assert column_types(made_before, NEW) == {}
    assert column_types(made_before, "coco_epochs") == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_rename_that_was_interrupted_is_taken_up(
    made_before: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    flow = shelf_flow("MyDemo", "texts", **OPTIONS)
    rename = PostgresConnector.rename

    def interrupted(*args: Any) -> None:
        if moment == "after":
            rename(*args)
        raise OSError("the end")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresConnector, "rename", staticmethod(interrupted))
        with pytest.raises(OSError, match="the end"):
            flow.setup()
    flow.setup()
    assert oid(made_before, OLD) == []
    assert query(made_before, "SELECT count(*) FROM MyDemo__rows") == [(2,)]
    assert len(index_definitions(made_before, NEW)) == 2
    flow.update()
    assert CALLS == []


def test_what_stands_under_the_new_name_already_is_left_alone(made_before: str) -> None:
    query(made_before, f"CREATE TABLE {NEW} (x int)")
    flow = shelf_flow("MyDemo", "texts", **OPTIONS)
    with pytest.raises(CocoError, match=f"table_name='{OLD}'"):
        flow.setup()
    assert column_types(made_before, NEW) == {"x": "integer"}
    query(made_before, f"DROP TABLE {NEW}")
    flow.setup()
    assert query(made_before, "SELECT count(*) FROM MyDemo__rows") == [(2,)]


def test_a_name_that_was_given_keeps_its_case(made_before: str, events: list[FlowEvent]) -> None:
    """Also where it is the former default name: that is the way to keep the table as it is."""
    flow = shelf_flow("MyDemo", "texts", Postgres(table_name=OLD), **OPTIONS)
    flow.update()
    assert not [item for item in events if isinstance(item, TargetMutated)]
    assert query(made_before, f'SELECT count(*) FROM "{OLD}"') == [(2,)]
