"""Faults that pass are tried again, others are told in words; passwords show nowhere."""

from __future__ import annotations

import dataclasses
import functools
import socket
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from neo4j import exceptions
from neo4j_proxy import Proxy, proxy_to
from neo4j_test_support import PREFIX, Export, Graph, field, rows_of, write

import coco
from coco.errors import DriftError, TargetError
from coco.kit.interruption import LimitedCall, current_call
from coco.kit.retry import RetryPolicy, Timing, is_retriable
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_target_neo4j import connection
from coco_target_neo4j.settings import Neo4jConnection

LABEL = f"{PREFIX}Person"
KNOWS = Relationships(
    rel_type=f"{PREFIX}_KNOWS",
    source=NodeFromFields(label=LABEL, fields=[TargetFieldMapping("who", "name")]),
    target=NodeFromFields(label=LABEL, fields=[TargetFieldMapping("whom", "name")]),
)


def people(graph: Graph) -> Export:
    return Export(graph, Nodes(label=LABEL), [field("name", "Str")], [field("age", "Int64")])


def entry(place: Neo4jConnection, name: str = "other graph") -> Graph:
    return coco.add_auth_entry(name, place, replace=True)


@pytest.fixture
def proxy(graph: Graph, place: Neo4jConnection) -> Iterator[Proxy]:
    with proxy_to(place.uri) as made:
        yield made


@pytest.fixture
def behind(proxy: Proxy, place: Neo4jConnection) -> Graph:
    """The same server by another way."""
    return entry(dataclasses.replace(place, uri=proxy.uri))


