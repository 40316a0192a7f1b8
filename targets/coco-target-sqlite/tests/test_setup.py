"""From any state of a file to the wanted one, again and again, and never over somebody else's table."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_test_support import FLOATS2, Export, field, packed, sql

from coco import op
from coco.errors import TargetError
from coco.index import FtsIndexDef, VectorIndexDef, VectorSimilarityMetric
from coco.op import TargetStateCompatibility as Compatibility
from coco_target_sqlite import fts, setup, states
from coco_target_sqlite.catalog import all_names
from coco_target_sqlite.connection import connect

KEY = [field("k", "Str")]
TEXT, NUMBER, VECTOR = field("text", "Str"), field("n", "Int64"), field("v", FLOATS2)
COSINE, L2 = VectorSimilarityMetric.COSINE_SIMILARITY, VectorSimilarityMetric.L2_DISTANCE


def variants(path: Path) -> dict[str, Export]:
    return {
        "plain": Export(path, KEY, [TEXT, NUMBER, VECTOR]),
        "indexed": Export(
            path, KEY, [TEXT, NUMBER, VECTOR], [VectorIndexDef("v", COSINE)], [FtsIndexDef("text")]
        ),
        "stemmed": Export(
            path,
            KEY,
            [TEXT, NUMBER, VECTOR],
            [VectorIndexDef("v", L2)],
            [FtsIndexDef("text", {"tokenize": "porter"})],
        ),
        "fewer": Export(path, KEY, [TEXT], (), [FtsIndexDef("text")]),
        "retyped": Export(path, KEY, [field("text", "Json"), field("n", "Str")]),
        "more": Export(path, KEY, [TEXT, NUMBER, VECTOR, field("extra", "Float64")]),
        "other order": Export(path, KEY, [VECTOR, TEXT, NUMBER]),
        "other key": Export(path, [field("k", "Str"), field("n", "Int64")], [TEXT, VECTOR]),
    }


NAMES = list(variants(Path()))


def check_shape(export: Export) -> None:
    """The table has the columns and indexes that it should, and takes rows."""
    columns = {row[1] for row in sql(export.path, "PRAGMA table_info(t)")} - {setup.ROW_ID}
    assert columns == {item.name for item in (*export.key, *export.values)}
    indexes = {
        name
        for (name,) in sql(
            export.path, "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
        )
    }
    assert indexes == {fts.index_name("t", item.field_name) for item in export.texts}
    triggers = sql(export.path, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
    assert triggers == [(3 * len(indexes),)]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(NAMES, NAMES)))
def test_every_change_of_state(before: str, after: str, tmp_path: Path) -> None:
    old, new = variants(tmp_path / "a.db")[before], variants(tmp_path / "a.db")[after]
    old.set_up()
    row = {"text": "{}", "n": "1" if before == "retyped" else 1, "v": packed(1, 0), "extra": 0.5}
    old.write({("a", 1)[: len(old.key)]: tuple(row[item.name] for item in old.values)})
    answer = states.compatibility(new.state, old.state)
    if answer is Compatibility.NOT_COMPATIBLE:
        setup.apply_change(old.table_key, None)
    new.set_up()
    check_shape(new)
    new.set_up()
    check_shape(new)
    assert len(new.rows()) == (0 if answer is Compatibility.NOT_COMPATIBLE else 1)
    if answer is Compatibility.COMPATIBLE:
        (kept,) = new.rows().values()
        assert kept == tuple(row[item.name] for item in new.values)
    if before == after:
        assert states.change_lines(old.state, new.state) == []


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        ("plain", "plain", Compatibility.COMPATIBLE),
        ("plain", "indexed", Compatibility.COMPATIBLE),
        ("indexed", "stemmed", Compatibility.COMPATIBLE),
        ("more", "plain", Compatibility.COMPATIBLE),
        ("plain", "other order", Compatibility.COMPATIBLE),
        ("plain", "more", Compatibility.PARTIALLY_COMPATIBLE),
        ("plain", "retyped", Compatibility.PARTIALLY_COMPATIBLE),
        ("plain", "other key", Compatibility.NOT_COMPATIBLE),
    ],
)
def test_compatibility(before: str, after: str, answer: Compatibility, tmp_path: Path) -> None:
    known = variants(tmp_path / "a.db")
    assert states.compatibility(known[after].state, known[before].state) is answer


def test_plans_are_readable(tmp_path: Path) -> None:
    known = variants(tmp_path / "a.db")
    lines = states.change_lines(known["indexed"].state, known["retyped"].state)
    assert lines == [
        "drop column v",
        "drop column text of Str and add it for Json",
        "drop column n of Int64 and add it for Str",
        "drop vector index on v (CosineSimilarity)",
        "drop full-text index on text",
    ]
    lines = states.change_lines(known["fewer"].state, known["stemmed"].state)
    assert lines == [
        "add column n (INTEGER, for Int64)",
        "add column v (BLOB, for Vector[Float32, 2])",
        "create vector index on v (L2Distance)",
        "drop full-text index on text",
        "create full-text index on text (tokenize=porter)",
    ]


def test_attributes_and_nullability_are_no_change(tmp_path: Path) -> None:
    plain = Export(tmp_path / "a.db", KEY, [field("n", "Int64")])
    nullable = Export(tmp_path / "a.db", KEY, [field("n", "Int64", nullable=True)])
    assert plain.state == nullable.state


def test_a_crash_half_way_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a change stops, the file holds all of the old state, and running again ends in the new one."""
    real = connect

    class Crash(Exception):
        pass

    class Fragile:
        """A connection that dies at its n-th statement."""

        def __init__(self, path: str, statements: int) -> None:
            self._db, self._left = real(path, create=True), statements

        def execute(self, *args: str) -> sqlite3.Cursor:
            if args[0] != "ROLLBACK":
                if self._left == 0:
                    raise Crash
                self._left -= 1
            return self._db.execute(*args)

        @property
        def in_transaction(self) -> bool:
            return self._db.in_transaction

        def interrupt(self) -> None:
            self._db.interrupt()

        def close(self) -> None:
            self._db.close()

    for statements in itertools.count():
        known = variants(tmp_path / f"{statements}.db")
        old, new = known["indexed"], known["retyped"]
        old.set_up()
        old.write({("a",): ("text", 1, packed(1, 0))})
        monkeypatch.setattr(setup, "connect", lambda path, create, left=statements: Fragile(path, left))
        try:
            new.set_up()
        except Crash:
            monkeypatch.setattr(setup, "connect", real)
            check_shape(old)
            assert old.rows() == {("a",): ("text", 1, packed(1, 0))}
            new.set_up()
            check_shape(new)
            continue
        break
    assert statements > 10


