"""Postgres with pgvector: the target against psycopg's binary COPY, batch by batch, each committed.

The server syncs each commit. The table has its primary key and no other index.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

import coco
from benchmarks.server import ServerUnavailableError, start
from benchmarks.targets.contest import (
    Contest,
    Load,
    NotAvailableError,
    Watch,
    by_connector,
    fresh_name,
)
from benchmarks.targets.sample import Sample
from coco import DatabaseConnectionSpec
from coco_target_postgres.spec import Postgres, PostgresConnector


@contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    """Over a server of its own. Raises ``NotAvailableError``."""
    try:
        server = start(durable=True)
    except ServerUnavailableError as error:
        raise NotAvailableError(str(error)) from error
    try:
        dsn = server.fresh_database("bench_targets")
        entry = coco.add_auth_entry("bench postgres", DatabaseConnectionSpec(url=dsn), replace=True)

        def spec(name: str) -> Postgres:
            return Postgres(database=entry, table_name=name)

        yield Contest(
            by_connector(PostgresConnector, spec),
            {"COPY, binary": _copy(dsn), "COPY into a temporary table, INSERT ... ON CONFLICT": _merge(dsn)},
        )
    finally:
        server.stop()


CREATE = "CREATE TABLE {} (name text PRIMARY KEY, text text, number bigint, vector vector({}))"


def _fill(
    connection: psycopg.Connection[tuple[object, ...]], table: sql.Identifier, batch: int, sample: Sample
) -> None:
    size = sample.dimension
    pack = struct.Struct(f">hh{size}f").pack
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)) as copy:
            copy.set_types(["text", "text", "int8", "bytea"])
            for row in sample.natural[batch]:
                copy.write_row((row.name, row.text, row.number, pack(size, 0, *row.vector)))


def _copy(dsn: str) -> Load:
    def load(sample: Sample, watch: Watch) -> int:
        table = sql.Identifier(fresh_name())
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(CREATE).format(table, sample.dimension))
            with watch.running():
                for batch in range(len(sample.natural)):
                    _fill(connection, table, batch, sample)
            return _counted_and_dropped(connection, table)

    return load


def _merge(dsn: str) -> Load:
    def load(sample: Sample, watch: Watch) -> int:
        table, part = sql.Identifier(fresh_name()), sql.Identifier("part")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(CREATE).format(table, sample.dimension))
            connection.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {})").format(part, table))
            insert = sql.SQL(
                "INSERT INTO {} SELECT * FROM {} ON CONFLICT (name) DO UPDATE SET text = excluded.text, "
                "number = excluded.number, vector = excluded.vector"
            ).format(table, part)
            with watch.running():
                for batch in range(len(sample.natural)):
                    with connection.transaction():
                        connection.execute(sql.SQL("TRUNCATE {}").format(part))
                        _fill(connection, part, batch, sample)
                        connection.execute(insert)
            return _counted_and_dropped(connection, table)

    return load


def _counted_and_dropped(connection: psycopg.Connection[tuple[object, ...]], table: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    connection.execute(sql.SQL("DROP TABLE {}").format(table))
    assert row is not None and isinstance(row[0], int)
    return row[0]