class Clock:
    """No wait takes time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    @property
    def timing(self) -> Timing:
        return Timing(now=lambda: self.time, sleep=self.sleep)


def patient(graph: connection.Graph, **policy: Any) -> Clock:
    clock = Clock()
    graph.timing, graph.policy = clock.timing, RetryPolicy(**policy)
    return clock


def test_a_broken_connection_is_replaced(behind: Graph, proxy: Proxy, place: Neo4jConnection) -> None:
    export = people(behind)
    Export.set_up_all([export])
    handle = connection.acquire(behind)
    try:
        clock = patient(handle)
        write([(export, {("A",): (1,)}, [])])
        proxy.cut()
        proxy.refuse = 2
        write([(export, {("B",): (2,)}, [("A",)])])
        assert rows_of(place, f"MATCH (n:{LABEL}) RETURN n.name, n.age") == [["B", 2]]
        assert clock.waits
    finally:
        connection.release(handle)


def test_a_server_that_stops_answering_is_disconnected(
    behind: Graph,
    proxy: Proxy,
    place: Neo4jConnection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A greeting that gets no answer is waited for by the driver itself, for 30 seconds by default.
    impatient = functools.partial(connection.neo4j.GraphDatabase.driver, connection_timeout=1.0)
    monkeypatch.setattr(connection.neo4j.GraphDatabase, "driver", impatient)
    export = people(behind)
    Export.set_up_all([export])
    handle = connection.acquire(behind)
    try:
        write([(export, {("A",): (1,)}, [])])
        proxy.silent = True
        call = LimitedCall()
        ended: list[Exception] = []

        def late() -> None:
            current_call.set(call)
            try:
                write([(export, {("B",): (2,)}, [])])
            except (TargetError, TimeoutError) as error:
                ended.append(error)

        thread = threading.Thread(target=late)
        thread.start()
        while thread.is_alive():
            call.interrupt()  # also while the driver gives up what was cut
            thread.join(0.01)
        assert len(ended) == 1
        assert "could not be interrupted" not in caplog.text
        proxy.silent = False
        write([(export, {("C",): (3,)}, [])])
        assert ["C", 3] in rows_of(place, f"MATCH (n:{LABEL}) RETURN n.name, n.age")
    finally:
        connection.release(handle)


def test_an_unreachable_server_is_given_up(place: Neo4jConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    handle = connection.acquire(entry(dataclasses.replace(place, uri=f"bolt://127.0.0.1:{port}")))
    try:
        clock = patient(handle, total=30.0)
        with pytest.raises(TargetError, match="trying: Neo4j graph 'other graph'") as caught:
            handle.write(lambda tx: tx.run("RETURN 1"), "trying")
        assert 5.0 < clock.time <= 30.0
        assert is_retriable(caught.value)
        clock.time = 0.0
        with pytest.raises(TargetError, match="looking: Neo4j graph 'other graph'"):
            handle.read(lambda tx: tx.run("RETURN 1"), "looking")
        assert 0.0 < clock.time <= 5.0
    finally:
        connection.release(handle)


def test_a_wrong_password_is_reported_at_once(place: Neo4jConnection) -> None:
    handle = connection.acquire(entry(dataclasses.replace(place, password="wrong-password-17")))
    try:
        clock = patient(handle)
        with pytest.raises(TargetError, match="refuses the user") as caught:
            handle.read(lambda tx: tx.run("RETURN 1"), "looking")
        assert clock.waits == []
        text = "".join(traceback.format_exception(caught.value))
        assert "wrong-password-17" not in text
        assert place.password not in text
    finally:
        connection.release(handle)


def test_a_password_in_the_address_does_not_show() -> None:
    for uri in ("bolt://me:hunter2@host:7687", "bolt:/me:hunter2@host:7687"):
        connection = Neo4jConnection(uri, "me", "hunter3")
        assert "hunter" not in repr(connection) and "host:7687" in repr(connection)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1", "bolt://me:hidden-word@127.0.0.1", "127.0.0.1:7687", "bolt://127.0.0.1:many"]
)
def test_an_address_that_cannot_be(place: Neo4jConnection, uri: str) -> None:
    handle = connection.acquire(entry(dataclasses.replace(place, uri=uri)))
    try:
        with pytest.raises(TargetError, match=r"Neo4j graph 'other graph' \(.*127\.0\.0\.1") as caught:
            handle.read(lambda tx: tx.run("RETURN 1"), "looking")
        assert "hidden-word" not in str(caught.value)
    finally:
        connection.release(handle)


def test_a_constraint_of_the_user_s_is_not_tried_for_ever(graph: Graph, place: Neo4jConnection) -> None:
    export = people(graph)
    Export.set_up_all([export])
    rows_of(place, f"CREATE CONSTRAINT {PREFIX}_age IF NOT EXISTS FOR (n:{LABEL}) REQUIRE (n.age) IS UNIQUE")
    handle = connection.acquire(graph)
    try:
        clock = patient(handle)
        write([(export, {("A",): (1,)}, [])])
        with pytest.raises(TargetError, match=r"ConstraintValidationFailed"):
            write([(export, {("B",): (1,)}, [])])
        assert len(clock.waits) == connection.MOST_CLASHES
        assert rows_of(place, f"MATCH (n:{LABEL}) RETURN n.name") == [["A"]]
    finally:
        connection.release(handle)


def test_an_error_of_the_server_names_its_code(graph: Graph) -> None:
    handle = connection.acquire(graph)
    try:
        clock = patient(handle)
        with pytest.raises(TargetError, match=r"trying: Neo4j graph 'test graph' .*SyntaxError"):
            handle.read(lambda tx: tx.run("THIS IS NO STATEMENT"), "trying")
        assert clock.waits == []
    finally:
        connection.release(handle)


@pytest.mark.parametrize(
    ("code", "passing"),
    [
        ("Neo.TransientError.Transaction.DeadlockDetected", True),
        ("Neo.TransientError.General.DatabaseUnavailable", True),
        ("Neo.ClientError.Cluster.NotALeader", True),
        ("Neo.ClientError.Statement.EntityNotFound", True),
        ("Neo.ClientError.Statement.SyntaxError", False),
        ("Neo.ClientError.Schema.ConstraintValidationFailed", False),
        ("Neo.ClientError.Security.Unauthorized", False),
        ("Neo.ClientError.Security.AuthenticationRateLimit", False),
    ],
)
def test_which_faults_are_transient(code: str, passing: bool) -> None:
    error = exceptions.Neo4jError._hydrate_neo4j(code=code, message="text")
    assert connection.is_passing(error) is passing


def test_a_retried_transaction_is_repeated_completely(graph: Graph, place: Neo4jConnection) -> None:
    handle = connection.acquire(graph)
    attempts: list[int] = []

    def work(tx: connection.Transaction) -> int:
        attempts.append(1)
        tx.run(f"CREATE (:{LABEL} {{name: 'A'}})")
        if len(attempts) < 3:
            raise exceptions.SessionExpired("lost")
        return len(attempts)

    try:
        clock = patient(handle)
        assert handle.write(work, "working") == 3
        assert len(clock.waits) == 2
        assert rows_of(place, f"MATCH (n:{LABEL}) RETURN count(*)") == [[1]]
    finally:
        connection.release(handle)


def test_writers_with_connections_of_their_own(graph: Graph, place: Neo4jConnection) -> None:
    """As two processes: they meet in the same nodes, and none of their rows is lost."""
    graphs = [graph, entry(place)]
    exports = [
        Export(item, KNOWS, [field("id", "Int64")], [field("who", "Str"), field("whom", "Str")])
        for item in graphs
    ]
    persons = [people(item) for item in graphs]
    for person, export in zip(persons, exports, strict=True):
        Export.set_up_all([person, export])
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for turn in range(15):
                first = number * 1_000 + turn * 10
                rows = {(first + i,): (f"p{i}", f"p{(i * 3 + turn) % 10}") for i in range(10)}
                gone = [(first - 10 + i,) for i in range(5)] if turn else []
                write([(exports[number], rows, gone)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = {row[0] for row in rows_of(place, f"MATCH ()-[r:{KNOWS.rel_type}]->() RETURN r.id")}
    assert found == {
        number * 1_000 + turn * 10 + i
        for number in range(2)
        for turn in range(15)
        for i in range(10)
        if turn == 14 or i >= 5
    }
    names = [row[0] for row in rows_of(place, f"MATCH (n:{LABEL}) RETURN n.name")]
    assert sorted(names) == [f"p{i}" for i in range(10)]


def test_an_emptied_graph_is_drift(graph: Graph, place: Neo4jConnection) -> None:
    export = people(graph)
    Export.set_up_all([export])
    with export.opened():
        rows_of(place, "MATCH (n:CocoElements) DELETE n")
        with pytest.raises(DriftError, match="does not list"):
            write([(export, {("A",): (1,)}, [])])
    assert rows_of(place, f"MATCH (n:{LABEL}) RETURN n") == []


def test_the_password_is_not_in_what_is_shown(place: Neo4jConnection) -> None:
    reference = entry(place)
    export = people(reference)
    assert place.password not in repr(place)
    assert place.password not in repr(export.spec) + repr(export.state)
    handle = connection.acquire(reference)
    assert place.password not in handle.title + repr(handle)
    connection.release(handle)


def test_the_last_user_closes_the_driver(graph: Graph) -> None:
    first, second = connection.acquire(graph), connection.acquire(graph)
    assert first is second
    assert first.read(lambda tx: tx.run("RETURN 1"), "looking") == [[1]]
    connection.release(second)
    assert first.read(lambda tx: tx.run("RETURN 1"), "looking") == [[1]]
    connection.release(first)
    third = connection.acquire(graph)
    assert third is not first
    connection.release(third)


def test_a_changed_entry_is_another_graph(place: Neo4jConnection) -> None:
    first = connection.acquire(entry(place))
    second = connection.acquire(entry(dataclasses.replace(place, user="somebody")))
    assert (first is second, second.place.user) == (False, "somebody")
    connection.release(first)
    connection.release(second)
