"""Rows written, replaced and deleted."""

from __future__ import annotations

import struct
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis_profiles import examples
from postgres_test_support import export, fields, query

import coco
from coco.errors import MutationError, TargetError, is_retriable
from coco_target_postgres import mutate as mutation
from coco_target_postgres.faults import RowError
from coco_target_postgres.spec import PostgresConnector

VECTOR = coco.Vector[coco.Float32, Literal[2]]


def packed(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@pytest.mark.usefixtures("database")
def test_any_history_of_batches_leaves_what_a_dict_would() -> None:
    target = export(fields(a=str, n=int), fields(text=str, v=VECTOR))
    target.set_up()
    key = st.tuples(st.sampled_from("xyz"), st.integers(0, 3))
    row = st.tuples(st.none() | st.text("ab\0'", max_size=4), st.none() | st.just(packed(1, 2)))

    @settings(max_examples=examples(20), suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.dictionaries(key, st.none() | row, max_size=6), min_size=1, max_size=5), st.booleans())
    def history(batches: list[dict[Any, Any]], partial: bool) -> None:
        model: dict[Any, Any] = {}
        with target.opened() as table:
            PostgresConnector.mutate_columns(
                (
                    table,
                    target.batch({key: None for page in PostgresConnector.list_keys(table) for key in page}),
                )
            )
        with target.opened() as table:
            assert table.direct
            for batch in batches:
                changed: list[tuple[int, ...] | None] | None = None
                if partial:
                    changed = [
                        _differing(model.get(key), row) for key, row in batch.items() if row is not None
                    ]
                PostgresConnector.mutate_columns((table, target.batch(batch, changed)))
                for key, value in batch.items():
                    model.pop(key, None)
                    if value is not None:
                        model[key] = (value[0] if value[0] is None else value[0].replace("\0", ""), value[1])
        assert target.read() == model

    with target.opened():  # keeps the pool open
        history()


def _differing(old: Any, new: Any) -> tuple[int, ...] | None:
    if old is None or old == new:
        return None
    return tuple(i for i in range(2) if old[i] != new[i])


def test_a_partial_update_leaves_other_columns_alone(database: str) -> None:
    target = export(fields(id=int), fields(a=str, b=str, c=int))
    target.set_up()
    target.write({(1,): ("a", "b", 1), (2,): ("a", "b", 2)})
    query(database, "UPDATE rows SET b = 'by hand'")
    target.write({(1,): ("new", "ignored", 1), (2,): ("a", "ignored", 5)}, [(0,), (0, 2)])
    assert target.read() == {(1,): ("new", "by hand", 1), (2,): ("a", "by hand", 5)}


def test_a_partial_update_of_a_lost_row_writes_it_whole(database: str) -> None:
    target = export(fields(id=int), fields(a=str, b=str))
    target.set_up()
    target.write({(1,): ("a", "b"), (2,): ("a", "b")})
    query(database, "DELETE FROM rows WHERE id = 2")
    target.write({(1,): ("x", "b"), (2,): ("x", "b")}, [(0,), (0,)])
    assert target.read() == {(1,): ("x", "b"), (2,): ("x", "b")}


@pytest.mark.usefixtures("database")
def test_nothing_to_do_is_fine() -> None:
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    target.write({})
    target.write({(1,): None})
    assert target.read() == {}
    with target.opened() as table:
        assert PostgresConnector.read_rows(table, []) == {}


def test_a_key_without_nul_is_the_key(database: str) -> None:
    target = export(fields(name=str), fields(a=str))
    target.set_up()
    target.write({("x\0y",): ("a\0",)})
    assert query(database, "SELECT name, a FROM rows") == [("xy", "a")]
    target.write({("x\0y",): None})
    assert target.read() == {}


@pytest.mark.usefixtures("database")
def test_half_surrogates_are_replaced() -> None:
    target = export(fields(id=int), fields(a=str, j=coco.Json))
    target.set_up()
    target.write({(1,): ("x\ud800y", '["\ud800"]')})
    assert target.read() == {(1,): ("x?y", '["?"]')}


def test_a_batch_is_one_transaction(database: str) -> None:
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    target.write({(1,): ("old",)})
    query(database, "ALTER TABLE rows ADD CHECK (a <> 'bad')")
    with pytest.raises(RowError, match="check constraint") as caught:
        target.write({(1,): None, (2,): ("good",), (3,): ("bad",)})
    assert not is_retriable(caught.value)
    assert target.read() == {(1,): ("old",)}


