"""Targets that the laws are checked on, each behind the same small interface."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from json_file import JsonFile, JsonFileConnector, load, plain

import coco

Row = tuple[Any, ...]


class Backend(Protocol):
    """A kind of target, for one test run. Every ``fresh`` starts with nothing in it.

    ``can_verify``: coco can read its rows back. ``connector``: the class that writes.
    """

    can_verify: bool
    connector: type

    def fresh(self) -> None: ...

    def spec(self, target: str) -> Any:
        """What a flow exports into."""

    def exists(self, target: str) -> bool:
        """Whether the resource stands."""

    def rows(self, target: str, keys: Sequence[str], values: Sequence[str]) -> dict[Row, Row]:
        """All rows, read without coco, as ``plain`` gives them; a column that is not there reads as ``...``."""

    def close(self) -> None: ...


class FileBackend:
    """One JSON file per target."""

    can_verify = False
    connector: type = JsonFileConnector

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run = 0

    def fresh(self) -> None:
        self._run += 1

    def _path(self, target: str) -> Path:
        return self._folder / f"{self._run}-{target}.json"

    def spec(self, target: str) -> Any:
        return JsonFile(path=str(self._path(target)))

    def exists(self, target: str) -> bool:
        return self._path(target).exists()

    def rows(self, target: str, keys: Sequence[str], values: Sequence[str]) -> dict[Row, Row]:
        found = {}
        for parts, row in load(self._path(target)).items():
            assert row.keys() <= set(values) | {"loud", "noise", "size", "origin", "at", "words"}, row
            found[parts] = tuple(row.get(field, ...) for field in values)
        return found

    def close(self) -> None: ...


class SqliteBackend:
    """Tables of one SQLite file."""

    can_verify = True

    def __init__(self, folder: Path) -> None:
        from coco_target_sqlite.spec import SqliteConnector

        self.connector: type = SqliteConnector
        self._path = folder / "rows.db"
        self._run = 0

    def fresh(self) -> None:
        self._run += 1

    def _table(self, target: str) -> str:
        return f"t{self._run}_{target}"

    def spec(self, target: str) -> Any:
        return coco.targets.Sqlite(path=str(self._path), table=self._table(target))

    def exists(self, target: str) -> bool:
        with closing(sqlite3.connect(self._path)) as db:
            found = db.execute("SELECT 1 FROM sqlite_master WHERE name=?", (self._table(target),))
            return found.fetchone() is not None

    def rows(self, target: str, keys: Sequence[str], values: Sequence[str]) -> dict[Row, Row]:
        with closing(sqlite3.connect(self._path)) as db:
            cursor = db.execute(f'SELECT * FROM "{self._table(target)}"')
            names = [item[0] for item in cursor.description]
            return _rows([dict(zip(names, row, strict=True)) for row in cursor], keys, values)

    def close(self) -> None: ...


class PostgresBackend:
    """Tables of one database of a real server."""

    can_verify = True

    def __init__(self, url: str) -> None:
        import psycopg

        from coco_target_postgres.spec import PostgresConnector

        self.connector: type = PostgresConnector
        self._db = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        self._run = 0

    def fresh(self) -> None:
        self._run += 1

    def _table(self, target: str) -> str:
        return f"t{self._run}_{target}"

    def spec(self, target: str) -> Any:
        return coco.targets.Postgres(table_name=self._table(target))

    def exists(self, target: str) -> bool:
        found = self._db.execute("SELECT to_regclass(%s)", (self._table(target),)).fetchone()
        return found is not None and found[0] is not None

    def rows(self, target: str, keys: Sequence[str], values: Sequence[str]) -> dict[Row, Row]:
        cursor = self._db.execute(f'SELECT * FROM "{self._table(target)}"'.encode())
        names = [item.name for item in cursor.description or ()]
        return _rows([dict(zip(names, row, strict=True)) for row in cursor], keys, values)

    def close(self) -> None:
        self._db.close()


def _rows(found: list[dict[str, Any]], keys: Sequence[str], values: Sequence[str]) -> dict[Row, Row]:
    rows = {}
    for row in found:
        assert row.keys() - {"coco_id"} == {*keys, *values}  # the row number that full text search uses
        key = tuple(plain(row[field]) for field in keys)
        rows[key] = tuple(_table_or(field, row[field]) for field in values)
    assert len(rows) == len(found)
    return rows


def _table_or(field: str, value: Any) -> Any:
    """Columns of tables hold JSON, as text where the database has no such type."""
    if field in ("parts", "words") and isinstance(value, str):
        value = json.loads(value)
    return plain(value)
