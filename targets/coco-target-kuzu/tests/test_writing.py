"""Bulk loads and updates of some fields leave what plain writing would; several threads write and read."""

from __future__ import annotations

import struct
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from kuzu_test_support import Export, Graph, field, graph_at, rows_of, write

from coco.errors import DriftError, MutationError
from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, VectorTypeSchema
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_target_kuzu import mutate
from coco_target_kuzu.connection import Database, open_database
from coco_target_kuzu.spec import KuzuConnector


def vector(name: str, dimension: int | None) -> FieldSchema:
    numbers = VectorTypeSchema(BasicValueType("Float32"), dimension)
    return FieldSchema(name, EnrichedValueType(BasicValueType("Vector", vector=numbers), nullable=True))


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return graph_at(tmp_path / "graph")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the engine."""
    seen: list[str] = []
    run = Database.run

    def noted(self: Database, query: str, parameters: Any = None) -> list[list[Any]]:
        seen.append(query)
        return run(self, query, parameters)

    monkeypatch.setattr(Database, "run", noted)
    return seen


def loads(statements: list[str]) -> int:
    return sum(item.startswith("COPY ") for item in statements)


def pages(graph: Graph) -> Export:
    """A key that has to be derived, odd names, and each way a value goes to its column."""
    return Export(
        graph,
        Nodes(label="Page, large"),
        [field("file name", "Str"), field("part", "Uuid")],
        [field("at", "OffsetDateTime"), field("took", "TimeDelta"), vector("fixed", 2), vector("any", None)],
    )


ROWS: dict[Any, Any] = {
    ("a", uuid.UUID(int=1).bytes): ((5, 0), 7, packed(1, 2), packed(3)),
    ("b", uuid.UUID(int=2).bytes): (None, None, None, packed()),
    ("c", uuid.UUID(int=3).bytes): ((-5, 0), 0, packed(4, 5), None),
}


def test_a_bulk_load_writes_what_statements_write(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    export = pages(graph)
    Export.set_up_all([export])
    found = []
    for limit in (1_000, 1):
        monkeypatch.setattr(mutate, "LOAD_FROM", limit)
        write([(export, ROWS, [])])
        with export.opened() as place:
            assert place.read_rows(list(ROWS)) == ROWS
        found.append(rows_of(graph, "MATCH (n:`Page, large`) RETURN n.* ORDER BY n.`file name`"))
        write([(export, {}, list(ROWS))])
        assert rows_of(graph, "MATCH (n) WHERE label(n) <> 'CocoElements' RETURN n") == []
    assert found[0] == found[1]
    assert loads(statements) == 1


def test_a_bulk_load_leaves_alone_what_is_there(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr(mutate, "LOAD_FROM", 2)
    page = Export(graph, Nodes(label="Page"), [field("id", "Str")], [vector("v", 2)])
    link = Export(
        graph,
        Relationships(
            "LINKS",
            NodeFromFields("Page", [TargetFieldMapping("from", "id")]),
            NodeFromFields("Page", [TargetFieldMapping("to", "id")]),
        ),
        [field("from", "Str"), field("to", "Str")],
        [],
    )
    Export.set_up_all([page, link])
    with open_database(graph) as connection:
        connection.execute("CREATE (:Page {id: 'theirs'})")
    write([(link, {("a", "b"): ()}, [])])
    numbers = [1.0, 2.0]
    write([(page, {(id_,): (packed(*numbers),) for id_ in ("a", "c", "theirs")}, [])])
    assert loads(statements) == 1
    assert rows_of(graph, "MATCH (n:Page) RETURN n.id, n._coco, n.v ORDER BY n.id") == [
        ["a", "exported", numbers],
        ["b", "referenced", None],
        ["c", "exported", numbers],
        ["theirs", "adopted", numbers],
    ]
    assert rows_of(graph, "MATCH (a)-[:LINKS]->(b) RETURN a.id, b.id") == [["a", "b"]]


def test_a_bad_row_in_a_bulk_load_is_named_alone(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "LOAD_FROM", 1)
    page = Export(graph, Nodes(label="Page"), [field("id", "Str")], [field("text", "Str"), vector("v", 2)])
    Export.set_up_all([page])
    with pytest.raises(MutationError) as caught:
        write([(page, {("a",): ("fine", packed(1, 2)), ("b",): ("half \ud83d", packed(1, 2))}, [])])
    assert list(caught.value.failed_keys) == [("b",)]
    assert rows_of(graph, "MATCH (n:Page) RETURN n.id") == [["a"]]


def test_a_row_whose_time_does_not_fit_is_named_alone(graph: Graph) -> None:
    page = Export(graph, Nodes(label="Page"), [field("id", "Str")], [field("at", "OffsetDateTime")])
    Export.set_up_all([page])
    early = -62_135_596_800_000_001  # microseconds: the last one before the year 1
    good = {(f"good {number}",): ((number, 0),) for number in range(9)}
    with pytest.raises(MutationError) as caught:
        write([(page, {("gone",): ((0, 0),)} | {("bad",): ((early, 0),)} | good, [])])
    assert list(caught.value.failed_keys) == [("bad",)]
    assert "before the year 1" in str(caught.value.failed_keys)
    assert rows_of(graph, "MATCH (n:Page) RETURN count(*)") == [[10]]
    write([(page, {("bad",): ((0, 0),)}, [("gone",)])])
    found = rows_of(graph, "MATCH (n:Page) RETURN n.id ORDER BY n.id")
    assert found == [["bad"], *([f"good {number}"] for number in range(9))]


def partly(export: Export, rows: dict[Any, Any], changed: list[tuple[int, ...] | None]) -> None:
    with export.opened() as place:
        columns = MutationColumns(export.key, export.values, list(rows), list(rows.values()), [], changed)
        KuzuConnector.mutate_columns((place, columns))


def test_only_fields_that_differ_are_written(graph: Graph, statements: list[str]) -> None:
    page = Export(graph, Nodes(label="Page"), [field("id", "Str")], [field("text", "Str"), vector("v", 2)])
    Export.set_up_all([page])
    write([(page, {("a",): ("one", packed(1, 2)), ("b",): ("two", packed(3, 4))}, [])])
    statements.clear()
    partly(page, {("a",): ("new", packed(1, 2)), ("b",): (None, packed(3, 4))}, [(0,), (0,)])
    assert not any("`v`" in item for item in statements)
    assert rows_of(graph, "MATCH (n:Page) RETURN n.id, n.text, n.v ORDER BY n.id") == [
        ["a", "new", [1.0, 2.0]],
        ["b", None, [3.0, 4.0]],
    ]


def test_a_row_that_is_not_there_is_written_whole(graph: Graph) -> None:
    page = Export(
        graph, Nodes(label="Page"), [field("id", "Str")], [field("text", "Str"), field("n", "Int64")]
    )
    Export.set_up_all([page])
    write([(page, {("a",): ("one", 1)}, [])])
    rows_of(graph, "CREATE (:Page {id: 'c', text: 'by hand'})")
    partly(page, {("a",): ("one", 2), ("b",): ("two", 2), ("c",): ("three", 3)}, [(1,), (1,), (1,)])
    assert rows_of(graph, "MATCH (n:Page) RETURN n.id, n.text, n.n, n._coco ORDER BY n.id") == [
        ["a", "one", 2, "exported"],
        ["b", "two", 2, "exported"],
        ["c", "three", 3, "adopted"],
    ]


def test_relationships_change_in_part_or_move(graph: Graph) -> None:
    knows = Export(
        graph,
        Relationships(
            "KNOWS",
            NodeFromFields("P", [TargetFieldMapping("who", "name")]),
            NodeFromFields("P", [TargetFieldMapping("whom", "name")]),
        ),
        [field("id", "Int64")],
        [field("who", "Str"), field("since", "Int64"), field("whom", "Str"), field("note", "Str")],
    )
    Export.set_up_all([knows], declared={"P": ["name"]})
    write([(knows, {(1,): ("A", 1, "B", "x"), (2,): ("A", 2, "B", "y")}, [])])
    partly(knows, {(1,): ("A", 9, "B", "x"), (2,): ("A", 2, "C", "z")}, [(1,), (2, 3)])
    assert rows_of(
        graph, "MATCH (a)-[r:KNOWS]->(b) RETURN r.id, a.name, r.since, b.name, r.note ORDER BY r.id"
    ) == [[1, "A", 9, "B", "x"], [2, "A", 2, "C", "z"]]


def test_reading_beside_writing(graph: Graph) -> None:
    page = Export(graph, Nodes(label="Page"), [field("id", "Str")], [field("n", "Int64")])
    Export.set_up_all([page])
    write([(page, {("a",): (0,), ("b",): (0,)}, [])])
    seen: list[list[Any]] = []
    done = threading.Event()

    def read() -> None:
        with open_database(graph) as connection:
            while not done.is_set():
                seen.append(connection.execute("MATCH (n:Page) RETURN n.n").get_all())

    with page.opened():
        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(20):
                write([(page, {("a",): (number,), ("b",): (number,)}, [])])
        finally:
            done.set()
            reader.join()
    assert seen
    assert all(rows[0] == rows[1] for rows in seen)


def test_a_graph_deleted_while_it_is_open(graph: Graph, tmp_path: Path) -> None:
    """Rows in a file that nobody can find any more are not written."""
    export = Export(graph, Nodes(label="Thing"), [field("name", "Str")], [field("n", "Int64")])
    Export.set_up_all([export])
    batch = MutationColumns(export.key, export.values, [("a",)], [(1,)])
    with export.opened() as place:
        KuzuConnector.mutate_columns((place, batch))
        for part in tmp_path.glob("graph*"):
            part.rename(tmp_path / f"moved {part.name}")
        with pytest.raises(DriftError, match="moved or deleted while it was open"):
            KuzuConnector.mutate_columns((place, batch))
        with pytest.raises(DriftError, match="moved or deleted while it was open"):
            KuzuConnector.count_rows(place)
