"""Addresses, pools, lost connections and secrets."""

from __future__ import annotations

import functools
import logging
import socket
import threading
from typing import Any

import psycopg
import pytest
from postgres_test_support import export, fields, query

import coco
from coco.errors import AuthEntryError, ClientError, TargetError, is_retriable
from coco.kit.retry import RetryPolicy, Timing, retry
from coco_target_postgres import connections, table
from coco_target_postgres.connections import Address, lease_pool, open_pools, release_pool
from coco_target_postgres.faults import RowError, translated
from coco_target_postgres.spec import Postgres, PostgresConnector
from coco_target_postgres.state import PostgresKey

SECRET = "s3cr3t-Pa55"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chain(error: BaseException | None) -> list[str]:
    """Everything that a traceback would show."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *getattr(error, "__notes__", [])]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return texts


def test_user_and_password_override_the_url() -> None:
    address = Address.of(
        coco.DatabaseConnectionSpec("postgres://a:b@h:1/d?sslmode=disable", "me@home", "p@ss/w:rd")
    )
    assert {
        name: address.parameters[name] for name in ("user", "password", "host", "port", "dbname", "sslmode")
    } == {
        "user": "me@home",
        "password": "p@ss/w:rd",
        "host": "h",
        "port": "1",
        "dbname": "d",
        "sslmode": "disable",
    }
    assert address.shown == "me@home@h:1/d"
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:{{port}}/d",
        f"postgresql://u@127.0.0.1:{{port}}/d?password={SECRET}",
        f"host=127.0.0.1 port={{port}} password={SECRET}",
        f"postgresql://u:x@{SECRET}@127.0.0.1:{{port}}/d",
        f"postgresql://u:/{SECRET}@127.0.0.1:{{port}}/d",
        f"postgresql://u:[{SECRET}@127.0.0.1:{{port}}/d",
        f"postgresql://u:%zz{SECRET}@127.0.0.1/d",
        f"host=127.0.0.1 pasword={SECRET}",
        f"postgresql://u:{SECRET}127.0.0.1:{{port}}/d",
        f"postgresql://u:{SECRET}#127.0.0.1:{{port}}/d",
        f"postgresql://u{SECRET}@127.0.0.1:{{port}}/d",
        f"postgresql:/u:{SECRET}@127.0.0.1:{{port}}/d",
    ],
)
def test_a_password_is_never_shown(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCO_DATABASE_URL", url.format(port=free_port()))
    caplog.set_level(logging.DEBUG)
    with pytest.raises((TargetError, ClientError)) as caught:
        export(fields(id=int), []).set_up()
    assert not [text for text in chain(caught.value) if SECRET in text]
    assert SECRET not in caplog.text


def test_a_wrong_password_is_not_repeated(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server trusts everyone, so the error is a made one; it goes the way of all errors."""
    monkeypatch.setenv("COCO_DATABASE_PASSWORD", SECRET)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise psycopg.OperationalError(f'connection failed: password={kwargs["password"]} "{SECRET}" refused')

    with monkeypatch.context() as patch:
        patch.setattr(psycopg, "connect", refuse)
        with pytest.raises(TargetError, match="Failed to connect to database URL") as caught:
            export(fields(id=int), []).set_up()
    assert not [text for text in chain(caught.value) if SECRET in text]


def test_an_entry_that_is_missing_names_key_and_table(database: str) -> None:
    spec = Postgres(database=coco.ref_auth_entry("nowhere"), table_name="t")
    with pytest.raises(AuthEntryError, match=r"'nowhere'.*table t in database 'nowhere'"):
        PostgresConnector.prepare(spec, fields(id=int), [])


