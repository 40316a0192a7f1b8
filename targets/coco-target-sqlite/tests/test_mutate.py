"""Batches: upserts, deletes, changed columns only, bad rows, locks, reading back."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sqlite_test_support import FLOATS2, Export, field, packed, sql

from coco.errors import DriftError, MutationError, TargetError, is_retriable
from coco.index import FtsIndexDef
from coco.kit.interruption import LimitedCall, current_call
from coco.op import MutationColumns
from coco_target_sqlite import connection, mutate
from coco_target_sqlite.mutate import Table
from coco_target_sqlite.search import search

ENTRY = 'INSERT INTO "t__fts__text"("t__fts__text") VALUES (\'integrity-check\')'


@pytest.fixture
def export(tmp_path: Path) -> Export:
    made = Export(
        tmp_path / "a.db",
        [field("file", "Str"), field("at", "Range")],
        [field("text", "Str", nullable=True), field("n", "Float64", nullable=True), field("v", FLOATS2)],
        (),
        [FtsIndexDef("text")],
    )
    made.set_up()
    return made


def key(number: int) -> tuple[Any, ...]:
    return (f"file{number}", (number, number + 1))


def row(number: int) -> tuple[Any, ...]:
    return (f"text{number}", float(number), packed(number, 1))


def words(export: Export, word: str) -> int:
    """How many rows the full-text index finds; also checks that it agrees with the table."""
    sql(export.path, ENTRY)
    return int(
        sql(export.path, 'SELECT count(*) FROM "t__fts__text" WHERE "t__fts__text" MATCH ?', word)[0][0]
    )


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_deleted_while_it_is_open(tmp_path: Path, replaced: bool) -> None:
    """Rows in a file that nobody can find any more are not written."""
    export = Export(tmp_path / "a.db", [field("k", "Int64")], [field("v", "Int64")])
    export.set_up()
    batch = MutationColumns(export.key, export.values, [(1,)], [(2,)])
    with closing(export.open()) as table:
        table.mutate(batch)
        export.path.rename(tmp_path / "moved.db")
        if replaced:
            export.set_up()
        with pytest.raises(DriftError, match="moved, deleted or replaced while it was open"):
            table.mutate(batch)


def test_a_statement_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    export = Export(tmp_path / "a.db", [field("k", "Int64")], [field("v", "Int64")])
    export.set_up()
    sql(
        export.path,
        "CREATE TRIGGER long AFTER INSERT ON t BEGIN SELECT count(*) FROM "
        "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n); END",
    )
    call = LimitedCall()
    ended: list[Exception] = []

    def write() -> None:
        current_call.set(call)
        try:
            export.write({(1,): (2,)})
        except (TargetError, TimeoutError) as error:  # the latter if it had not begun
            ended.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        call.interrupt()
        thread.join(0.01)
    assert "interrupted" in str(ended)
    sql(export.path, "DROP TRIGGER long")
    export.write({(1,): (2,)})


def test_upserts_and_deletes(export: Export) -> None:
    wanted = {key(n): row(n) for n in range(5)}
    export.write(wanted)
    export.write(wanted)
    assert export.rows() == wanted
    wanted[key(1)] = (None, None, packed(9, 9))
    del wanted[key(2)]
    export.write({key(1): wanted[key(1)]}, [key(2), key(77)])
    export.write({}, [key(2)])
    assert export.rows() == wanted
    assert words(export, "text1 OR text2") == 0
    assert words(export, "text3") == 1


def test_only_changed_columns_are_written(export: Export) -> None:
    export.write({key(n): row(n) for n in range(4)})
    sql(export.path, "UPDATE t SET text = 'by hand'")
    new = {
        key(0): ("x", 7.5, packed(1, 1)),
        key(1): ("y", 8.5, packed(2, 2)),
        key(2): ("z", None, packed(3, 3)),
    }
    export.write(new, [key(3)], [(1,), (1, 2), None])
    assert export.rows() == {
        key(0): ("by hand", 7.5, packed(0, 1)),
        key(1): ("by hand", 8.5, packed(2, 2)),
        key(2): ("z", None, packed(3, 3)),
    }
    assert words(export, '"by hand"') == 2
    assert words(export, "z") == 1


def test_a_partial_update_of_a_missing_row_writes_it_whole(export: Export) -> None:
    export.write({key(0): row(0)})
    export.write({key(n): row(n + 10) for n in range(3)}, (), [(0,), (0,), (0,)])
    rows = export.rows()
    assert {item: rows[item] for item in (key(1), key(2))} == {key(1): row(11), key(2): row(12)}
    assert rows[key(0)] in (row(10), ("text10", *row(0)[1:]))


def test_a_table_of_keys_only(tmp_path: Path) -> None:
    export = Export(tmp_path / "a.db", [field("k", "Int64")])
    export.set_up()
    export.write({(1,): (), (2,): ()})
    export.write({(2,): (), (3,): ()}, [(1,)])
    assert export.rows() == {(2,): (), (3,): ()}


def test_bad_rows_are_named_and_the_others_written(export: Export) -> None:
    good, bad, worse = key(1), key(2), key(3)
    with pytest.raises(MutationError) as caught:
        export.write({good: row(1), bad: (2**70, 1.0, b""), worse: ("x", object(), b"")}, [key(9)])
    assert set(caught.value.failed_keys) == {bad, worse}
    assert "OverflowError" in caught.value.failed_keys[bad]
    assert export.rows() == {good: row(1)}


def test_constraints_of_a_users_table_name_the_row(tmp_path: Path) -> None:
    export = Export(tmp_path / "a.db", [field("k", "Str")], [field("n", "Int64")])
    sql(export.path, "CREATE TABLE t(k TEXT UNIQUE, n INTEGER CHECK (n < 10), more TEXT DEFAULT 'd')")
    with pytest.raises(MutationError) as caught:
        export.write({("a",): (1,), ("b",): (11,)})
    assert list(caught.value.failed_keys) == [("b",)]
    assert "CHECK" in caught.value.failed_keys[("b",)]
    assert export.rows() == {("a",): (1,)}


def test_keys_come_in_bounded_batches(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "PAGE_ROWS", 3)
    wanted = {key(n): row(n) for n in range(9)}
    export.write(wanted)
    with closing(export.open()) as table:
        batches = list(table.list_keys())
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert {item for batch in batches for item in batch} == set(wanted)


def test_reading_unknown_keys(export: Export) -> None:
    export.write({key(1): row(1)})
    with closing(export.open()) as table:
        assert table.read_rows([key(1), key(2)]) == {key(1): row(1)}


def test_two_writers_take_turns(export: Export) -> None:
    other = Export(export.path, export.key, export.values, table="other")
    other.set_up()
    problems: list[BaseException] = []

    def work(one: Export) -> None:
        try:
            for n in range(30):
                one.write({key(n): row(n)})
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(item,)) for item in (export, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(export.rows()) == len(other.rows()) == 30


def test_a_locked_file(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    with closing(sqlite3.connect(export.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TargetError, match=r"locked by another process; waited 0\.05 s") as caught:
            export.write({key(1): row(1)})
        assert is_retriable(caught.value)
        with closing(export.open()) as table:
            assert table.count() == 0
        with pytest.raises(TargetError, match="locked"):
            export.set_up()
        other.execute("COMMIT")
    export.write({key(1): row(1)})
    assert export.rows() == {key(1): row(1)}


def test_written_rows_are_durable(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """WAL with full synchronisation, whatever the other tests do."""
    monkeypatch.undo()
    with closing(connection.connect(str(export.path), create=False)) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_failed_batch_writes_nothing(export: Export) -> None:
    with closing(export.open()) as table:
        sql(export.path, 'DROP TABLE "t__fts__text"')
        with pytest.raises(TargetError, match="not as setup left it"):
            table.mutate(MutationColumns(export.key, export.values, [key(1)], [row(1)], []))
        assert table.count() == 0


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DROP TABLE t", "does not exist"),
        ("ALTER TABLE t RENAME COLUMN n TO m", "has no columns n"),
    ],
)
def test_a_table_altered_by_another_program(export: Export, damage: str, complaint: str) -> None:
    sql(export.path, damage)
    with pytest.raises(TargetError, match=complaint):
        export.open()


def test_a_users_table_needs_its_key(tmp_path: Path) -> None:
    export = Export(tmp_path / "a.db", [field("a", "Str"), field("b", "Str")])
    sql(export.path, "CREATE TABLE t(a TEXT, b TEXT)")
    with pytest.raises(TargetError, match=r"UNIQUE index on \(a, b\)"):
        export.open()
    sql(export.path, "CREATE UNIQUE INDEX i ON t(b, a)")
    export.write({("x", "y"): ()})
    assert export.rows() == {("x", "y"): ()}


class TestFiles:
    """Places where no table can be."""

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(TargetError, match="is a folder"):
            Export(tmp_path, [field("k", "Str")]).set_up()

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(TargetError, match="does not exist"):
            Export(tmp_path / "none.db", [field("k", "Str")]).open()
        assert not (tmp_path / "none.db").exists()

    def test_a_missing_folder_is_made(self, tmp_path: Path) -> None:
        export = Export(tmp_path / "new" / "a.db", [field("k", "Str")])
        export.set_up()
        assert export.rows() == {}

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(TargetError, match="folder of SQLite file"):
            Export(tmp_path / "file" / "deep" / "a.db", [field("k", "Str")]).set_up()

    def test_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        path.write_text("these are notes, not a database, and they must survive" * 50)
        before = path.read_bytes()
        with pytest.raises(TargetError, match="no SQLite database"):
            Export(path, [field("k", "Str")]).set_up()
        assert path.read_bytes() == before

    def test_a_damaged_database(self, export: Export) -> None:
        export.write({key(n): row(n) for n in range(500)})
        sql(export.path, "PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(export.path.read_bytes())
        data[4096:] = b"\xff" * (len(data) - 4096)
        export.path.write_bytes(bytes(data))
        with pytest.raises(TargetError, match="corrupt"):
            export.rows()

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_without_permission(self, export: Export) -> None:
        """Nothing can be written there, but searching works."""
        export.write({key(1): row(1)})
        folder = export.path.parent
        folder.chmod(0o555)
        export.path.chmod(0o444)
        try:
            assert len(search(export.path, "t", text="text1")) == 1
            for place in (export, Export(folder / "new.db", export.key)):
                with pytest.raises(TargetError, match="permissions"):
                    place.set_up()
        finally:
            folder.chmod(0o755)

    @pytest.mark.parametrize("name", ["SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR"])
    def test_other_troubles_have_words(self, name: str) -> None:
        error = sqlite3.OperationalError("trouble")
        error.sqlite_errorname = name
        told = str(connection.explained(error, "/a.db", "t"))
        assert "'t' of SQLite file /a.db" in told
        assert ("permissions" in told) == (name in ("SQLITE_READONLY", "SQLITE_CANTOPEN"))
        assert ("full" in told) == (name == "SQLITE_FULL")


Action = tuple[int, str | None, int | None]
ACTIONS = st.lists(
    st.dictionaries(
        st.integers(0, 4),
        st.none() | st.tuples(st.sampled_from(["red", "blue", "grey sky"]), st.integers(0, 2)),
    ),
    max_size=6,
)


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(ACTIONS)
def test_the_table_and_its_index_follow_any_history(
    tmp_path_factory: pytest.TempPathFactory, batches: list[dict[int, tuple[str, int] | None]]
) -> None:
    """Partial updates included: each batch says which columns differ from what it last wrote."""
    path = tmp_path_factory.mktemp("history") / "a.db"
    export = Export(
        path, [field("k", "Int64")], [field("text", "Str"), field("n", "Int64")], (), [FtsIndexDef("text")]
    )
    export.set_up()
    model: dict[tuple[int], tuple[str, int]] = {}
    for batch in batches:
        upserts: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        changed: list[tuple[int, ...] | None] = []
        for number, value in batch.items():
            if value is None:
                model.pop((number,), None)
                continue
            old = model.get((number,))
            upserts[(number,)] = value
            changed.append(None if old is None else tuple(i for i in range(2) if old[i] != value[i]) or None)
            model[(number,)] = value
        export.write(upserts, [(n,) for n, value in batch.items() if value is None], changed)
        assert export.rows() == model
    for word in ("red", "blue", "sky"):
        assert words(export, word) == sum(word in text for text, _ in model.values())


def test_closing(export: Export) -> None:
    table: Table = export.open()
    table.close()
    with pytest.raises(TargetError, match="closed"):
        table.count()