def test_dropping(tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    setup.apply_change(export.table_key, None)
    assert not export.path.exists()
    export.set_up()
    sql(export.path, "CREATE TABLE mine(a)")
    for _ in range(2):
        setup.apply_change(export.table_key, None)
        left = {name for (name,) in sql(export.path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert left == {"mine", "coco_tables"}
    setup.apply_change(states.TableKey(str(export.path), "mine"), None)
    assert sql(export.path, "SELECT * FROM mine") == []


def test_a_missing_table_is_recreated(tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    export.set_up()
    sql(export.path, "DROP TABLE t")
    export.set_up()
    check_shape(export)


def test_foreign_tables_are_refused(tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    assert setup.foreign_table(export.table_key, export.state) is None
    sql(export.path, "CREATE TABLE T(a)")
    assert "setup_by_user" in refusal(export)
    sql(export.path, "DROP TABLE T")
    sql(export.path, 'CREATE TABLE "t__fts__text"(a)')
    assert "t__fts__text" in refusal(export)


def refusal(export: Export) -> str:
    problem = setup.foreign_table(export.table_key, export.state)
    assert isinstance(problem, str)
    return problem


FITTING = "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT NOT NULL UNIQUE, text VARCHAR(9), n INT, v BLOB{})"


@pytest.mark.parametrize("more", ["", ", mine TEXT", ", mine TEXT NOT NULL DEFAULT 'x'"])
def test_a_table_that_fits_is_taken_over(more: str, tmp_path: Path) -> None:
    """As it is, with the rows that it holds."""
    export = variants(tmp_path / "a.db")["indexed"]
    sql(export.path, FITTING.format(more))
    sql(export.path, "INSERT INTO t(k, text) VALUES ('a', 'hello')")
    assert setup.foreign_table(export.table_key, export.state) == op.Adoption("it holds 1 rows")
    before = sql(export.path, "PRAGMA table_info(t)")
    export.set_up()
    assert sql(export.path, "PRAGMA table_info(t)") == before
    export.write({("b",): ("there", 1, packed(1, 0))})
    assert {key: row[0] for key, row in export.rows().items()} == {("a",): "hello", ("b",): "there"}


@pytest.mark.parametrize(
    ("make", "difference"),
    [
        ("CREATE TABLE t(k TEXT PRIMARY KEY, text TEXT, n INT, v BLOB)", "INTEGER PRIMARY KEY"),
        (
            "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT, text TEXT, n INT, v BLOB)",
            r"UNIQUE index on \(k\)",
        ),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, n INT, v BLOB)", "no columns k for the key"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT UNIQUE, text TEXT, n INT)", r"no column v \(BLOB\)"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, k INT UNIQUE, text TEXT, n INT, v BLOB)", "column k is INT"),
        (FITTING.format("").replace("n INT", "n REAL"), "column n is REAL, the flow needs INTEGER"),
        (FITTING.format("").replace("n INT", "n INT NOT NULL"), "column n is NOT NULL"),
        (FITTING.format(", mine TEXT NOT NULL"), "column mine is NOT NULL, has no default"),
        ("CREATE VIEW t AS SELECT 1 AS k, 2 AS text, 3 AS n, 4 AS v", "UNIQUE"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_difference(
    make: str, difference: str, tmp_path: Path
) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    sql(export.path, make)
    assert re.search(difference, refusal(export)), refusal(export)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_cocos_is_taken_over_only_as_it_is(name: str, tmp_path: Path) -> None:
    """State was lost, or another flow made it: indexes may follow, columns may not."""
    made, wanted = variants(tmp_path / "a.db")["indexed"], variants(tmp_path / "a.db")[name]
    made.set_up()
    answer = setup.foreign_table(wanted.table_key, wanted.state)
    if name in ("plain", "indexed", "stemmed", "other order"):
        assert isinstance(answer, op.Adoption) and "another flow or with another state store" in answer.note
    else:
        assert isinstance(answer, str) and "does not fit: it" in answer and "setup_by_user" not in answer


def test_a_table_that_replaced_one_of_cocos_is_looked_at(tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["plain"]
    export.set_up()
    sql(export.path, "DROP TABLE t")
    sql(export.path, "CREATE TABLE t(k TEXT PRIMARY KEY)")
    assert "no column text" in refusal(export)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        ("CREATE TABLE t(k TEXT PRIMARY KEY, text TEXT)", "INTEGER PRIMARY KEY"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT)", "UNIQUE"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)", "no columns k"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT UNIQUE, text TEXT, mine TEXT DEFAULT 'x')", ""),
    ],
)
def test_taking_over_a_users_table(make: str, complaint: str, tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    sql(export.path, make)
    if complaint:
        with pytest.raises(TargetError, match=complaint):
            export.set_up()
        return
    sql(export.path, "INSERT INTO t(k, text) VALUES ('a', 'hello')")
    export.set_up()
    export.write({("b",): ("there", 1, packed(1, 0))})
    assert sql(
        export.path, 'SELECT rowid FROM "t__fts__text" WHERE "t__fts__text" MATCH \'hello OR there\''
    ) == [
        (1,),
        (2,),
    ]
    assert sql(export.path, "SELECT k, mine FROM t") == [("a", "x"), ("b", "x")]


def test_several_tables_share_a_file(tmp_path: Path) -> None:
    first = Export(tmp_path / "a.db", KEY, [TEXT], (), [FtsIndexDef("text")], "one")
    second = Export(tmp_path / "a.db", KEY, [TEXT], (), [FtsIndexDef("text")], "two")
    first.set_up()
    second.set_up()
    first.write({("a",): ("x",)})
    second.write({("b",): ("y",)})
    setup.apply_change(first.table_key, None)
    assert second.rows() == {("b",): ("y",)}
    with closing(connect(str(first.path), create=False)) as db:
        assert all_names(db) == ["two"]


def test_vacuum_keeps_indexes_right(tmp_path: Path) -> None:
    export = variants(tmp_path / "a.db")["indexed"]
    export.set_up()
    export.write({(str(n),): (f"word{n}", n, packed(1, n)) for n in range(20)})
    export.write({}, [(str(n),) for n in range(0, 20, 2)])
    sql(export.path, "VACUUM")
    sql(export.path, 'INSERT INTO "t__fts__text"("t__fts__text") VALUES (\'integrity-check\')')
    found = sql(
        export.path,
        'SELECT k FROM t JOIN "t__fts__text" f ON f.rowid = t.coco_id WHERE "t__fts__text" MATCH \'word7\'',
    )
    assert found == [("7",)]


ODD = ['we"ird', "apo'strophe", "späße 表", "select", "a b;--", "[x]", "`y`", "coco_id", "rowid_"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names(name: str, tmp_path: Path) -> None:
    export = Export(
        tmp_path / f"{name.replace('/', '')} ?#%41.db",
        [field(name, "Str")],
        [field(f"{name} value", "Str"), field("coco_id_2", "Int64")],
        (),
        [FtsIndexDef(f"{name} value")],
        name,
    )
    export.set_up()
    export.write({("k",): ("hello world", 1), ("l",): ("other", 2)}, [("none",)])
    export.write({("k",): ("good bye", 3)}, [("l",)])
    assert export.rows() == {("k",): ("good bye", 3)}
    from coco_target_sqlite.search import search

    assert [hit[name] for hit in search(export.path, name, text="bye")] == ["k"]
    assert search(export.path, name, text="hello") == []
    setup.apply_change(export.table_key, None)


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_reserved_columns_of_fts5(case: Callable[[str], str]) -> None:
    for name in fts.RESERVED:
        with pytest.raises(ValueError, match="rename"):
            fts.check_index(case(name), {})


@pytest.mark.parametrize(
    "parameters", [{"content": "x"}, {"tokenize": "nonsense"}, {"prefix": 2}, {"tokenize": "a\0b"}]
)
def test_bad_parameters_of_full_text_indexes(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="full-text index on 'text'"):
        fts.check_index("text", parameters)
