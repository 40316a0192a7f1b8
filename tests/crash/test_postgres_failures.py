"""A real Postgres that drops connections, loses answers, refuses rows, or is not there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from memory_rows import WORLD, Entry, MemoryRows, fill
from outcome import outcome
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.errors import TargetTimeoutError, UnwrittenTargetError

LIMIT = 30
CALLS: list[str] = []


@op.function(cache=True, behavior_version=1)
def served_loud(text: str) -> str:
    CALLS.append(text)
    return text.upper()


def make(url: str) -> coco.Flow:
    """Into a table of the server, and into another target."""
    entry = coco.add_auth_entry("served", coco.DatabaseConnectionSpec(url), replace=True)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="served"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], loud=doc["content"].transform(served_loud))
        out.export(
            "served", coco.targets.Postgres(database=entry, table_name="served"), primary_key_fields=["file"]
        )
        out.export("other", RowTable(name="other"), primary_key_fields=["file"])

    CALLS.clear()
    table("other")
    flow = coco.open_flow("Served", define)
    flow.setup()
    return flow


def point_to(url: str) -> None:
    """Where the server is from now on."""
    coco.add_auth_entry("served", coco.DatabaseConnectionSpec(url), replace=True)


def truth() -> dict[str, str]:
    return {key: entry.content.upper() for key, entry in WORLD["served"].items()}


def check_all(database: str) -> None:
    assert rows(database) == truth()
    assert {key[0]: row["loud"] for key, row in TABLES["other"].rows.items()} == truth()
    assert len(CALLS) == len(set(CALLS)), "no call was made twice"


def rows(database: str) -> dict[str, str]:
    return dict(query(database, "SELECT file, loud FROM served"))


def query(database: str, sql: str) -> list[Any]:
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database(postgres_database: str) -> str:
    fill("served", {f"k{number:02}": f"text {number}" for number in range(30)})
    return postgres_database


def change() -> None:
    """Upserts and deletions for the next update."""
    for number in range(10):
        WORLD["served"][f"k{number:02}"] = Entry(f"changed {number}", 2)
    for number in range(20, 25):
        del WORLD["served"][f"k{number:02}"]


@contextlib.contextmanager
def locked(database: str) -> Iterator[psycopg.Connection]:
    """Nobody can write to the table."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE served IN EXCLUSIVE MODE")
        yield connection


WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'coco' "
    "AND datname = current_database() AND wait_event_type = 'Lock'"
)


def waiting_backend(database: str) -> int:
    """The process of the server in which a statement of ours waits for a lock."""
    deadline = time.monotonic() + LIMIT
    while not (waiting := query(database, WAITING)):
        assert time.monotonic() < deadline
    return int(waiting[0][0])


@pytest.mark.parametrize("first", [True, False], ids=["copy", "upsert"])
def test_a_backend_that_is_terminated_in_mid_batch(first: bool, database: str) -> None:
    """While its statement runs: it waits for a lock that the test holds."""
    flow = make(database)
    if not first:
        flow.update()
        change()
    with ThreadPoolExecutor(1) as pool:
        with locked(database):
            update = pool.submit(flow.update)
            pid = waiting_backend(database)
            assert query(database, f"SELECT pg_terminate_backend({pid}, 5000)") == [(True,)]
        info = update.result(LIMIT)
    assert not info.has_errors, "it connected again and wrote the batch"
    check_all(database)


def test_rows_that_violate_a_constraint_added_by_hand(database: str) -> None:
    flow = make(database)
    query(database, "ALTER TABLE served ADD CONSTRAINT polite CHECK (loud NOT LIKE '%DAMN%')")
    WORLD["served"]["k07"] = Entry("damn")
    WORLD["served"]["k19"] = Entry("damned")
    info = flow.update()
    assert (info["docs"].num_insertions, info["docs"].num_errors) == (28, 2)
    assert rows(database) == {key: text for key, text in truth().items() if "DAMN" not in text}
    failures = flow.errors()
    assert {item.key for item in failures} == {"k07", "k19"}
    assert all(item.op == "target:served" and "polite" in item.message for item in failures)
    query(database, "ALTER TABLE served DROP CONSTRAINT polite")
    assert not flow.update().has_errors
    check_all(database)


