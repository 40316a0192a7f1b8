"""The target under the engine: what users see."""

from __future__ import annotations

import socket
import sqlite3
import struct
from pathlib import Path
from typing import Any, Literal

import pytest
from postgres_test_support import CALLS, SHELVES, column_types, index_definitions, query, shelf_flow

import coco
from coco.errors import CocoError, UnwrittenTargetError
from coco.events import BatchBisected, FlowEvent, TargetMutated
from coco_target_postgres.attachments import PostgresSqlCommand
from coco_target_postgres.spec import Postgres

COSINE = coco.VectorSimilarityMetric.COSINE_SIMILARITY


@pytest.fixture(autouse=True)
def shelf() -> dict[str, str]:
    SHELVES["texts"] = {"a": "apple", "b": "banana", "c": "cherry"}
    CALLS.clear()
    return SHELVES["texts"]


def rows(database: str, table: str = "demo__rows") -> dict[str, str]:
    return dict(query(database, f'SELECT name, text FROM "{table}" ORDER BY name'))


def written(events: list[FlowEvent]) -> tuple[int, int]:
    """(upserts, deletes) since the last question."""
    found = [item for item in events if isinstance(item, TargetMutated)]
    events.clear()
    return sum(item.upserts for item in found), sum(item.deletes for item in found)


def test_only_what_changed_is_written(database: str, shelf: dict[str, str], events: list[FlowEvent]) -> None:
    flow = shelf_flow("Demo", "texts", vector_indexes=[coco.VectorIndexDef("vector", COSINE)])
    flow.setup()
    assert column_types(database, "demo__rows") == {"name": "text", "text": "text", "vector": "vector(3)"}
    flow.update()
    assert rows(database) == {"a": "apple", "b": "banana", "c": "cherry"}
    assert query(database, "SELECT name FROM \"demo__rows\" ORDER BY vector <-> '[6,3,1]' LIMIT 1") == [
        ("b",)
    ]
    assert written(events) == (3, 0)
    flow.update()
    assert written(events) == (0, 0)
    shelf["a"] = "avocado"
    del shelf["c"]
    flow.update()
    assert written(events) == (1, 1)
    assert rows(database) == {"a": "avocado", "b": "banana"}
    flow.drop()
    assert column_types(database, "demo__rows") == {}


def test_nul_is_stripped_and_the_row_stays_ours(database: str, shelf: dict[str, str]) -> None:
    shelf.clear()
    shelf.update({"x\0y": "one\0", "z\0": "three"})
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    assert not flow.update().has_errors
    assert rows(database) == {"xy": "one", "z": "three"}
    assert flow.verify().ok
    del shelf["z\0"]
    shelf["x\0y"] = "two"
    flow.update()
    assert rows(database) == {"xy": "two"}
    assert flow.verify().ok


def test_keys_that_differ_by_nul_alone_share_a_row(database: str, shelf: dict[str, str]) -> None:
    shelf.clear()
    shelf.update({"x\0y": "one", "xy": "two", "other": "three"})
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    assert not flow.update().has_errors
    assert set(rows(database)) == {"xy", "other"}


def test_a_new_column_is_filled_from_the_memo(database: str) -> None:
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    flow.update()
    assert sorted(CALLS) == ["apple", "banana", "cherry"]
    flow.close()

    def wider(row: Any) -> dict[str, Any]:
        from postgres_test_support import postgres_test_vector

        row["vector"] = row["text"].transform(postgres_test_vector)
        return {"name": row["name"], "text": row["text"], "vector": row["vector"], "again": row["vector"]}

    flow = shelf_flow("Demo", "texts", collect=wider)
    flow.setup(allow_destructive=True)
    flow.update()
    assert query(database, 'SELECT count(*) FROM "demo__rows" WHERE again = vector') == [(3,)]
    assert len(CALLS) == 3


