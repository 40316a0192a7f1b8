"""Lists are stored as written, whatever is inserted and updated between the checkpoints of the engine."""

from __future__ import annotations

import itertools
import os
import random
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kuzu_test_support import Export, Graph, engine, field, graph_at, rows_of, write

from coco.auth_registry import get_auth_entry
from coco.errors import TargetError
from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, VectorTypeSchema
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_target_kuzu import connection, mutate
from coco_target_kuzu.checkpoints import READERS_SECONDS, Gate
from coco_target_kuzu.connection import Database, KuzuConnection, acquire, open_database, release
from coco_target_kuzu.spec import KuzuConnector

only_kuzu = pytest.mark.skipif(engine() != "kuzu", reason="Kuzu's checkpoints are the ones to keep apart")


def vector(name: str, dimension: int | None, kind: str = "Float32") -> FieldSchema:
    numbers = VectorTypeSchema(BasicValueType(kind), dimension)
    return FieldSchema(name, EnrichedValueType(BasicValueType("Vector", vector=numbers), nullable=True))


def fixed(number: int) -> bytes:
    return struct.pack("<3f", number, number * 2, 0.5)


def varying(number: int) -> bytes:
    return struct.pack(f"<{number % 5}q", *(number * 10 + place for place in range(number % 5)))


def row(number: int) -> tuple[Any, ...]:
    return f"text {number}", fixed(number), varying(number)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return graph_at(tmp_path / "graph")


@pytest.fixture
def held(graph: Graph) -> Iterator[Graph]:
    """The graph, open from first to last: no closing makes a checkpoint."""
    path = Path(get_auth_entry(KuzuConnection, graph, wanted_by="test").database_path or "")
    path.parent.mkdir(exist_ok=True)
    database = acquire(graph, "test")
    yield graph
    release(database)


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


def pages(graph: Graph) -> Export:
    return Export(
        graph,
        Nodes(label="Page"),
        [field("id", "Int64")],
        [field("text", "Str"), vector("fixed", 3), vector("any", None, "Int64")],
    )


def links(graph: Graph, target: str = "Page") -> Export:
    """From pages to pages, or to topics, which get their vector from the link."""
    more = [] if target == "Page" else [TargetFieldMapping("v", "fixed")]
    own = [vector("w", None, "Int64")]
    return Export(
        graph,
        Relationships(
            "LINKS",
            NodeFromFields("Page", [TargetFieldMapping("from", "id")]),
            NodeFromFields(target, [TargetFieldMapping("to", "id"), *more]),
        ),
        [field("from", "Int64"), field("to", "Int64")],
        [vector("v", 3), *own],
    )


def link_row(number: int) -> tuple[Any, ...]:
    return fixed(number), varying(number)


def stored(export: Export) -> dict[Any, Any]:
    """All rows, by key, as the place reads them."""
    with export.opened() as place:
        keys = [key for some in place.list_keys() for key in some]
        return place.read_rows(keys)


def numbered(*numbers: int, shift: int = 0) -> dict[Any, Any]:
    return {(number,): row(number + shift) for number in numbers}


def set_up(graph: Graph, rows: dict[Any, Any]) -> Export:
    """With rows that a checkpoint has stored."""
    export = pages(graph)
    Export.set_up_all([export])
    write([(export, rows, [])])
    with open_database(graph) as client:
        client.execute("CHECKPOINT")
    return export


BATCHES: dict[str, list[dict[Any, Any]]] = {
    "one batch": [{**numbered(1, 5, shift=100), **numbered(20, 21)}],
    "insert, then update": [numbered(20, 21), numbered(1, 5, shift=100)],
    "update, then insert": [numbered(1, 5, shift=100), numbered(20, 21)],
    "in turn": [numbered(20), numbered(1, shift=100), numbered(21), numbered(5, 20, shift=100), numbered(22)],
    "with nulls": [
        {(1,): (None, None, None), (20,): ("new", None, None)},
        numbered(21),
        numbered(20, shift=7),
    ],
}


@pytest.mark.parametrize("load_from", [1, 200_000], ids=["bulk", "statements"])
@pytest.mark.parametrize("name", BATCHES)
def test_old_rows_change_while_new_ones_come(
    graph: Graph, name: str, load_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutate, "LOAD_FROM", load_from)
    model = numbered(*range(10))
    database = acquire(graph, "test")
    try:
        export = set_up(graph, model)
        for batch in BATCHES[name]:
            write([(export, batch, [])])
            model = {**model, **batch}
        assert stored(export) == model
    finally:
        release(database)
    assert stored(export) == model


def test_a_graph_that_is_opened_for_each_batch(graph: Graph) -> None:
    model = numbered(*range(10))
    export = set_up(graph, model)
    for batch in BATCHES["in turn"]:
        write([(export, batch, [])])
        model = {**model, **batch}
    assert stored(export) == model


