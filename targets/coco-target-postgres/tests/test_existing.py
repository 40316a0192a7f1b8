"""What stands already where a table is to be made: taken over if it fits, refused if not."""

from __future__ import annotations

from typing import Any

import pytest
from postgres_test_support import Export, column_types, export, fields, query

from coco import op
from coco.errors import TargetError
from coco_target_postgres.spec import PostgresConnector

KEY = fields(id=int)


def plain(**values: Any) -> Export:
    return export(KEY, fields(**values))


def test_a_foreign_table_is_refused(database: str) -> None:
    query(database, "CREATE TABLE rows (id int)")
    target = plain(a=str)
    problem = PostgresConnector.check_existing(target.key, target.state)
    assert isinstance(problem, str)
    assert "table rows" in problem and "setup_by_user=True" in problem
    assert PostgresConnector.check_existing(export(KEY, [], table="free").key, target.state) is None


@pytest.mark.parametrize(
    "more",
    ["", ", extra int", ", extra int NOT NULL DEFAULT 3", ", extra int GENERATED ALWAYS AS (id) STORED"],
)
def test_a_table_that_fits_is_adopted(database: str, more: str) -> None:
    """As it is, with the rows that it holds."""
    query(database, f"CREATE TABLE rows (id bigint PRIMARY KEY, a text{more})")
    query(database, "INSERT INTO rows VALUES (1, 'x')")
    target = plain(a=str)
    assert PostgresConnector.check_existing(target.key, target.state) == op.Adoption("it holds 1 rows")
    before = column_types(database, "rows")
    target.set_up()
    target.write({(2,): ("y",)})
    assert column_types(database, "rows") == before
    assert query(database, "SELECT id, a FROM rows ORDER BY 1") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("sql", "difference"),
    [
        ("CREATE TABLE rows (id bigint PRIMARY KEY, b text)", "it has no column a text"),
        ("CREATE TABLE rows (id bigint PRIMARY KEY, a int)", "column a is integer, the flow needs text"),
        ("CREATE TABLE rows (id bigint PRIMARY KEY, a text NOT NULL)", "column a is NOT NULL"),
        (
            "CREATE TABLE rows (id int PRIMARY KEY, a text)",
            "primary key is (id integer), the flow needs (id big",
        ),
        ("CREATE TABLE rows (id bigint, a text)", "its primary key is (none)"),
        ("CREATE TABLE rows (id bigint PRIMARY KEY, a text, z int NOT NULL)", "column z is NOT NULL, has no"),
        ("CREATE VIEW rows AS SELECT 1 AS id, 'x' AS a", "a view or the like"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_difference(
    database: str, sql: str, difference: str
) -> None:
    query(database, sql)
    target = plain(a=str)
    problem = PostgresConnector.check_existing(target.key, target.state)
    assert isinstance(problem, str) and difference in problem


def test_a_table_of_cocos_is_adopted_with_a_warning(database: str) -> None:
    """State was lost, or another flow made it: nobody can tell."""
    target = plain(a=str)
    target.set_up()
    query(database, "INSERT INTO rows SELECT generate_series(1, 1001), 'x'")
    answer = PostgresConnector.check_existing(target.key, target.state)
    assert isinstance(answer, op.Adoption)
    assert "it holds more than 1000 rows" in answer.note and "another state store" in answer.note


def test_taking_over_a_table_that_fits(database: str) -> None:
    query(database, "CREATE TABLE rows (id bigint PRIMARY KEY, a text, extra int DEFAULT 3)")
    query(database, "INSERT INTO rows VALUES (1, 'x')")
    plain(a=str, b=int).set_up()
    assert query(database, "SELECT * FROM rows") == [(1, "x", 3, None)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE TABLE rows (id bigint PRIMARY KEY, a int)", "column a of type integer, the flow needs text"),
        ("CREATE TABLE rows (id int PRIMARY KEY, a text)", "primary key"),
        ("CREATE TABLE rows (id bigint, a text)", r"primary key \(none\)"),
        ("CREATE VIEW rows AS SELECT 1 AS id", "not a table"),
    ],
)
def test_taking_over_what_does_not_fit_is_refused(database: str, sql: str, words: str) -> None:
    query(database, sql)
    with pytest.raises(TargetError, match=words):
        plain(a=str).set_up()