def test_another_key_recreates_the_table(database: str) -> None:
    def collect(row: Any) -> dict[str, Any]:
        return {"name": row["name"], "text": row["text"]}

    flow = shelf_flow("Demo", "texts", collect=collect)
    flow.setup()
    flow.update()
    flow.close()
    flow = shelf_flow("Demo", "texts", collect=collect, keys=["name", "text"])
    flow.setup(allow_destructive=True)
    assert rows(database) == {}
    flow.update()
    assert rows(database) == {"a": "apple", "b": "banana", "c": "cherry"}


def test_an_index_is_added_and_removed_without_writing_rows(database: str, events: list[FlowEvent]) -> None:
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    flow.update()
    assert written(events) == (3, 0)
    for indexes in ([coco.VectorIndexDef("vector", COSINE)], []):
        flow.close()
        flow = shelf_flow("Demo", "texts", vector_indexes=indexes)
        flow.setup()
        assert len(index_definitions(database, "demo__rows")) == len(indexes)
        flow.update()
        assert written(events) == (0, 0)


def test_a_vector_may_become_a_halfvec(database: str) -> None:
    from coco_target_postgres.spec import PostgresColumnOptions

    flow = shelf_flow("Demo", "texts")
    flow.setup()
    flow.update()
    flow.close()
    flow = shelf_flow(
        "Demo", "texts", Postgres(column_options={"vector": PostgresColumnOptions(type="halfvec")})
    )
    flow.setup(allow_destructive=True)
    flow.update()
    assert column_types(database, "demo__rows")["vector"] == "halfvec(3)"
    assert query(database, "SELECT vector::text FROM \"demo__rows\" WHERE name = 'b'") == [("[6,3,1]",)]
    assert len(CALLS) == 3
    assert flow.verify().ok


@pytest.mark.parametrize("damage", ["TRUNCATE", "DELETE FROM"])
def test_an_emptied_table_is_noticed_and_filled_without_calls(database: str, damage: str) -> None:
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    flow.update()
    query(database, f'{damage} "demo__rows"')
    info = flow.update()
    assert info.drifted == ["rows"]
    assert info.has_errors
    assert not flow.verify().ok
    CALLS.clear()
    report = flow.verify(repair=True)
    assert report.ok
    assert report.repaired == 3
    assert CALLS == []
    assert rows(database) == {"a": "apple", "b": "banana", "c": "cherry"}
    assert not flow.update().has_errors


def test_altered_and_foreign_rows_are_found_and_put_right(database: str) -> None:
    flow = shelf_flow("Demo", "texts")
    flow.setup()
    flow.update()
    query(database, "UPDATE \"demo__rows\" SET vector = '[1,2,3]' WHERE name = 'a'")
    query(database, "UPDATE \"demo__rows\" SET text = 'x' WHERE name = 'b'")
    query(database, "INSERT INTO \"demo__rows\" (name) VALUES ('stranger')")
    (check,) = flow.verify().targets
    assert (len(check.missing), len(check.different), len(check.extra)) == (0, 2, 1)
    assert flow.verify(repair=True).ok
    assert rows(database) == {"a": "apple", "b": "banana", "c": "cherry"}


def test_a_row_the_server_refuses_fails_alone(
    database: str, shelf: dict[str, str], events: list[FlowEvent]
) -> None:
    shelf.update({f"n{i}": f"text {i}" for i in range(40)})
    shelf["n17"] = "forbidden"
    flow = shelf_flow(
        "Demo",
        "texts",
        attachments=[
            PostgresSqlCommand(
                name="check",
                setup_sql='ALTER TABLE "demo__rows" DROP CONSTRAINT IF EXISTS fine; '
                "ALTER TABLE \"demo__rows\" ADD CONSTRAINT fine CHECK (text <> 'forbidden')",
            )
        ],
    )
    flow.setup()
    info = flow.update()
    assert (info["texts"].num_insertions, info["texts"].num_errors) == (42, 1)
    assert len(rows(database)) == 42
    assert any(isinstance(item, BatchBisected) for item in events)
    (failure,) = flow.errors()
    assert "n17" in str(failure.key)
    assert "fine" in failure.message
    shelf["n17"] = "allowed"
    assert not flow.update().has_errors
    assert rows(database)["n17"] == "allowed"


