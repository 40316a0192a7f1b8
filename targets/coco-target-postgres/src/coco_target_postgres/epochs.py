"""The mark of the last run that wrote into a table, in a small table beside it.

Not in the comment of the table: setting that waits for, or cancels, whatever maintains the table at that time.
"""

from __future__ import annotations

import psycopg

from coco.kit.quoting import quote_qualified
from coco_target_postgres.connections import Connection, has_table
from coco_target_postgres.state import PostgresKey
from coco_target_postgres.table import PreparedTable

EPOCHS = "coco_epochs"
"""Its name, in the schema of the tables that it speaks of."""


def read_epoch(table: PreparedTable, flow: str) -> str | None:
    """The mark that a flow left; None if there is none."""
    sql = f"SELECT epoch FROM {_name(table.key)} WHERE table_name = $1 AND flow = $2".encode()

    def work(connection: Connection) -> str | None:
        try:
            row = connection.execute(sql, (table.key.table, flow)).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        return None if row is None else str(row[0])

    return table.run("cannot read which run wrote last", work)


def write_epoch(table: PreparedTable, flow: str, epoch: str) -> None:
    """Leave a mark; the first one makes the table of them. Raises ``TargetError`` where that is not allowed."""
    name = _name(table.key)
    sql = (
        f"INSERT INTO {name} VALUES ($1, $2, $3) ON CONFLICT (table_name, flow) DO UPDATE SET epoch = excluded.epoch"
    ).encode()
    make = (
        f"CREATE TABLE IF NOT EXISTS {name} "
        "(table_name text, flow text, epoch text NOT NULL, PRIMARY KEY (table_name, flow))"
    ).encode()

    def work(connection: Connection) -> None:
        try:
            connection.execute(sql, (table.key.table, flow, epoch))
        except psycopg.errors.UndefinedTable:
            try:
                connection.execute(make)
            except psycopg.errors.UniqueViolation:
                pass  # another process makes it at the same time
            connection.execute(sql, (table.key.table, flow, epoch))

    table.run("cannot note which run writes", work)


def forget(connection: Connection, key: PostgresKey) -> None:
    """Remove the marks of a table that goes, and the table of them with the last one. In a transaction."""
    name = _name(key)
    if not has_table(connection, name):
        return
    connection.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE".encode())
    connection.execute(f"DELETE FROM {name} WHERE table_name = $1".encode(), (key.table,))
    if connection.execute(f"SELECT FROM {name} LIMIT 1".encode()).fetchone() is None:
        connection.execute(f"DROP TABLE {name}".encode())


def follow(connection: Connection, former: PostgresKey, key: PostgresKey) -> None:
    """Take the marks of a table that gets another name along. In a transaction."""
    if has_table(connection, _name(former)):
        sql = f"UPDATE {_name(former)} SET table_name = $2 WHERE table_name = $1"
        connection.execute(sql.encode(), (former.table, key.table))


def _name(key: PostgresKey) -> str:
    return quote_qualified(key.schema, EPOCHS)
