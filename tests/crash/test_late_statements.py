"""A statement of an update that was killed, or had lost its lease, takes no effect once a later update writes."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import coco
from coco.environment.leases import HeldLease
from coco.errors import UnwrittenTargetError

LIMIT = 60
APP = """
import coco


@coco.flow_def(name="Late")
def late(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        rows.collect(file=doc["filename"], text=doc["content"])
    rows.export("late", coco.targets.Postgres(table_name="late"), primary_key_fields=["file"])


if __name__ == "__main__":
    late.update()
"""
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.text LIKE 'slow%' THEN PERFORM pg_advisory_xact_lock(42); END IF;
    RETURN NEW;
END $$
"""
MOMENTS = {
    "statement": "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON late FOR EACH ROW EXECUTE FUNCTION slow()",
    "commit": "CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON late DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION slow()",
}


@pytest.fixture
def database(postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCO_DATABASE_URL", postgres_database)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "docs").mkdir()
    return postgres_database


@pytest.fixture
def flow(database: str) -> coco.Flow:
    """Set up and filled."""
    write("one")
    made: coco.Flow = runpy.run_path("app.py", run_name="app")["late"]
    made.setup()
    made.update()
    return made


def write(text: str) -> None:
    """Another version of the one document."""
    place = Path("docs/a.md")
    number = place.stat().st_mtime_ns if place.exists() else 0
    place.write_text(text)
    os.utime(place, ns=(number + 10**9, number + 10**9))


def query(database: str, sql: str) -> list[Any]:
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def text(database: str) -> list[str]:
    return [text for (text,) in query(database, "SELECT text FROM late")]


@contextlib.contextmanager
def held_up(database: str) -> Iterator[None]:
    """Statements that write a slow text wait in the server."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(42)")
        yield


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_update_whose_statement_waits_in_the_server(
    moment: str, database: str, flow: coco.Flow, running: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    query(database, SLOW)
    query(database, MOMENTS[moment])
    with held_up(database):
        write("slow two")
        process = subprocess.Popen([sys.executable, "app.py"], text=True)
        running.append(process)
        waiting: list[Any] = []
        deadline = time.monotonic() + LIMIT
        while not waiting:
            assert process.poll() is None
            assert time.monotonic() < deadline
            waiting = query(
                database,
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'coco' "
                "AND datname = current_database() AND wait_event_type = 'Lock'",
            )
        process.kill()
        process.wait(LIMIT)
        write("three")
        assert not flow.update().has_errors
        assert text(database) == ["three"]
        ((pid,),) = waiting
        assert f"process {pid} of the server; it was ended" in caplog.text
        assert not query(
            database, f"SELECT pid FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
        )
    assert text(database) == ["three"]
    assert flow.verify().ok


def test_an_update_that_lost_its_lease_writes_nothing(
    database: str, flow: coco.Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(self: Any) -> bool:
        return False

    write("two")
    with monkeypatch.context() as patch:
        patch.setattr(HeldLease, "confirm", lost)
        with pytest.raises(UnwrittenTargetError, match="another process took over flow 'Late'"):
            flow.update()
    assert text(database) == ["one"]
    assert not flow.update().has_errors
    assert text(database) == ["two"]


def test_an_update_from_a_state_older_than_the_target_may_write(
    database: str, flow: coco.Flow, tmp_path: Path
) -> None:
    """Its numbers are lower than the target knows; it has the lease, so it goes on above them."""
    coco.stop()
    shutil.copy(tmp_path / "state.db", tmp_path / "backup.db")
    for number in range(3):
        write(f"version {number}")
        assert not flow.update().has_errors
    ((before,),) = query(database, "SELECT number FROM coco_fences")
    coco.stop()
    for left in tmp_path.glob("state.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "state.db")
    write("newest")
    assert not flow.update().has_errors
    assert text(database) == ["newest"]
    assert query(database, "SELECT target, flow, number FROM coco_fences") == [("late", "Late", before + 1)]


def test_lease_numbers_are_dropped_with_their_table(database: str, flow: coco.Flow) -> None:
    assert query(database, "SELECT target, flow FROM coco_fences") == [("late", "Late")]
    flow.drop()
    assert query(database, "SELECT to_regclass('coco_fences')") == [(None,)]


def test_a_run_that_writes_nothing_takes_no_lease_number(database: str, flow: coco.Flow) -> None:
    before = query(database, "SELECT number FROM coco_fences")
    flow.update()
    assert query(database, "SELECT number FROM coco_fences") == before


def test_a_user_without_create_privilege_writes_without_lease_numbers(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock alone still keeps out what waits in the server."""
    write("one")
    name = f"writer_{os.getpid()}"
    query(database, f"CREATE ROLE {name} LOGIN")
    try:
        query(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        query(database, "CREATE TABLE late (file text PRIMARY KEY, text text)")
        query(database, f"GRANT SELECT, INSERT, UPDATE, DELETE ON late TO {name}")
        monkeypatch.setenv("COCO_DATABASE_USER", name)
        Path("app.py").write_text(
            APP.replace('primary_key_fields=["file"]', 'primary_key_fields=["file"], setup_by_user=True')
        )
        flow = runpy.run_path("app.py", run_name="app")["late"]
        flow.setup()
        for content in ("two", "three"):
            write(content)
            assert not flow.update().has_errors
            assert text(database) == [content]
        assert query(database, "SELECT to_regclass('coco_fences')") == [(None,)]
    finally:
        coco.stop()
        query(database, f"DROP OWNED BY {name}")
        query(database, f"DROP ROLE {name}")