def test_a_killed_connection_does_not_end_an_update(
    database: str, shelf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from coco_target_postgres import mutate as mutation

    flow = shelf_flow("Demo", "texts")
    flow.setup()
    original = mutation._upserts
    killed: list[int] = []

    def killing(*given: Any) -> Any:
        if not killed:
            killed.append(
                len(
                    query(
                        database,
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'coco' "
                        "AND datname = current_database()",
                    )
                )
            )
        return original(*given)

    monkeypatch.setattr(mutation, "_upserts", killing)
    assert not flow.update().has_errors
    assert killed[0] > 0
    assert rows(database) == shelf


def test_a_target_that_is_down_fails_rows_and_the_next_update_succeeds(
    database: str, shelf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = coco.add_auth_entry("down", coco.DatabaseConnectionSpec(database), replace=True)
    flow = shelf_flow("Demo", "texts", Postgres(database=entry))
    flow.setup()
    flow.update()
    shelf["d"] = "date"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        gone = coco.DatabaseConnectionSpec(f"postgresql://u:s3cr3t@127.0.0.1:{port}/x")
        coco.add_auth_entry("down", gone, replace=True)
        with pytest.raises(UnwrittenTargetError) as failed:
            flow.update()
    info = failed.value.info
    assert info["texts"].num_errors == 1
    assert info.has_errors
    text = str(flow.errors()) + str(info)
    assert "Failed to connect" in text
    assert "s3cr3t" not in text
    coco.add_auth_entry("down", coco.DatabaseConnectionSpec(database), replace=True)
    assert not flow.update().has_errors
    assert rows(database) == shelf


def test_nothing_secret_is_stored(database: str, tmp_path: Path) -> None:
    secret = "s3cr3t-Pa55"
    entry = coco.add_auth_entry(
        "with password", coco.DatabaseConnectionSpec(database, password=secret), replace=True
    )
    flow = shelf_flow("Demo", "texts", Postgres(database=entry))
    flow.setup()
    flow.update()
    assert rows(database)
    coco.stop()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        dumped = "\n".join(connection.iterdump())
    connection.close()
    assert "with password" in dumped
    assert secret not in dumped
    assert secret.encode().hex() not in dumped.lower()
    assert database.rpartition("@")[2].partition("/")[0] not in dumped


def test_a_user_managed_table_is_only_written_to(database: str) -> None:
    query(database, "CREATE EXTENSION vector")
    query(
        database,
        "CREATE TABLE mine (name text PRIMARY KEY, text text, vector vector(3), made timestamptz DEFAULT now())",
    )
    flow = shelf_flow("Demo", "texts", Postgres(table_name="mine"), setup_by_user=True)
    flow.setup()
    flow.update()
    assert rows(database, "mine") == {"a": "apple", "b": "banana", "c": "cherry"}
    flow.drop()
    assert "made" in column_types(database, "mine")


def test_a_table_of_someone_else_is_not_adopted(database: str) -> None:
    query(database, "CREATE TABLE mine (name text PRIMARY KEY)")
    flow = shelf_flow("Demo", "texts", Postgres(table_name="mine"))
    with pytest.raises(CocoError, match="setup_by_user=True"):
        flow.setup()
    assert list(column_types(database, "mine")) == ["name"]


def test_a_renamed_table_moves_the_rows(database: str) -> None:
    flow = shelf_flow("Demo", "texts", Postgres(table_name="one"))
    flow.setup()
    flow.update()
    flow.close()
    flow = shelf_flow("Demo", "texts", Postgres(table_name="two", schema="other"))
    flow.setup(allow_destructive=True)
    flow.update()
    assert column_types(database, "one") == {}
    assert query(database, "SELECT count(*) FROM other.two") == [(3,)]
    assert len(CALLS) == 3


# -- attachments ----------------------------------------------------------------------------------


def log_command(name: str, note: str, teardown: str | None = None) -> PostgresSqlCommand:
    return PostgresSqlCommand(
        name=name,
        setup_sql=f"CREATE TABLE IF NOT EXISTS log (at serial, note text); INSERT INTO log (note) VALUES ('{note}')",
        teardown_sql=None
        if teardown is None
        else f"INSERT INTO log (note) SELECT '{teardown}' || count(*) FROM \"demo__rows\"",
    )


def notes(database: str) -> list[str]:
    return [note for (note,) in query(database, "SELECT note FROM log ORDER BY at")]


def with_attachments(*attachments: PostgresSqlCommand, **options: Any) -> coco.Flow:
    for flow in list(coco.flows().values()):
        flow.close()
    flow = shelf_flow("Demo", "texts", attachments=attachments, **options)
    flow.setup(allow_destructive=True)
    return flow


def test_the_life_of_an_attachment(database: str) -> None:
    flow = with_attachments(log_command("one", "one", "end of one "))
    flow.update()
    flow.setup()
    assert notes(database) == ["one"]
    with_attachments(log_command("one", "one changed", "end of one "))
    assert notes(database) == ["one", "one changed"]
    with_attachments(log_command("one", "one changed", "new end of one "), log_command("two", "two"))
    assert notes(database)[2:] == ["two"]
    flow = with_attachments(log_command("two", "two"))
    assert notes(database)[3:] == ["new end of one 3"]
    flow = with_attachments(log_command("two", "two", "end of two "))
    assert notes(database)[4:] == []
    flow.drop()
    assert notes(database)[4:] == ["end of two 3"]
    assert column_types(database, "demo__rows") == {}


def test_a_recreated_table_gets_its_attachments_again(database: str) -> None:
    def collect(row: Any) -> dict[str, Any]:
        return {"name": row["name"], "text": row["text"]}

    flow = with_attachments(log_command("one", "one", "end "), collect=collect)
    flow.update()
    with_attachments(log_command("one", "one", "end "), collect=collect, keys=["name", "text"])
    assert notes(database) == ["one", "end 3", "one"]


def test_a_failing_attachment_is_named_and_the_next_setup_continues(database: str) -> None:
    def command(sql: str) -> PostgresSqlCommand:
        return PostgresSqlCommand(name="broken", setup_sql=f"SELECT 1; {sql}; SELECT 2")

    with pytest.raises(CocoError, match=r"'broken'.*no_such.*statement: SELECT no_such\(\)(\n|$)"):
        with_attachments(log_command("one", "one"), command("SELECT no_such()"))
    assert "vector" in column_types(database, "demo__rows")
    flow = with_attachments(log_command("one", "one"), command("SELECT 3"))
    flow.update()
    assert rows(database)


def test_an_index_of_the_users_own(database: str) -> None:
    """Also CREATE INDEX CONCURRENTLY, which cannot run inside a transaction."""
    flow = with_attachments(
        PostgresSqlCommand(
            name="fts",
            setup_sql='CREATE INDEX CONCURRENTLY IF NOT EXISTS words ON "demo__rows" '
            "USING gin (to_tsvector('english', text))",
            teardown_sql="DROP INDEX IF EXISTS words",
        )
    )
    flow.update()
    assert list(index_definitions(database, "demo__rows")) == ["words"]
    with_attachments()
    assert index_definitions(database, "demo__rows") == {}


def test_packed_vectors_arrive_as_numbers(database: str) -> None:
    """The Float32 values that a function gave, to the bit."""
    from coco import op

    @op.function(behavior_version=1)
    def thirds(text: str) -> coco.Vector[coco.Float32, Literal[2]]:
        return [len(text) / 3, -1e-7]

    def collect(row: Any) -> dict[str, Any]:
        row["v"] = row["text"].transform(thirds)
        return {"name": row["name"], "v": row["v"]}

    flow = shelf_flow("Demo", "texts", collect=collect)
    flow.setup()
    flow.update()
    found = query(database, "SELECT vector_send(v) FROM \"demo__rows\" WHERE name = 'a'")
    assert found == [(struct.pack(">HHff", 2, 0, 5 / 3, -1e-7),)]
