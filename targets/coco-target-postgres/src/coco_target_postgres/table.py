"""A table ready for rows: its columns as they travel, its statements, and a lease on the pool."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg

from coco.errors import DriftError, TargetError
from coco.kit.quoting import quote_identifier, quote_qualified
from coco.kit.retry import RetryPolicy, retry
from coco.op import FencingToken
from coco.typing import FieldSchema
from coco_target_postgres.catalog import TableInfo, find_table, type_oids, vector_schema
from coco_target_postgres.columns import Column, columns_of
from coco_target_postgres.connections import Connection, Pool, database_of, lease_pool, release_pool
from coco_target_postgres.faults import ConnectionLostError, is_transient, translated
from coco_target_postgres.fence import Fence, raise_fence
from coco_target_postgres.state import PostgresKey

T = TypeVar("T")

TRANSIENT_RETRY = RetryPolicy()
"""After deadlocks and serialisation failures."""

RECONNECT_RETRY = RetryPolicy()
"""After a connection was lost: a server that starts again may have much to recover."""


@dataclass
class PreparedTable:
    """What all data methods get. ``direct``: the table was empty and its columns are exactly ours: rows may be
    copied into it without looking for such with the same key.
    """

    key: PostgresKey
    pool: Pool
    key_columns: list[Column]
    value_columns: list[Column]
    oids: dict[str, int]
    vectors: str | None
    direct: bool
    statements: dict[Any, bytes] = field(default_factory=dict)
    closed: bool = False
    fence: Fence | None = None

    @contextlib.contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """One that may write. Raises ``FencedError`` where a later update has begun."""
        if self.fence is None:
            with connection.transaction():
                yield
            return
        try:
            self.fence.begin(connection)
            yield
            connection.execute(b"COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):  # then the connection is of no use, and says so
                if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    connection.execute(b"ROLLBACK")
            raise

    def raise_fence(self, token: FencingToken) -> None:
        """See ``fence``."""
        self.fence = self.run(
            "cannot begin to write", lambda connection: raise_fence(connection, self.key, token)
        )

    @property
    def name(self) -> str:
        """Quoted and qualified."""
        return quote_qualified(self.key.schema, self.key.table)

    @property
    def columns(self) -> list[Column]:
        return [*self.key_columns, *self.value_columns]

    def element_type(self, column: Column) -> str:
        """The type of a column without dimension, as SQL."""
        return column.element if column.oid is not None else quote_qualified(self.vectors, column.element)

    def oid(self, column: Column) -> int:
        return column.oid if column.oid is not None else self.oids[column.element]

    def statement(self, name: Any, make: Callable[[], str]) -> bytes:
        """SQL that is written once."""
        found = self.statements.get(name)
        if found is None:
            found = self.statements[name] = make().encode()
        return found

    def run(self, what: str, work: Callable[[Connection], T]) -> T:
        """``work`` on a connection; again after a deadlock, and on another connection if this one broke.

        What is repeated must be harmless when it was done before. The server's errors come as ``RowError``
        where they are about values, and as ``TargetError`` otherwise.
        """

        def attempt() -> T:
            with self.pool.connection() as connection:
                try:
                    return retry(
                        lambda: work(connection),
                        op=f"{self.key.title}: {what}",
                        policy=TRANSIENT_RETRY,
                        retriable=is_transient,
                    )
                except psycopg.Error as error:
                    raise translated(error, f"{self.key.title}: {what}", connection) from error

        def after_loss(error: BaseException) -> bool:
            if not isinstance(error, ConnectionLostError):
                return False
            self.pool.close_idle()
            return True

        return retry(attempt, op=f"{self.key.title}: {what}", policy=RECONNECT_RETRY, retriable=after_loss)

    def close(self) -> None:
        """Give the pool back; once."""
        if not self.closed:
            self.closed = True
            release_pool(self.pool)


def prepare(
    key: PostgresKey,
    vectors: Mapping[str, str],
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
) -> PreparedTable:
    """Connect and look at the table. Raises ``TargetError`` where it lacks what rows need."""
    key_columns, value_columns = columns_of(key_fields, vectors), columns_of(value_fields, vectors)
    find = functools.partial(database_of, key.database, key.title)
    pool = lease_pool(find(), find)
    try:
        with pool.connection() as connection:
            try:
                found = find_table(connection, key.schema, key.table)
                if found is None:
                    raise DriftError(f"{key.title} does not exist: it was never set up, or was dropped")
                _check(key, found, key_columns, value_columns)
                extension = sorted(
                    {item.element for item in (*key_columns, *value_columns) if item.oid is None}
                )
                oids = type_oids(connection, extension)
                schema = vector_schema(connection) if extension else None
                direct = _is_ours(found, [*key_columns, *value_columns]) and _is_empty(connection, key)
            except psycopg.Error as error:
                raise translated(error, f"cannot open {key.title}", connection) from error
    except BaseException:
        release_pool(pool)
        raise
    return PreparedTable(key, pool, key_columns, value_columns, oids, schema, direct)


def _check(
    key: PostgresKey, found: TableInfo, key_columns: Sequence[Column], value_columns: Sequence[Column]
) -> None:
    needed = [*key_columns, *value_columns]
    missing = [f"{item.name} {item.type}" for item in needed if item.name not in found.columns]
    if missing:
        raise DriftError(f"{key.title} lacks the columns {', '.join(missing)}")
    names = {item.name for item in key_columns}
    if not any(set(columns) == names for columns in found.unique):
        shown = ", ".join(quote_identifier(item.name) for item in key_columns)
        raise TargetError(
            f"{key.title} needs a primary key or a unique index on ({shown}), by which rows are replaced"
        )


def _is_ours(found: TableInfo, columns: Sequence[Column]) -> bool:
    return all(found.columns[item.name].type == item.type for item in columns)


def _is_empty(connection: Connection, key: PostgresKey) -> bool:
    table = quote_qualified(key.schema, key.table)
    row = connection.execute(f"SELECT EXISTS (SELECT FROM {table})".encode()).fetchone()
    return row is not None and not row[0]
