"""What is refused while a flow is being defined, and automatic names."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from postgres_test_support import export, fields, shelf_flow

import coco
from coco import get_target_default_name
from coco.errors import DefinitionError
from coco.index import (
    FtsIndexDef,
    HnswVectorIndexMethod,
    IvfFlatVectorIndexMethod,
    VectorIndexDef,
    VectorSimilarityMetric,
)
from coco_target_postgres.spec import Postgres, PostgresColumnOptions, PostgresConnector

COSINE = VectorSimilarityMetric.COSINE_SIMILARITY
SMALL = coco.Vector[coco.Float32, Literal[3]]
LARGE = coco.Vector[coco.Float32, Literal[2001]]
HUGE = coco.Vector[coco.Float32, Literal[4001]]


@pytest.fixture
def settings_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is named and never asked."""
    monkeypatch.setenv("COCO_DATABASE_URL", "postgresql://u@localhost:1/none")


def index(method: Any = None) -> list[VectorIndexDef]:
    return [VectorIndexDef("v", COSINE, method)]


@pytest.mark.usefixtures("settings_database")
@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (
            {"v": LARGE},
            {"vector_indexes": index()},
            "2001 dimensions.*vector takes at most 2000; store it as halfvec",
        ),
        (
            {"v": HUGE},
            {"vector_indexes": index(), "halfvec": ["v"]},
            "4001 dimensions.*halfvec takes at most 4000; use fewer",
        ),
        ({"v": HUGE}, {"vector_indexes": index()}, "at most 2000; use fewer"),
        ({"v": coco.Vector[SMALL]}, {"vector_indexes": index()}, "stored as jsonb"),
        (
            {"v": SMALL},
            {"vector_indexes": index(HnswVectorIndexMethod(m=1))},
            "m must lie between 2 and 100, got 1",
        ),
        (
            {"v": SMALL},
            {"vector_indexes": index(HnswVectorIndexMethod(ef_construction=2000))},
            "ef_construction must lie",
        ),
        ({"v": SMALL}, {"vector_indexes": index(HnswVectorIndexMethod(m=40))}, "at least twice m"),
        (
            {"v": SMALL},
            {"vector_indexes": index(IvfFlatVectorIndexMethod(lists=0))},
            "lists must lie between",
        ),
        ({"v": str}, {"halfvec": ["v"]}, "cannot be a halfvec"),
        ({"v": str}, {"halfvec": ["w"]}, "'w', which is not exported; columns are id, v"),
        ({"v": coco.Vector[coco.Float32, Literal[16001]]}, {}, "at most 16000"),
        ({"ctid": str}, {}, "ctid already"),
        ({"x" * 64: str}, {}, "64 bytes, at most 63"),
        ({"v": str}, {"table": "t" * 64}, "64 bytes, at most 63"),
        ({"v": str}, {"table": ""}, "table name must not be empty"),
        ({"v": str}, {"schema": "s" * 64}, "64 bytes, at most 63"),
        ({"v": str}, {"fts_indexes": [FtsIndexDef("v", {"stop": 1})]}, "only parameter is 'config'"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(
    values: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(DefinitionError, match=words):
        export(fields(id=int), fields(**values), **options).validate()


def test_halfvec_takes_an_index_on_more_dimensions(settings_database: None) -> None:
    export(fields(id=int), fields(v=LARGE), halfvec=["v"], vector_indexes=index()).validate()


def test_without_any_database_the_definition_is_refused() -> None:
    with pytest.raises(DefinitionError, match="COCO_DATABASE_URL"):
        export(fields(id=int), []).validate()


def test_a_reference_needs_no_settings() -> None:
    reference = coco.ref_auth_entry("elsewhere")
    PostgresConnector.validate(
        Postgres(database=reference, table_name="t"),
        fields(id=int),
        [],
        export(fields(id=int), []).options,
        [],
    )


def test_a_transient_reference_is_refused() -> None:
    reference: Any = coco.add_transient_auth_entry(coco.DatabaseConnectionSpec("postgresql://x"))
    with pytest.raises(ValueError, match=r"(?s)transient|AuthEntryReference|database"):
        PostgresConnector.validate(
            Postgres(database=reference, table_name="t"),
            fields(id=int),
            [],
            export(fields(id=int), []).options,
            [],
        )


@pytest.mark.usefixtures("settings_database")
def test_a_schema_needs_a_table_name() -> None:
    flow = shelf_flow("NoName", "none", Postgres(schema="s"))
    with pytest.raises(DefinitionError, match="needs table_name="):
        flow.internal_flow()


def test_automatic_names(settings_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_APP_NAMESPACE", "Staging")
    flow = shelf_flow("DemoFlow", "none")
    (step,) = flow.internal_flow().exports
    assert step.spec.table_name == "staging__demoflow__rows"
    assert get_target_default_name(flow, "rows") == "Staging__DemoFlow__rows"


@pytest.mark.usefixtures("settings_database")
def test_long_automatic_names_are_shortened_and_stay_distinct() -> None:
    names = set()
    for name in ("F" * 64, "F" * 63 + "G"):
        (step,) = shelf_flow(name, "none").internal_flow().exports
        names.add(step.spec.table_name)
        assert len(step.spec.table_name.encode()) <= 63
    assert len(names) == 2


@pytest.mark.usefixtures("settings_database")
def test_two_exports_into_one_table_are_refused() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        from postgres_test_support import Shelf

        scope["texts"] = builder.add_source(Shelf(name="none"))
        rows = scope.add_collector()
        with scope["texts"].row() as row:
            rows.collect(name=row["name"])
        rows.export("one", Postgres(table_name="t"), primary_key_fields=["name"])
        rows.export("two", Postgres(table_name="t", schema="public"), primary_key_fields=["name"])

    flow = coco.open_flow("Twice", define)
    with pytest.raises(DefinitionError, match="same Postgres resource"):
        flow.internal_flow()


@pytest.mark.usefixtures("settings_database")
def test_an_unknown_column_type_is_refused() -> None:
    target = export(fields(id=int), fields(v=SMALL))
    target.spec = Postgres(table_name="t", column_options={"v": PostgresColumnOptions(type="sparsevec")})  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="'vector' or 'halfvec', got 'sparsevec'"):
        target.validate()
