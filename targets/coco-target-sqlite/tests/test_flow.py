"""Through flows: setup, updates, drift and repair, taking over, two flows in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlite_test_support import SHELF, Bookcase, sql

import coco
from coco import op
from coco.errors import CocoError, DefinitionError, DestructiveSetupError
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.index import FtsIndexDef, VectorIndexDef, VectorSimilarityMetric
from coco.kit.plain import to_plain
from coco.typing import Float32, Vector
from coco_target_sqlite.search import search
from coco_target_sqlite.spec import Sqlite

COSINE = VectorIndexDef("vector", VectorSimilarityMetric.COSINE_SIMILARITY)
WORDS = FtsIndexDef("text")


@op.function(cache=True, behavior_version=1)
def sqlite_letters(text: str) -> Vector[Float32, Literal[2]]:
    return [float(text.count("a")), float(len(text))]


@pytest.fixture
def shelf() -> dict[str, str]:
    SHELF["books"] = {f"book{n}": f"a text number {n} " + "a" * n for n in range(6)}
    return SHELF["books"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()


def calls(events: list[FlowEvent]) -> int:
    """How many texts were embedded since the last time."""
    number = sum(
        e.calls for e in events if isinstance(e, FunctionCalled) and e.op.startswith("SqliteLetters")
    )
    events.clear()
    return number


def written(events: list[FlowEvent]) -> tuple[int, int, int]:
    """(rows written, of these in part, rows deleted) since the last time."""
    found = [e for e in events if isinstance(e, TargetMutated)]
    events.clear()
    return sum(e.upserts for e in found), sum(e.partial for e in found), sum(e.deletes for e in found)


def make_flow(
    path: Path,
    name: str = "Library",
    *,
    table: str | None = None,
    vectors: Sequence[VectorIndexDef] = (COSINE,),
    texts: Sequence[FtsIndexDef] = (WORDS,),
    extra: Callable[[Any], dict[str, Any]] = lambda book: {},
    key: Sequence[str] = ("title",),
    setup_by_user: bool = False,
) -> coco.Flow:
    """Redefines the flow, as an edited program would."""
    known = coco.flows().get(name)
    if known is not None:
        known.close()

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["books"] = builder.add_source(Bookcase(name="books"))
        rows = scope.add_collector()
        with scope["books"].row() as book:
            book["vector"] = book["text"].transform(sqlite_letters)
            rows.collect(title=book["title"], text=book["text"], vector=book["vector"], **extra(book))
        rows.export(
            "rows",
            coco.targets.Sqlite(path=str(path), table_name=table),
            primary_key_fields=list(key),
            vector_indexes=list(vectors),
            fts_indexes=list(texts),
            setup_by_user=setup_by_user,
        )

    return coco.open_flow(name, define)


def in_step(path: Path, table: str = "Library__rows") -> None:
    fts = f'"{table}__fts__text"'
    sql(path, f"INSERT INTO {fts}({fts}) VALUES ('integrity-check')")


def test_the_target_is_found_by_name() -> None:
    assert coco.targets.Sqlite is Sqlite


def test_first_index_and_changes(shelf: dict[str, str], path: Path, events: list[FlowEvent]) -> None:
    flow = make_flow(path)
    flow.setup()
    assert not flow.update().has_errors
    assert written(events)[::2] == (6, 0)
    assert dict(sql(path, "SELECT title, text FROM Library__rows")) == shelf
    flow.update()
    assert written(events) == (0, 0, 0)
    shelf["book1"] = "an edited text about zebras"
    shelf["new"] = "a new text"
    del shelf["book2"]
    flow.update()
    assert written(events)[::2] == (2, 1)
    assert dict(sql(path, "SELECT title, text FROM Library__rows")) == shelf
    in_step(path)
    assert [hit["title"] for hit in search(path, "rows", text="zebras")] == ["book1"]
    (hit, *_) = search(path, "rows", vector=[float(shelf["new"].count("a")), float(len(shelf["new"]))])
    assert hit["title"] == "new"


def test_only_what_changed_is_written(shelf: dict[str, str], path: Path, events: list[FlowEvent]) -> None:
    flow = make_flow(path)
    flow.setup()
    flow.update()
    events.clear()
    sql(path, "UPDATE Library__rows SET vector = x'00' WHERE title = 'book1'")
    shelf["book1"] = shelf["book1"].replace("t", "T")  # the vector stays as it was
    flow.update()
    assert written(events) == (1, 1, 0)
    assert sql(path, "SELECT text, vector FROM Library__rows WHERE title = 'book1'") == [
        (shelf["book1"], b"\0")
    ]


def test_default_names(shelf: dict[str, str], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_APP_NAMESPACE", "Staging")
    coco.stop()
    flow = make_flow(path)
    flow.setup()
    flow.update()
    assert coco.get_target_default_name(flow, "rows") == "Staging__Library__rows"
    assert sql(path, "SELECT count(*) FROM Staging__Library__rows") == [(6,)]


def test_an_emptied_table_is_noticed_and_repaired(
    shelf: dict[str, str], path: Path, events: list[FlowEvent]
) -> None:
    flow = make_flow(path)
    flow.setup()
    flow.update()
    assert calls(events) == 6
    sql(path, "DELETE FROM Library__rows WHERE title <> 'book0'")
    sql(path, "UPDATE Library__rows SET text = 'changed behind our back'")
    sql(path, "INSERT INTO Library__rows(title, text) VALUES ('stranger', 'x')")
    info = flow.update()
    assert info.drifted == ["rows"]
    assert sql(path, "SELECT count(*) FROM Library__rows") == [(2,)]
    report = flow.verify()
    (check,) = report.targets
    assert (len(check.missing), len(check.different), len(check.extra)) == (5, 1, 1)
    report = flow.verify(repair=True)
    assert report.ok
    assert calls(events) == 0
    assert dict(sql(path, "SELECT title, text FROM Library__rows")) == shelf
    in_step(path)
    assert flow.verify().ok
    assert flow.update().drifted == []


def test_a_dropped_table_is_noticed(shelf: dict[str, str], path: Path, events: list[FlowEvent]) -> None:
    flow = make_flow(path)
    flow.setup()
    flow.update()
    assert calls(events) == 6
    sql(path, "DROP TABLE Library__rows")
    assert flow.update().drifted == ["rows"]
    flow.drop()  # with what was remembered of its calls
    flow.setup()
    flow.update()
    assert calls(events) == 6
    assert dict(sql(path, "SELECT title, text FROM Library__rows")) == shelf


def test_columns_are_added_and_removed(shelf: dict[str, str], path: Path, events: list[FlowEvent]) -> None:
    flow = make_flow(path)
    flow.setup()
    flow.update()
    assert calls(events) == 6
    flow = make_flow(path, extra=lambda book: {"copy": book["text"]})
    assert "add column copy (TEXT, for Str)" in flow.plan().setup.text
    flow.setup(allow_destructive=True)
    flow.update()
    assert calls(events) == 0
    assert dict(sql(path, "SELECT title, copy FROM Library__rows")) == shelf
    flow = make_flow(path, vectors=(), texts=(FtsIndexDef("text", {"tokenize": "porter"}),))
    with pytest.raises(DestructiveSetupError, match="deleted with their values: copy"):
        flow.setup()
    flow.setup(allow_destructive=True)
    flow.update()
    assert sql(path, "SELECT count(*) FROM pragma_table_info('Library__rows') WHERE name = 'copy'") == [(0,)]
    assert len(search(path, "rows", text="texts numbers", match_all=True)) == 6
    assert flow.verify().ok
    assert calls(events) == 0


def test_another_key_makes_another_table(shelf: dict[str, str], path: Path, events: list[FlowEvent]) -> None:
    flow = make_flow(path)
    flow.setup()
    flow.update()
    assert calls(events) == 6
    flow = make_flow(path, key=("title", "text"), texts=(), vectors=())
    assert "drop and create" in flow.plan().setup.text
    flow.setup(allow_destructive=True)
    flow.update()
    assert calls(events) == 0
    assert dict(sql(path, "SELECT title, text FROM Library__rows")) == shelf
    assert flow.verify().ok


def test_another_table_moves_the_rows(shelf: dict[str, str], path: Path) -> None:
    make_flow(path).setup()
    coco.flows()["Library"].update()
    flow = make_flow(path, table="elsewhere")
    flow.setup(allow_destructive=True)
    flow.update()
    tables = {name for (name,) in sql(path, "SELECT name FROM coco_tables")}
    assert tables == {"elsewhere"}
    assert sql(path, "SELECT count(*) FROM elsewhere") == [(6,)]


def test_the_old_spelling_of_the_tables_name() -> None:
    assert (
        Sqlite(path="a.db", table="mine") == Sqlite(path="a.db", table_name="mine") == Sqlite("a.db", "mine")
    )
    assert Sqlite("a.db", table="mine").table_name == "mine"
    assert to_plain(Sqlite("a.db", table="mine")) == {"path": "a.db", "table_name": "mine"}
    with pytest.raises(DefinitionError, match="table_name='one' and table='two' are two spellings"):
        Sqlite("a.db", "one", table="two")


def test_two_flows_share_a_file(shelf: dict[str, str], path: Path) -> None:
    one, two = make_flow(path, "One"), make_flow(path, "Two")
    one.setup()
    two.setup()
    one.update()
    two.update()
    assert sql(path, "SELECT count(*) FROM One__rows NATURAL JOIN Two__rows") == [(6,)]
    one.drop()
    assert two.verify().ok
    with pytest.raises(CocoError, match="no table"):
        search(path, "One__rows", text="a")


def test_two_flows_must_not_share_a_table(shelf: dict[str, str], path: Path) -> None:
    make_flow(path, "One", table="same").setup()
    with pytest.raises(CocoError, match="flow 'One' uses it"):
        make_flow(path, "Two", table="same").setup()
    sql(path, "CREATE TABLE foreign_one(a)")
    with pytest.raises(CocoError, match="was not made by coco, and does not fit"):
        make_flow(path, "Three", table="foreign_one").setup()
    assert sql(path, "SELECT * FROM foreign_one") == []


def test_a_users_table(shelf: dict[str, str], path: Path) -> None:
    sql(path, "CREATE TABLE mine(title TEXT PRIMARY KEY, text TEXT, vector BLOB, mark TEXT DEFAULT 'new')")
    flow = make_flow(path, table="mine", setup_by_user=True, texts=(), vectors=())
    flow.setup()
    flow.update()
    assert dict(sql(path, "SELECT title, text FROM mine")) == shelf
    sql(path, "UPDATE mine SET mark = 'seen'")
    shelf["book1"] = "other text"
    flow.update()
    assert sql(path, "SELECT DISTINCT mark FROM mine") == [("seen",)]
    assert flow.verify().ok
    flow.drop()
    assert sql(path, "SELECT count(*) FROM mine") == [(6,)]


def test_a_file_that_is_no_database(shelf: dict[str, str], path: Path) -> None:
    path.write_text("notes" * 1000)
    with pytest.raises(CocoError, match="no SQLite database"):
        make_flow(path).setup()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"table": "sqlite_x"}, "sqlite_"),
        ({"table": "Coco_Tables"}, "coco_tables"),
        ({"table": ""}, "empty"),
        ({"path": ":memory:"}, "must name a file"),
        ({"path": ""}, "must name a file"),
        ({"path": "file:x?mode=memory"}, "must name a file"),
        ({"extra": lambda book: {"Text": book["text"]}}, "ignores case"),
        (
            {
                "vectors": [
                    VectorIndexDef(
                        "vector",
                        VectorSimilarityMetric.L2_DISTANCE,
                        coco.HnswVectorIndexMethod(),
                    )
                ]
            },
            "leave `method` out",
        ),
        ({"vectors": [COSINE, VectorIndexDef("vector", VectorSimilarityMetric.L2_DISTANCE)]}, "one metric"),
        ({"texts": [FtsIndexDef("text", {"language": "english"})]}, "unknown parameter"),
    ],
)
def test_definitions_without_sense(
    shelf: dict[str, str], path: Path, change: dict[str, Any], complaint: str
) -> None:
    where = change.pop("path", path) if "path" in change else path
    with pytest.raises(CocoError, match=complaint):
        make_flow(where, **change).internal_flow()


def test_a_relative_path_is_one_file(
    shelf: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flow = make_flow(Path("index.db"))
    flow.setup()
    flow.update()
    assert sql(tmp_path / "index.db", "SELECT count(*) FROM Library__rows") == [(6,)]
    assert make_flow(tmp_path / "index.db").update().total.num_no_change == 6