def test_an_entry_may_move_to_another_address(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key names the backend, whatever its address is now."""
    monkeypatch.delenv("COCO_DATABASE_URL")
    target = export(fields(id=int), fields(a=str))
    coco.add_auth_entry("moving", coco.DatabaseConnectionSpec("postgresql://127.0.0.1:1/x"), replace=True)
    target.spec = Postgres(database=coco.ref_auth_entry("moving"), table_name="rows")
    with pytest.raises(TargetError):
        target.set_up()
    coco.add_auth_entry("moving", coco.DatabaseConnectionSpec(database), replace=True)
    target.set_up()
    target.write({(1,): ("x",)})
    assert query(database, "SELECT * FROM rows") == [(1, "x")]
    assert target.key == PostgresKey("moving", "public", "rows")


def test_a_killed_connection_is_replaced_within_the_call(database: str) -> None:
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    with target.opened() as opened:
        PostgresConnector.mutate_columns((opened, target.batch({(1,): ("a",)})))
        kill_all(database)
        PostgresConnector.mutate_columns((opened, target.batch({(2,): ("b",)})))
        kill_all(database)
        assert PostgresConnector.count_rows(opened) == 2


def kill_all(database: str) -> None:
    """End the connections of the pools in this process."""
    killed = query(
        database,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'coco'",
    )
    assert killed
    assert all(done for (done,) in killed)


def test_a_connection_killed_inside_a_transaction(database: str) -> None:
    """A trigger ends its own backend at the first try; the second finds nothing half done."""
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    target.write({(9,): ("old",)})
    query(
        database,
        "CREATE SEQUENCE tries; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.a = 'deadly' AND nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; "
        "RETURN NEW; END $$; CREATE TRIGGER die BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION die()",
    )
    target.write({(9,): None, (1,): ("fine",), (2,): ("deadly",)})
    assert target.read() == {(1,): ("fine",), (2,): ("deadly",)}
    assert query(database, "SELECT last_value FROM tries") == [(2,)]


def test_a_deadlock_is_retried(database: str) -> None:
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    query(
        database,
        "CREATE SEQUENCE tries; CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'made up' USING ERRCODE = '40P01'; END IF; "
        "RETURN NEW; END $$; CREATE TRIGGER clash BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION clash()",
    )
    target.write({(1,): ("a",)})
    assert target.read() == {(1,): ("a",)}


def test_an_unreachable_server_is_a_clear_retriable_error(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RECONNECT_RETRY", RetryPolicy(first=0.001, cap=0.001, max_attempts=2))
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    with target.opened() as opened:
        address = opened.pool.address
        monkeypatch.setitem(address.parameters, "port", str(free_port()))
        kill_all(database)
        with pytest.raises(TargetError, match="Failed to connect to database URL") as caught:
            PostgresConnector.mutate_columns((opened, target.batch({(1,): ("a",)})))
        assert is_retriable(caught.value)
        monkeypatch.setitem(address.parameters, "port", database.rpartition(":")[2].partition("/")[0])
        PostgresConnector.mutate_columns((opened, target.batch({(1,): ("a",)})))
    assert target.read() == {(1,): ("a",)}


def test_a_server_that_restarts_for_nine_minutes_is_waited_for(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = database.rpartition(":")[2].partition("/")[0]
    target = export(fields(id=int), fields(a=str))
    target.set_up()
    with target.opened() as opened:
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds
            if now > 540:
                monkeypatch.setitem(opened.pool.address.parameters, "port", port)

        timing = Timing(now=lambda: now, sleep=sleep)
        monkeypatch.setattr(table, "retry", functools.partial(retry, timing=timing))
        monkeypatch.setitem(opened.pool.address.parameters, "port", str(free_port()))
        kill_all(database)
        PostgresConnector.mutate_columns((opened, target.batch({(1,): ("a",)})))
    assert now > 540
    assert target.read() == {(1,): ("a",)}


def test_one_pool_per_url_and_user(database: str, caplog: pytest.LogCaptureFixture) -> None:
    spec = coco.DatabaseConnectionSpec(database, min_connections=1, max_connections=3)
    first = lease_pool(spec)
    second = lease_pool(coco.DatabaseConnectionSpec(database, password="other"))
    third = lease_pool(coco.DatabaseConnectionSpec(database, user="postgres"))
    assert first is second
    assert first is not third
    assert len([record for record in caplog.records if "another password or size" in record.message]) == 1
    assert len(open_pools()) == 2
    for pool in (first, second, third):
        release_pool(pool)
    assert open_pools() == []


def test_a_pool_that_could_not_be_made_is_not_remembered(database: str) -> None:
    spec = coco.DatabaseConnectionSpec("postgresql://127.0.0.1:1/x")
    for _ in range(2):
        with pytest.raises(TargetError):
            lease_pool(spec)
        assert open_pools() == []


def test_a_pool_never_exceeds_its_size_and_waits(database: str) -> None:
    pool = lease_pool(coco.DatabaseConnectionSpec(database, min_connections=0, max_connections=2))
    active, most = [0], [0]
    lock = threading.Lock()
    together = threading.Barrier(2)

    def work() -> None:
        with pool.connection() as connection:
            with lock:
                active[0] += 1
                most[0] = max(most[0], active[0])
            connection.execute("SELECT 1")
            together.wait(30)
            with lock:
                active[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    release_pool(pool)
    assert most == [2]


def test_a_pool_that_stays_full_says_so(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ACQUIRE_SECONDS", 0.01)
    pool = lease_pool(coco.DatabaseConnectionSpec(database, min_connections=0, max_connections=1))
    with (
        pool.connection(),
        pytest.raises(TargetError, match=r"Failed to acquire connection from pool.*max_connections"),
    ):
        with pool.connection():
            pass
    release_pool(pool)


def test_a_connection_left_in_a_transaction_is_not_used_again(database: str) -> None:
    pool = lease_pool(coco.DatabaseConnectionSpec(database))
    with pool.connection() as connection:
        connection.execute("BEGIN")
    with pool.connection() as other:
        assert other is not connection
    release_pool(pool)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.errors.CheckViolation("x"), RowError, ""),
        (psycopg.errors.NumericValueOutOfRange("x"), RowError, ""),
        (psycopg.errors.RaiseException("x"), RowError, ""),
        (psycopg.errors.ProgramLimitExceeded("x"), RowError, ""),
        (psycopg.errors.UndefinedTable("x"), TargetError, "coco verify --repair"),
        (psycopg.errors.InsufficientPrivilege("x"), TargetError, "grant"),
        (psycopg.errors.DiskFull("x"), TargetError, "disk"),
        (psycopg.errors.InvalidSqlStatementName("x"), TargetError, "session pooler"),
        (psycopg.errors.AdminShutdown("x"), TargetError, "connection was lost"),
    ],
)
def test_errors_of_the_server_are_sorted(error: psycopg.Error, kind: type[Exception], words: str) -> None:
    found = translated(error, "table t: cannot write rows", None)
    assert type(found) is kind or (kind is TargetError and isinstance(found, TargetError))
    assert is_retriable(found) is (kind is TargetError)
    assert words in str(found)


def test_secrets_are_those_of_the_moment(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection has the password that the reference stands for when it is made."""
    monkeypatch.setenv("PG_PASSWORD_OF_TESTS", "first-of-all")
    coco.add_auth_entry(
        "rotating",
        coco.DatabaseConnectionSpec(
            database, user=None, password=coco.secret("env:PG_PASSWORD_OF_TESTS"), min_connections=0
        ),
        replace=True,
    )
    given: list[str] = []
    connect = psycopg.connect

    def noted(*args: Any, **parameters: Any) -> Any:
        if "password" in parameters:
            given.append(parameters["password"])
        return connect(*args, **parameters)

    monkeypatch.setattr(psycopg, "connect", noted)
    find = functools.partial(connections.database_of, "rotating", "a test")
    pool = lease_pool(find(), find)
    try:
        monkeypatch.setenv("PG_PASSWORD_OF_TESTS", "second-to-none")
        with pool.connection(), pool.connection():  # the first is there already
            pass
        assert given == ["first-of-all", "second-to-none"]
        assert pool.address.scrubbed("second-to-none") == "***"
        assert lease_pool(find(), find) is pool
        release_pool(pool)
    finally:
        release_pool(pool)