def test_rows_that_cannot_be_sent_are_named_and_the_others_written(database: str) -> None:
    half = coco.Vector[coco.Float32, Literal[2]]
    target = export(fields(id=int), fields(v=half), halfvec=["v"])
    target.set_up()
    with pytest.raises(MutationError) as caught:
        target.write({(1,): (packed(1, 2),), (2,): (packed(1e6, 0),), (3,): (packed(3, 4),)})
    assert set(caught.value.failed_keys) == {(2,)}
    assert "column v (halfvec(2))" in caught.value.failed_keys[(2,)]
    assert query(database, "SELECT id FROM rows ORDER BY id") == [(1,), (3,)]


def test_a_row_that_is_too_large_is_named_before_it_cuts_the_connection(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutation, "MAX_ROW_BYTES", 1000)
    target = export(fields(id=int), fields(a=str, b=str))
    target.set_up()
    with pytest.raises(MutationError) as caught:
        target.write({(1,): ("x", "y"), (2,): ("x" * 2000, "y"), (3,): ("z", "z" * 1200)})
    assert {key: text.partition("in column ")[2][0] for key, text in caught.value.failed_keys.items()} == {
        (2,): "a",
        (3,): "b",
    }
    assert query(database, "SELECT id FROM rows") == [(1,)]


def test_large_batches_go_in_several_statements(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "STATEMENT_BYTES", 500)
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    rows: dict[Any, Any] = {(i,): (f"{i}" * 50,) for i in range(100)}
    target.write(rows)
    assert target.read() == rows
    again = dict.fromkeys(rows, ("x" * 90,))
    target.write(dict(again), [(0,)] * 100)
    assert target.read() == again
    query(database, "ALTER TABLE rows ADD CHECK (id < 150)")
    with pytest.raises(RowError):
        target.write({(i,): ("y" * 90,) for i in range(100, 160)})
    assert len(target.read()) == 100
    target.write(dict.fromkeys(rows))
    assert target.read() == {}


def test_a_row_that_appears_in_an_empty_table_is_replaced(database: str) -> None:
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    with target.opened() as table:
        was_direct = table.direct
        query(database, "INSERT INTO rows VALUES (1, 'someone else')")
        PostgresConnector.mutate_columns((table, target.batch({(1,): ("ours",), (2,): ("ours",)})))
        assert (was_direct, table.direct) == (True, False)
    assert target.read() == {(1,): ("ours",), (2,): ("ours",)}


def test_keys_are_listed_in_pages(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from coco_target_postgres import read

    monkeypatch.setattr(read, "KEYS_PER_LIST", 3)
    target = export(fields(a=str, n=coco.Range), fields(v=VECTOR))
    target.set_up()
    rows: dict[Any, Any] = {(letter, (0, n)): (packed(n, n),) for letter in "abc" for n in range(1, 4)}
    target.write(rows)
    with target.opened() as table:
        pages = list(PostgresConnector.list_keys(table))
    assert [len(page) for page in pages] == [3, 3, 3]
    assert sorted(key for page in pages for key in page) == sorted(rows)


def test_a_table_of_the_users_own(database: str) -> None:
    """Other but assignable types, extra columns, a unique index in another order."""
    query(
        database,
        "CREATE TABLE rows (extra int DEFAULT 7, text varchar(10), id int NOT NULL, kind varchar(5) NOT NULL, "
        "data json, UNIQUE (kind, id))",
    )
    target = export(fields(id=int, kind=str), fields(text=str, data=coco.Json))
    target.write({(1, "a"): ("x", "[1]"), (2, "a"): ("y", None)})
    target.write({(1, "a"): ("z", "[2]"), (2, "a"): None})
    assert query(database, "SELECT * FROM rows") == [(7, "z", 1, "a", [2])]
    with target.opened() as table:
        assert not table.direct
        assert PostgresConnector.read_rows(table, [(1, "a")])[1, "a"][0] == "z"
    with pytest.raises(RowError, match="too long"):
        target.write({(3, "a"): ("12345678901", None)})


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1", "does not exist"),
        ("CREATE TABLE rows (id bigint PRIMARY KEY)", "lacks the columns a text"),
        ("CREATE TABLE rows (id bigint, a text)", "unique index on"),
        ("CREATE TABLE rows (id bigint, a text, UNIQUE (id, a))", "unique index on"),
    ],
)
def test_a_table_that_cannot_take_rows_is_refused_when_it_is_opened(
    database: str, sql: str, words: str
) -> None:
    query(database, sql)
    with pytest.raises(TargetError, match=words):
        export(fields(id=int), fields(a=str)).write({(1,): ("x",)})