KILLED = """
import os, signal, sys
from pathlib import Path
from kuzu_test_support import graph_at, write
from test_checkpoints import acquire, numbered, pages
graph = graph_at(Path(sys.argv[1]))
database = acquire(graph, "test")
write([(pages(graph), numbered(*eval(sys.argv[2]), shift=int(sys.argv[3])), [])])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [(((20, 21), 0), ((1, 5), 100)), (((1, 5), 100), ((20, 21), 0))],
    ids=["insert", "update"],
)
def test_what_a_killed_process_left_in_the_log(
    graph: Graph, before: tuple[Sequence[int], int], after: tuple[Sequence[int], int]
) -> None:
    model = numbered(*range(10))
    export = set_up(graph, model)
    path = get_auth_entry(KuzuConnection, graph, wanted_by="test").database_path
    assert path is not None
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, path, repr(before[0]), str(before[1])],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    assert Path(path + ".wal").stat().st_size
    write([(export, numbered(*after[0], shift=after[1]), [])])
    model.update(numbered(*before[0], shift=before[1]))
    model.update(numbered(*after[0], shift=after[1]))
    assert stored(export) == model


def test_deleted_nodes_kept_as_ends_lose_their_lists_beside_new_nodes(held: Graph) -> None:
    page, link = pages(held), links(held)
    Export.set_up_all([page, link])
    write([(page, numbered(*range(10)), []), (link, {(1, 2): link_row(1), (1, 30): link_row(2)}, [])])
    with open_database(held) as client:
        client.execute("CHECKPOINT")
    write([(page, numbered(20, 21), [(2,)])])
    write([(page, numbered(22), []), (link, {(3, 40): link_row(7), (1, 2): link_row(9)}, [])])
    with open_database(held) as client:
        client.execute("CHECKPOINT")
    expected = numbered(*(number for number in range(10) if number != 2), 20, 21, 22)
    assert stored(page) == expected
    assert rows_of(held, "MATCH (a)-[r:LINKS]->(b) RETURN a.id, b.id, r.v, b.fixed ORDER BY a.id, b.id") == [
        [1, 2, [9.0, 18.0, 0.5], None],
        [1, 30, [2.0, 4.0, 0.5], None],
        [3, 40, [7.0, 14.0, 0.5], None],
    ]


def test_a_refused_checkpoint_writes_nothing_and_says_what_to_do(
    held: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine() != "kuzu":
        pytest.skip("Kuzu's checkpoints are the ones to keep apart")
    monkeypatch.setattr(connection, "CHECKPOINT_ATTEMPTS", 1)
    export = set_up(held, numbered(1))
    write([(export, numbered(2), [])])
    with open_database(held) as client:
        client.execute("BEGIN TRANSACTION READ ONLY")
        client.execute("MATCH (n:Page) RETURN count(*)").close()
        with pytest.raises(TargetError, match="end it, and update again"):
            write([(export, numbered(1, shift=50), [])])
        client.execute("COMMIT")
    assert stored(export) == numbered(1, 2)
    write([(export, numbered(1, shift=50), [])])
    assert stored(export) == {**numbered(2), **numbered(1, shift=50)}


@only_kuzu
def test_checkpoints_beside_readers(held: Graph) -> None:
    export = set_up(held, numbered(*range(200)))
    done, seen = threading.Event(), itertools.count()
    failed: list[Any] = []

    def read() -> None:
        try:
            with open_database(held) as client:
                while not done.is_set():
                    found = client.execute(
                        "MATCH (n:Page) WHERE n.id < $top RETURN n.id, n.fixed", {"top": 100}
                    )
                    failed.extend(item for item in found.get_all() if item[1] != [item[0], item[0] * 2, 0.5])
                    next(seen)
        except BaseException as error:
            failed.append(error)
            raise

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(8):
            write([(export, {**numbered(1_000 + number), **numbered(150 + number, shift=1)}, [])])
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not failed
    assert next(seen)


@only_kuzu
def test_only_a_change_of_kind_costs_a_checkpoint(held: Graph, statements: list[str]) -> None:
    export = set_up(held, numbered(1, 2, 3))

    def checkpoints(rows: dict[Any, Any], deletes: Sequence[Any] = ()) -> int:
        statements.clear()
        write([(export, rows, deletes)])
        return statements.count("CHECKPOINT")

    assert checkpoints(numbered(10)) == 0
    assert checkpoints(numbered(11, 12)) == 0
    assert checkpoints(numbered(1, shift=9)) == 1
    assert checkpoints(numbered(2, shift=9)) == 0
    assert checkpoints({**numbered(3, shift=9), **numbered(13)}) == 1
    assert checkpoints({**numbered(3, shift=5), **numbered(14)}) == 1
    assert checkpoints({}, [(10,), (11,)]) == 0
    rows_of(held, "MATCH (n:Page) RETURN n.id")
    assert checkpoints(numbered(3, shift=7)) == 0
    rows_of(held, "CREATE (:Page {id: 77, fixed: [1.0, 2.0, 3.0]})")
    assert checkpoints(numbered(3, shift=8)) == 1


@only_kuzu
def test_changes_of_text_alone_cost_no_checkpoint(held: Graph, statements: list[str]) -> None:
    export = set_up(held, numbered(1, 2))
    write([(export, numbered(3), [])])
    statements.clear()
    with export.opened() as place:
        rows = [("other", *row(1)[1:])]
        columns = MutationColumns(export.key, export.values, [(1,)], rows, [], [(0,)])
        KuzuConnector.mutate_columns((place, columns))
    assert "CHECKPOINT" not in statements
    assert stored(export)[(1,)] == rows[0]


def test_a_checkpoint_waits_for_queries_and_holds_others_back() -> None:
    gate = Gate()
    order: list[str] = []
    inside, closed = threading.Event(), threading.Event()

    def checkpoint() -> None:
        inside.wait(READERS_SECONDS)
        closed.set()
        with gate.alone():
            order.append("checkpoint")

    thread = threading.Thread(target=checkpoint)
    thread.start()
    with gate.query():
        inside.set()
        closed.wait(READERS_SECONDS)
        order.append("query")
    thread.join()
    with gate.query():
        order.append("later")
    assert order == ["query", "checkpoint", "later"]


class History:
    """Writes of all kinds, in batches, in an order of chance; what they should leave."""

    def __init__(self, graph: Graph, seed: int, target: str) -> None:
        self.chance = random.Random(seed)
        self.target = target
        self.page, self.link = pages(graph), links(graph, target)
        Export.set_up_all([self.page, self.link], declared={} if target == "Page" else {target: ["id"]})
        self.graph = graph
        self.rows: dict[Any, Any] = {}
        self.links: dict[Any, Any] = {}
        self.topics: dict[int, list[float]] = {}

    def write_some(self) -> None:
        chance = self.chance
        batch: dict[Any, Any] = {}
        deletes = []
        for number in chance.sample(range(16), chance.randrange(1, 6)):
            kind = chance.random()
            if kind < 0.25:
                deletes.append((number,))
            else:
                batch[(number,)] = ("nulls", None, None) if kind < 0.4 else row(number + chance.randrange(50))
        pairs = {
            (chance.randrange(16), chance.randrange(24)): link_row(chance.randrange(99))
            for _ in range(chance.randrange(3))
        }
        gone = [pair for pair in self.links if pair not in pairs and chance.random() < 0.2]
        write([(self.page, batch, deletes), (self.link, pairs, gone)])
        for key in deletes:
            self.rows.pop(key, None)
        self.rows.update(batch)
        for pair in gone:
            del self.links[pair]
        self.links.update(pairs)
        for pair, values in pairs.items():
            self.topics[pair[1]] = list(struct.unpack("<3f", values[0]))

    def compare(self) -> None:
        assert stored(self.page) == self.rows
        found = rows_of(self.graph, "MATCH (a)-[r:LINKS]->(b) RETURN a.id, b.id, r.w") or []
        assert {(start, end): numbers for start, end, numbers in found} == {
            pair: list(struct.unpack(f"<{len(values[1]) // 8}q", values[1]))
            for pair, values in self.links.items()
        }
        if self.target != "Page":
            topics = rows_of(self.graph, f"MATCH (n:{self.target}) RETURN n.id, n.fixed") or []
            assert dict(topics) == {pair[1]: self.topics[pair[1]] for pair in self.links}


@pytest.mark.skipif(
    engine() == "kuzu", reason="Kuzu 0.11.3 spoils tables of its own where relationships come and go"
)
@pytest.mark.parametrize("target", ["Page", "Topic"])
@pytest.mark.parametrize("seed", range(4))
def test_any_history_with_relationships_leaves_what_was_written(graph: Graph, seed: int, target: str) -> None:
    history = History(graph, seed, target)
    for _ in range(3):
        database = acquire(graph, "test")
        try:
            for _ in range(5):
                history.write_some()
        finally:
            release(database)
        history.compare()


@pytest.mark.parametrize("seed", range(6))
def test_any_history_leaves_what_was_written(graph: Graph, seed: int) -> None:
    chance = random.Random(seed)
    export = pages(graph)
    Export.set_up_all([export])
    model: dict[Any, Any] = {}
    for _ in range(3):
        database = acquire(graph, "test")
        try:
            for _ in range(5):
                keys = [(number,) for number in chance.sample(range(16), chance.randrange(1, 6))]
                deletes = [key for key in keys if chance.random() < 0.25]
                batch: dict[Any, Any] = {key: row(chance.randrange(60)) for key in keys if key not in deletes}
                write([(export, batch, deletes)])
                model = {key: values for key, values in model.items() if key not in deletes} | batch
        finally:
            release(database)
        assert stored(export) == model
