"""One open table: writing batches, and reading back what is there."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from coco.errors import DriftError, MutationError, TargetError
from coco.kit.interruption import interruptible
from coco.op import FencingToken, MutationColumns
from coco.typing import FieldSchema
from coco_target_sqlite.adoption import has_unique_key
from coco_target_sqlite.catalog import column_names, put_epoch, read_epoch, table_exists
from coco_target_sqlite.connection import connect, explained, identity, quoted, transaction
from coco_target_sqlite.fence import check_fence, raise_fence
from coco_target_sqlite.types import column_codec

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]

PAGE_ROWS = 1_000
_BAD_ROW = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
    TypeError,
    RecursionError,
)
"""What a single row can be guilty of; everything else concerns the file."""


class _Converter:
    """Rows of some fields, all columns that need it."""

    def __init__(self, fields: Sequence[FieldSchema], attribute: str) -> None:
        codecs = [column_codec(item.value_type.type) for item in fields]
        self.steps: list[Convert | None] = [getattr(item, attribute) for item in codecs]
        self._todo = [(index, step) for index, step in enumerate(self.steps) if step is not None]

    def row(self, row: Row) -> Row:
        if not self._todo:
            return row
        cells = list(row)
        for index, step in self._todo:
            if cells[index] is not None:
                cells[index] = step(cells[index])
        return tuple(cells)

    def rows(self, rows: Sequence[Row]) -> Sequence[Row]:
        if not self._todo or not rows:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, step in self._todo:
            columns[index] = [None if value is None else step(value) for value in columns[index]]
        return list(zip(*columns, strict=True))


class Table:
    """A table as one export sees it. Calls may come from any thread, one runs at a time.

    Raises ``TargetError`` if the file or table is not as the export needs it.
    """

    def __init__(
        self,
        path: str,
        table: str,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        self._path, self._table = path, table
        self._keys = [item.name for item in key_fields]
        self._values = [item.name for item in value_fields]
        self._key_out, self._key_in = _Converter(key_fields, "encode"), _Converter(key_fields, "decode")
        self._value_out, self._value_in = (
            _Converter(value_fields, "encode"),
            _Converter(value_fields, "decode"),
        )
        self._where = " AND ".join(f"{quoted(name)} = ?" for name in self._keys)
        self._upsert_sql = self._upsert()
        self._delete_sql = f"DELETE FROM {quoted(table)} WHERE {self._where}"
        self._lock = threading.Lock()
        self._token: FencingToken | None = None
        self._db = connect(path, create=False)
        self._file = identity(path)
        try:
            self._check()
        except sqlite3.Error as error:
            self._db.close()
            raise explained(error, path, table) from error
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _check(self) -> None:
        where = f"table {self._table!r} of SQLite file {self._path}"
        if not table_exists(self._db, self._table):
            raise DriftError(f"{where} does not exist: it was never set up, or was dropped")
        present = {name.lower() for name in column_names(self._db, self._table)}
        missing = [name for name in (*self._keys, *self._values) if name.lower() not in present]
        if missing:
            raise DriftError(f"{where} has no columns {', '.join(missing)}")
        if not has_unique_key(self._db, self._table, self._keys):
            raise TargetError(f"{where} needs a UNIQUE index on ({', '.join(self._keys)}): create it")

    def _upsert(self) -> str:
        names = [quoted(name) for name in (*self._keys, *self._values)]
        keys = ", ".join(quoted(name) for name in self._keys)
        sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in self._values)
        return (
            f"INSERT INTO {quoted(self._table)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({keys}) DO {'UPDATE SET ' + sets if sets else 'NOTHING'}"
        )

    # -- marks of runs ----------------------------------------------------------------------------
    def read_epoch(self, flow: str) -> str | None:
        """The mark of the last run of a flow that wrote here."""
        with self._lock, self._explained():
            return read_epoch(self._db, self._table, flow)

    def write_epoch(self, flow: str, epoch: str) -> None:
        """Note the mark of a run."""
        with self._lock, self._explained(), transaction(self._db):
            put_epoch(self._db, self._table, flow, epoch)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self._path, self._table) from error

    # -- writing ----------------------------------------------------------------------------------
    def fence(self, token: FencingToken) -> None:
        """See ``fence``."""
        with self._lock, self._explained():
            raise_fence(self._db, self._title, self._table, token)
            self._token = token

    def _check_fence(self) -> None:
        check_fence(self._db, self._title, self._table, self._token)

    @property
    def _title(self) -> str:
        return f"table {self._table!r} of SQLite file {self._path}"

    def mutate(self, columns: MutationColumns) -> None:
        """Write a batch in one transaction.

        Raises ``MutationError`` naming the rows that SQLite refused, all others being written, or
        ``TargetError``, none being written.
        """
        with self._lock:
            try:
                try:
                    with transaction(self._db):
                        self._check_fence()
                        self._write(columns)
                except _BAD_ROW:
                    self._write_one_by_one(columns)
            except sqlite3.Error as error:
                raise explained(error, self._path, self._table) from error
            finally:
                self._check_there()

    def _check_there(self) -> None:
        """An open file can still be written after it was deleted."""
        if identity(self._path) != self._file:
            raise DriftError(f"SQLite file {self._path} was moved, deleted or replaced while it was open")

    def _write(self, columns: MutationColumns) -> None:
        if columns.changed is None:
            self._put(columns.upsert_keys, columns.upsert_rows)
        else:
            self._put_changes(columns.upsert_keys, columns.upsert_rows, columns.changed)
        if columns.delete_keys:
            self._db.executemany(self._delete_sql, self._key_out.rows(columns.delete_keys))

    def _put(self, keys: Sequence[Row], rows: Sequence[Row]) -> None:
        if keys:
            encoded = zip(self._key_out.rows(keys), self._value_out.rows(rows), strict=True)
            self._db.executemany(self._upsert_sql, [key + row for key, row in encoded])

    def _put_changes(
        self, keys: Sequence[Row], rows: Sequence[Row], changed: Sequence[tuple[int, ...] | None]
    ) -> None:
        groups: dict[tuple[int, ...] | None, list[int]] = {}
        for index, positions in enumerate(changed):
            groups.setdefault(positions or None, []).append(index)
        for positions, members in groups.items():
            some_keys = [keys[index] for index in members]
            some_rows = [rows[index] for index in members]
            if positions is not None and self._update(positions, some_keys, some_rows):
                continue
            self._put(some_keys, some_rows)

    def _update(self, positions: tuple[int, ...], keys: Sequence[Row], rows: Sequence[Row]) -> bool:
        """Write some columns only. False if not all rows were there."""
        sets = ", ".join(f"{quoted(self._values[position])} = ?" for position in positions)
        steps = self._value_out.steps
        values = []
        for key, row in zip(self._key_out.rows(keys), rows, strict=True):
            cells = []
            for position in positions:
                value, step = row[position], steps[position]
                cells.append(value if value is None or step is None else step(value))
            values.append((*cells, *key))
        sql = f"UPDATE {quoted(self._table)} SET {sets} WHERE {self._where}"
        return self._db.executemany(sql, values).rowcount == len(values)

    def _write_one_by_one(self, columns: MutationColumns) -> None:
        failed: dict[Row, str] = {}
        with transaction(self._db):
            self._check_fence()
            for key, row in zip(columns.upsert_keys, columns.upsert_rows, strict=True):
                try:
                    self._db.execute(self._upsert_sql, self._key_out.row(key) + self._value_out.row(row))
                except _BAD_ROW as error:
                    failed[key] = f"{type(error).__name__}: {error}"
            for key in columns.delete_keys:
                try:
                    self._db.execute(self._delete_sql, self._key_out.row(key))
                except _BAD_ROW as error:
                    failed[key] = f"{type(error).__name__}: {error}"
        if failed:
            raise MutationError(failed)

    # -- reading ----------------------------------------------------------------------------------
    def count(self) -> int:
        """Number of rows."""
        return int(self._read(f"SELECT count(*) FROM {quoted(self._table)}")[0][0])

    def list_keys(self) -> Iterator[list[Row]]:
        """All keys in bounded batches, in the order of the key's index."""
        names = ", ".join(quoted(name) for name in self._keys)
        page = f"SELECT {names} FROM {quoted(self._table)}"
        tail = f" ORDER BY {names} LIMIT {PAGE_ROWS}"
        after = f" WHERE ({names}) > ({', '.join('?' * len(self._keys))})"
        rows = self._read(page + tail)
        while rows:
            yield list(self._key_in.rows(rows))
            if len(rows) < PAGE_ROWS:
                return
            rows = self._read(page + after + tail, rows[-1])

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        """The values of the keys that are there."""
        names = ", ".join(quoted(name) for name in self._values) or "1"
        sql = f"SELECT {names} FROM {quoted(self._table)} WHERE {self._where}"
        found: dict[Row, Row] = {}
        with self._lock:
            try:
                for key in keys:
                    row = self._db.execute(sql, self._key_out.row(key)).fetchone()
                    if row is not None:
                        found[key] = self._value_in.row(row) if self._values else ()
            except sqlite3.Error as error:
                raise explained(error, self._path, self._table) from error
        return found

    def _read(self, sql: str, parameters: Row = ()) -> list[Row]:
        with self._lock:
            try:
                with interruptible(self._db.interrupt):
                    return self._db.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise explained(error, self._path, self._table) from error
