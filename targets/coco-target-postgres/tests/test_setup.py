"""Tables made, changed and dropped, from any state they may be in."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal

import psycopg
import pytest
from postgres_test_support import Export, column_types, export, fields, index_definitions, query

import coco
from coco.errors import TargetError
from coco.index import (
    FtsIndexDef,
    HnswVectorIndexMethod,
    IvfFlatVectorIndexMethod,
    VectorIndexDef,
    VectorSimilarityMetric,
)
from coco.op import TargetStateCompatibility as Compatibility
from coco_target_postgres import setup as table_setup
from coco_target_postgres.spec import PostgresConnector
from coco_target_postgres.state import PostgresState

COSINE, L2, PRODUCT = (
    VectorSimilarityMetric.COSINE_SIMILARITY,
    VectorSimilarityMetric.L2_DISTANCE,
    VectorSimilarityMetric.INNER_PRODUCT,
)
VECTOR = coco.Vector[coco.Float32, Literal[4]]
KEY = fields(id=int)


def plain(**values: Any) -> Export:
    return export(KEY, fields(**values))


def indexed(*indexes: VectorIndexDef, halfvec: bool = False, fts: list[FtsIndexDef] | None = None) -> Export:
    return export(
        KEY,
        fields(text=str, vector=VECTOR),
        halfvec=["vector"] if halfvec else [],
        vector_indexes=indexes,
        fts_indexes=fts or [],
    )


def judge(desired: Export, existing: Export) -> Compatibility:
    return PostgresConnector.check_state_compatibility(desired.state, existing.state)


def test_a_table_has_the_columns_and_key_of_the_export(database: str) -> None:
    target = export(fields(file=str, location=coco.Range), fields(text=str, n=int))
    target.set_up()
    assert column_types(database, "rows") == {
        "file": "text",
        "location": "int8range",
        "text": "text",
        "n": "bigint",
    }
    definition = query(
        database,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'rows'::regclass",
    )
    assert definition == [("PRIMARY KEY (file, location)",)]
    nulls = query(
        database,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'rows'::regclass AND attnum > 0 AND attnotnull",
    )
    assert nulls == [("file",), ("location",)]


def test_setup_may_be_repeated_and_drop_too(database: str) -> None:
    target = indexed(VectorIndexDef("vector", COSINE), fts=[FtsIndexDef("text")])
    state = target.set_up()
    target.write({(1,): ("a", bytes(16))})
    before = query(database, "SELECT relname, oid, relfilenode FROM pg_class WHERE relname LIKE 'rows%'")
    target.set_up()
    target.set_up(state)
    assert (
        query(database, "SELECT relname, oid, relfilenode FROM pg_class WHERE relname LIKE 'rows%'") == before
    )
    target.drop()
    target.drop()
    assert column_types(database, "rows") == {}


CHANGES: list[tuple[dict[str, Any], dict[str, Any], Compatibility, list[str]]] = [
    ({"a": str}, {"a": str, "b": int}, Compatibility.PARTIALLY_COMPATIBLE, ["add column b (bigint)"]),
    (
        {"a": str, "b": int},
        {"a": str},
        Compatibility.COMPATIBLE,
        ["drop column b (bigint) and what it holds"],
    ),
    ({"a": str}, {"a": int}, Compatibility.PARTIALLY_COMPATIBLE, ["replace column a: text becomes bigint"]),
    ({"a": str, "b": int}, {"b": int, "a": str}, Compatibility.COMPATIBLE, []),
    (
        {"a": VECTOR},
        {"a": coco.Vector[coco.Float32, Literal[5]]},
        Compatibility.PARTIALLY_COMPATIBLE,
        ["replace column a: vector(4) becomes vector(5)"],
    ),
]


@pytest.mark.parametrize(("before", "after", "answer", "lines"), CHANGES)
def test_value_columns_change_in_place(
    database: str, before: dict[str, Any], after: dict[str, Any], answer: Compatibility, lines: list[str]
) -> None:
    old, new = plain(**before), plain(**after)
    assert judge(new, old) is answer
    assert PostgresConnector.describe_change(new.key, old.state, new.state) == lines
    state = old.set_up()
    query(database, "INSERT INTO rows (id) VALUES (7)")
    new.set_up(state)
    types = column_types(database, "rows")
    assert types == {"id": "bigint", **new.state.value_columns}
    assert query(database, "SELECT id FROM rows") == [(7,)]


@pytest.mark.parametrize("other", [fields(id=str), fields(key=int), fields(id=int, more=str)])
def test_another_key_is_another_table(database: str, other: Any) -> None:
    old, new = plain(a=str), export(other, fields(a=str))
    assert judge(new, old) is Compatibility.NOT_COMPATIBLE
    old.set_up()
    with pytest.raises(TargetError, match="primary key"):
        new.set_up()


def test_order_of_the_key_counts(database: str) -> None:
    one, other = export(fields(a=str, b=str), []), export(fields(b=str, a=str), [])
    assert judge(one, other) is Compatibility.NOT_COMPATIBLE


def test_vector_and_halfvec_are_different_types(database: str) -> None:
    old, new = (
        indexed(VectorIndexDef("vector", COSINE)),
        indexed(VectorIndexDef("vector", COSINE), halfvec=True),
    )
    assert judge(new, old) is Compatibility.PARTIALLY_COMPATIBLE
    state = old.set_up()
    new.set_up(state)
    assert column_types(database, "rows")["vector"] == "halfvec(4)"
    (definition,) = index_definitions(database, "rows").values()
    assert "halfvec_cosine_ops" in definition


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (VectorIndexDef("vector", COSINE), ["USING hnsw", "vector_cosine_ops"]),
        (VectorIndexDef("vector", L2), ["USING hnsw", "vector_l2_ops"]),
        (VectorIndexDef("vector", PRODUCT), ["USING hnsw", "vector_ip_ops"]),
        (
            VectorIndexDef("vector", L2, HnswVectorIndexMethod(m=8, ef_construction=32)),
            ["m='8'", "ef_construction='32'"],
        ),
        (VectorIndexDef("vector", COSINE, IvfFlatVectorIndexMethod()), ["USING ivfflat"]),
        (VectorIndexDef("vector", COSINE, IvfFlatVectorIndexMethod(lists=3)), ["USING ivfflat", "lists='3'"]),
    ],
)
def test_vector_indexes(database: str, index: VectorIndexDef, words: list[str]) -> None:
    target = indexed(index)
    target.set_up()
    (definition,) = index_definitions(database, "rows").values()
    expected = {"vector_cosine_ops": "vector_cosine_ops", "vector_l2_ops": "hnsw (vector"}
    for word in words:
        assert word in definition or expected.get(word, word) in definition


def test_index_changes_leave_the_data_alone(database: str) -> None:
    steps = [
        indexed(),
        indexed(VectorIndexDef("vector", COSINE)),
        indexed(VectorIndexDef("vector", COSINE, HnswVectorIndexMethod(m=8))),
        indexed(
            VectorIndexDef("vector", L2, IvfFlatVectorIndexMethod(lists=2)), VectorIndexDef("vector", COSINE)
        ),
        indexed(fts=[FtsIndexDef("text")]),
        indexed(fts=[FtsIndexDef("text", {"config": "english"})]),
        indexed(),
    ]
    state = steps[0].set_up()
    steps[0].write({(1,): ("some words", bytes(16))})
    for old, new in itertools.pairwise(steps):
        assert judge(new, old) is Compatibility.COMPATIBLE
        assert PostgresConnector.describe_change(new.key, old.state, new.state) != []
        state = new.set_up(state)
        assert len(index_definitions(database, "rows")) == len(new.state.indexes)
        assert new.read() == {(1,): ("some words", bytes(16))}


def test_full_text_indexes_are_used(database: str) -> None:
    indexed(fts=[FtsIndexDef("text", {"config": "english"})]).set_up()
    (definition,) = index_definitions(database, "rows").values()
    assert "USING gin (to_tsvector('english'::regconfig, text))" in definition
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT id FROM rows WHERE to_tsvector('english', text) @@ to_tsquery('english', 'fox')"
        ).fetchall()
    assert any("rows__text__fts" in line for (line,) in plan)


def test_columns_and_indexes_of_others_stay(database: str) -> None:
    old, new = plain(a=str, b=str), plain(a=str)
    state = old.set_up()
    query(database, "ALTER TABLE rows ADD COLUMN mine int GENERATED ALWAYS AS (id * 2) STORED")
    query(database, "CREATE INDEX mine ON rows (a)")
    new.set_up(state)
    assert list(column_types(database, "rows")) == ["id", "a", "mine"]
    assert list(index_definitions(database, "rows")) == ["mine"]
    new.write({(2,): ("x",)})
    assert query(database, "SELECT mine FROM rows") == [(4,)]


class Crash(Exception):
    pass


@pytest.mark.parametrize("at", range(8))
def test_an_interrupted_setup_is_completed_by_the_next(
    database: str, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whatever the statement after which it died, and whatever state the engine thinks it is in."""
    first = indexed(VectorIndexDef("vector", COSINE))
    second = export(KEY, fields(vector=VECTOR, other=int), vector_indexes=[VectorIndexDef("vector", L2)])
    third = export(KEY, fields(text=int, last=str))
    first.set_up()
    execute = table_setup._Setup._execute
    left = [at]

    def dying(self: Any, sql: str) -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1
        execute(self, sql)

    with monkeypatch.context() as patch:
        patch.setattr(table_setup._Setup, "_execute", dying)
        try:
            second.set_up(first.state)
        except Crash:
            pass
    for previous in (first.state, second.state):
        PostgresConnector.apply_setup_change(third.key, previous, third.state)
    assert column_types(database, "rows") == {"id": "bigint", "text": "bigint", "last": "text"}
    assert index_definitions(database, "rows") == {}


