"""The server that tests get (coco_testing.postgres)."""

from __future__ import annotations

import importlib.util

import psycopg
import pytest
from postgres_test_support import query

from coco_testing import postgres
from coco_testing.postgres import PostgresServer, PostgresUnavailableError, give_up, start_postgres


def test_a_server_of_the_users_own_is_taken_as_it_is(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.URL_VARIABLE, postgres_server.url + "?application_name=mine")
    with start_postgres() as server, server.database() as url:
        assert query(url, "SELECT current_setting('application_name')") == [("mine",)]
        name = query(url, "SELECT current_database()")[0][0]
    assert query(postgres_server.url, "SELECT count(*) FROM pg_database WHERE datname = %s", name) == [(0,)]


def test_a_failing_block_stops_the_server(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    urls = []

    def fail() -> None:
        with start_postgres() as server:
            urls.append(server.url)
            assert query(server.url, "SELECT 1") == [(1,)]
            raise RuntimeError("test failed")

    try:
        fail()
    except PostgresUnavailableError as error:
        give_up(error)
    except RuntimeError:
        pass
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(urls[0], connect_timeout=5)


def test_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PostgresUnavailableError, match=r"coco-testing\[postgres\]"), start_postgres():
        pass
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Postgres: why"):
        give_up(PostgresUnavailableError("why"))
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="this test requires Postgres: why"):
        give_up(PostgresUnavailableError("why"))