def test_a_statement_that_the_server_cancels(database: str) -> None:
    flow = make(database)
    name = urlsplit(database).path.lstrip("/")
    query(database, f'ALTER DATABASE "{name}" SET statement_timeout = 100')
    with locked(database):
        info = outcome(flow)
    assert info["docs"].num_errors == 30
    assert len(TABLES["other"].rows) == 30, "the other target has all"
    assert rows(database) == {}
    query(database, f'ALTER DATABASE "{name}" RESET ALL')
    assert not flow.update().has_errors
    check_all(database)


@pytest.mark.parametrize("frozen", [False, True], ids=["waiting", "frozen"])
def test_a_statement_that_does_not_end(frozen: bool, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled at the server; where the server does not even do that, the connection is cut."""
    monkeypatch.setenv("COCO_TARGET_CALL_TIMEOUT", "1")
    monkeypatch.setattr("coco_target_postgres.connections.CANCEL_SECONDS", 0.5)
    flow = make(database)
    flow.update()
    change()
    with locked(database), ThreadPoolExecutor(1) as pool:
        update = pool.submit(flow.update)
        pid = waiting_backend(database)
        if frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(UnwrittenTargetError, match="no answer for 1 s"):
                update.result(LIMIT)
        finally:
            if frozen:
                os.kill(pid, signal.SIGCONT)
        assert {key[0]: row["loud"] for key, row in TABLES["other"].rows.items()} == truth()
        message = "; ".join(item.message for item in flow.errors())
        assert "target 'served' of flow 'Served', writing 10 rows: no answer for 1 s" in message
        if not frozen:
            assert not query(database, WAITING), "the statement was cancelled"
    if frozen:
        query(database, f"SELECT pg_terminate_backend({pid}, 5000)")
    assert not flow.update().has_errors
    check_all(database)


def test_a_setup_that_does_not_end(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_TARGET_CALL_TIMEOUT", "1")
    flow = make(database)
    with (
        locked(database),
        pytest.raises(TargetTimeoutError, match="setup of flow 'Served': no answer for 1 s"),
    ):
        flow.drop()
    assert not query(database, WAITING)
    flow.drop()


def test_a_server_that_is_down_for_the_whole_run(database: str) -> None:
    flow = make(database)
    flow.update()
    change()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        parts = urlsplit(database)
        host = f"{parts.username}@127.0.0.1:{nobody.getsockname()[1]}"
        point_to(urlunsplit(parts._replace(netloc=host)))
        info = outcome(flow)
    assert info["docs"].num_errors == 15
    assert {key[0]: row["loud"] for key, row in TABLES["other"].rows.items()} == truth()
    assert "Failed to connect" in str(flow.errors())
    point_to(database)
    assert not flow.update().has_errors
    check_all(database)


class Line:
    """A line to the server that can be told to lose an answer: what was sent arrives, the reply does not."""

    def __init__(self, database: str) -> None:
        parts = urlsplit(database)
        self._server = (parts.hostname, parts.port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
        self.word = b""
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self._server)
                deaf = threading.Event()
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=(*pair, deaf), daemon=True).start()

    def _forward(
        self, inward: socket.socket, outward: socket.socket, to_server: bool, deaf: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := inward.recv(1 << 16):
                if to_server and self.word and self.word in data:
                    self.word = b""
                    deaf.set()
                if not to_server and deaf.is_set():
                    self.lost += 1
                    break  # the server answered: it has done what it was asked to
                outward.sendall(data)
        for item in (inward, outward):
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("word", [b"CHANGED 3", b"k22"], ids=["upsert", "delete"])
def test_an_answer_that_is_lost_after_the_write_took_effect(word: bytes, database: str) -> None:
    line = Line(database)
    try:
        flow = make(line.url)
        flow.update()
        change()
        line.word = word
        info = flow.update()
        assert line.lost == 1
        assert not info.has_errors, "it is written again, which changes nothing"
        check_all(database)
        assert not flow.update().drifted
    finally:
        coco.stop()
        line.close()