def test_the_newest_state_alone_suffices(database: str) -> None:
    """The change to the second state never happened; only the columns' marks tell what is ours."""
    first, second, third = plain(a=str, b=str), plain(a=str, c=str), plain(a=str)
    first.set_up()
    third.set_up(second.state)
    assert list(column_types(database, "rows")) == ["id", "a"]


def test_a_foreign_index_of_the_same_name_is_refused(database: str) -> None:
    target = indexed(VectorIndexDef("vector", COSINE))
    indexed().set_up()
    query(database, "CREATE INDEX rows__vector__cosine__hnsw ON rows (text)")
    with pytest.raises(TargetError, match="rows__vector__cosine__hnsw"):
        target.set_up()


def test_a_schema_is_made_and_stays(database: str) -> None:
    target = export(KEY, fields(a=str), schema="My schema")
    target.set_up()
    target.write({(1,): ("x",)})
    assert query(database, 'SELECT * FROM "My schema".rows') == [(1, "x")]
    target.drop()
    assert query(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'My schema'") == [(1,)]


ODD = 'we"ird %s $1 ; -- Täble\\'


def test_odd_names(database: str) -> None:
    target = export(
        fields(order=str, Group=int),
        fields(select=str, vector=VECTOR),
        table=ODD,
        schema="o'dd \"%",
        vector_indexes=[VectorIndexDef("vector", COSINE)],
        fts_indexes=[FtsIndexDef("select")],
    )
    state = target.set_up()
    rows: dict[tuple[Any, ...], tuple[Any, ...] | None] = {("a", 1): ("x", bytes(16)), ("a", 2): ("y", None)}
    target.write(rows)
    target.write({("a", 1): None, ("a", 2): ("z", None)}, [(0,)])
    assert target.read() == {("a", 2): ("z", None)}
    target.set_up(state)
    target.drop()
    assert column_types(database, ODD, "o'dd \"%") == {}


def test_pgvector_may_live_in_another_schema(database: str) -> None:
    query(database, "CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext")
    target = indexed(VectorIndexDef("vector", COSINE))
    state = target.set_up()
    target.write({(1,): ("a", bytes(16))})
    target.write({(1,): ("b", b"\x01" * 16)})
    assert target.read() == {(1,): ("b", b"\x01" * 16)}
    target.set_up(state)
    assert column_types(database, "rows")["vector"] == "ext.vector(4)"


def test_a_missing_extension_says_what_to_do(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database.rpartition("/")[2]
    query(database, f'CREATE ROLE "plain_{name}" LOGIN')
    try:
        query(database, f'GRANT ALL ON SCHEMA public TO "plain_{name}"')
        monkeypatch.setenv("COCO_DATABASE_USER", f"plain_{name}")
        with pytest.raises(TargetError, match="CREATE EXTENSION vector"):
            indexed().set_up()
        assert column_types(database, "rows") == {}
    finally:
        query(database, f'DROP OWNED BY "plain_{name}"; DROP ROLE "plain_{name}"')


def test_missing_privileges_say_what_to_grant(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database.rpartition("/")[2]
    query(database, f'CREATE ROLE "plain_{name}" LOGIN')
    try:
        monkeypatch.setenv("COCO_DATABASE_USER", f"plain_{name}")
        with pytest.raises(TargetError, match="CREATE on the schema"):
            plain(a=str).set_up()
    finally:
        query(database, f'DROP ROLE "plain_{name}"')


def test_a_dependent_view_stops_the_drop(database: str) -> None:
    target = plain(a=str)
    target.set_up()
    query(database, "CREATE VIEW looking AS SELECT a FROM rows")
    with pytest.raises(TargetError, match="looking"):
        target.drop()
    assert "a" in column_types(database, "rows")


def test_states_survive_the_store(database: str) -> None:
    from coco.kit.plain import from_plain, to_plain

    target = indexed(VectorIndexDef("vector", COSINE, HnswVectorIndexMethod(m=8)), fts=[FtsIndexDef("text")])
    dumped = to_plain(target.state)
    assert from_plain(PostgresState, dumped) == target.state
    assert from_plain(PostgresState, {**dumped, "later": 1}) == target.state
    key = target.key
    assert from_plain(type(key), to_plain(key)) == key
    assert dataclasses.asdict(key) == {"database": None, "schema": "public", "table": "rows"}
