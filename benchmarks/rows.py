"""Reading a target back, whichever system wrote it."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg

from benchmarks.registry import Store, System

FetchedRow = tuple[str, str, "Embedding"]
"""(file, text, embedding) of one row of a target."""


class Embedding:
    """An embedding as a database gave it; parsed only when it is looked at."""

    def __init__(self, raw: object) -> None:
        self._raw = raw

    def values(self) -> tuple[float, ...]:
        raw = self._raw
        if isinstance(raw, bytes):
            return struct.unpack(f"<{len(raw) // 4}f", raw)
        if isinstance(raw, str):
            parsed = json.loads("[" + raw.strip("{}[]") + "]")
            return tuple(float(value) for value in parsed)
        return ()


def read_rows(system: System, dsn: str, state: Path) -> list[FetchedRow]:
    """Every row. A table that is not there has none."""
    if system.store is Store.SQLITE:
        if not (state / "target.db").exists():
            return []
        with closing(connect_sqlite(state)) as sqlite:
            return list(_sqlite_rows(sqlite, system.rows))
    if system.store is Store.POSTGRES:
        with psycopg.connect(dsn) as connection:
            return list(_postgres_rows(connection, system.rows))
    return []


class FileReader:
    """Looks at the rows of one file again and again, over one connection."""

    def __init__(self, system: System, dsn: str, state: Path) -> None:
        self._query = (
            f"WITH found(file, text, embedding) AS ({system.rows}) SELECT * FROM found WHERE file = "
        )
        self._sqlite = connect_sqlite(state) if system.store is Store.SQLITE else None
        self._postgres = None if self._sqlite is not None else psycopg.connect(dsn, autocommit=True)

    def holds(self, file: str, word: str) -> bool:
        """Whether a row of the file has the word."""
        if self._sqlite is not None:
            found = self._sqlite.execute(self._query + "?", (file,)).fetchall()
        else:
            assert self._postgres is not None
            found = self._postgres.execute(self._query + "%s", (file,)).fetchall()
        return any(word in row[1].split() for row in found)

    def close(self) -> None:
        for connection in (self._sqlite, self._postgres):
            if connection is not None:
                connection.close()


def connect_sqlite(state: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{state / 'target.db'}?mode=ro", uri=True)


def _sqlite_rows(connection: sqlite3.Connection, query: str) -> Iterator[FetchedRow]:
    try:
        for file, text, embedding in connection.execute(query):
            yield file, text, Embedding(embedding)
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise


def _postgres_rows(connection: "psycopg.Connection[tuple[str, ...]]", query: str) -> Iterator[FetchedRow]:
    try:
        with connection.cursor("rows") as cursor:
            cursor.itersize = 5000
            cursor.execute(query)
            for file, text, embedding in cursor:
                yield file, text, Embedding(embedding)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return
