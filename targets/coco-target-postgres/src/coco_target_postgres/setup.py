"""Making a table what it should be, whatever it is now.

The database itself is asked what is there, so a setup that was interrupted anywhere, or is repeated, ends at
the same place. Columns and indexes that coco made carry a comment; others, such as those of an attachment, are
never dropped.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from coco.errors import CocoError, TargetError
from coco.kit.interruption import interruptible
from coco.kit.quoting import quote_identifier, quote_identifiers, quote_literal, quote_qualified
from coco.op import Adoption
from coco_target_postgres import epochs, fence
from coco_target_postgres.catalog import TableInfo, find_indexes, find_table, vector_schema
from coco_target_postgres.columns import is_vector_column
from coco_target_postgres.connections import Address, Connection, database_of, end_statement
from coco_target_postgres.faults import server_message, translated
from coco_target_postgres.names import index_name
from coco_target_postgres.state import IndexState, PostgresKey, PostgresState

MARK = "made by coco"
COUNTED_ROWS = 1_000
"""A plan counts the rows of a table that it takes over up to here; exact numbers of large tables take long."""


@contextmanager
def setup_connection(key: PostgresKey, what: str) -> Iterator[Connection]:
    """A connection of its own for DDL; the server's errors come as ``TargetError`` naming table and step."""
    connection = Address.of(database_of(key.database, key.title)).connect()
    try:
        with interruptible(functools.partial(end_statement, connection)):
            yield connection
    except psycopg.Error as error:
        raise setup_error(error, f"{what} {key.title}", connection) from error
    finally:
        connection.close()


def setup_error(error: psycopg.Error, what: str, connection: Connection | None) -> CocoError:
    """The error to raise: setup knows no rows, so each is one of the target."""
    found = translated(error, what, connection)
    return found if isinstance(found, TargetError) else TargetError(f"{what}: {server_message(error)}")


def check_existing(key: PostgresKey, desired: PostgresState) -> Adoption | str | None:
    """What stands where a table shall be made: nothing, what fits, or why it does not."""
    with setup_connection(key, "cannot look for") as connection:
        found = find_table(connection, key.schema, key.table)
        if found is None:
            return None
        misfits = _misfits(found, desired)
        if misfits:
            return (
                f"{key.title} exists already, was not made by this flow, and does not fit: {'; '.join(misfits)}; give "
                "another table_name=, or setup_by_user=True to write into it as it is, or remove it"
            )
        table = quote_qualified(key.schema, key.table)
        some = f"SELECT count(*) FROM (SELECT FROM {table} LIMIT {COUNTED_ROWS + 1}) AS part".encode()
        row = connection.execute(some).fetchone()
    assert row is not None
    note = f"it holds {row[0] if row[0] <= COUNTED_ROWS else f'more than {COUNTED_ROWS}'} rows"
    if any(item.mark == MARK for item in found.columns.values()):
        note += "; coco made it, for another flow or with another state store: see that none writes into it"
    return Adoption(note)


def _misfits(found: TableInfo, desired: PostgresState) -> list[str]:
    """Why rows cannot go into a table as it is; empty if they can."""
    if found.kind not in ("r", "p"):
        return ["it is a view or the like"]
    misfits = []
    wanted = [(item.name, item.type) for item in desired.key_columns]
    actual = [(name, found.columns[name].type) for name in found.primary_key]
    if actual != wanted:
        shown, needed = (", ".join(f"{name} {type_}" for name, type_ in key) for key in (actual, wanted))
        misfits.append(f"its primary key is ({shown or 'none'}), the flow needs ({needed})")
    for name, type_ in desired.value_columns.items():
        there = found.columns.get(name)
        if there is None:
            misfits.append(f"it has no column {name} {type_}")
        elif there.type != type_:
            misfits.append(f"column {name} is {there.type}, the flow needs {type_}")
        elif there.not_null:
            misfits.append(f"column {name} is NOT NULL")
    ours = {*desired.value_columns, *(name for name, _ in wanted)}
    misfits += [
        f"column {name} is NOT NULL, has no default, and the flow has no such field"
        for name, item in found.columns.items()
        if name not in ours and item.not_null and not item.filled and name not in found.primary_key
    ]
    return misfits


def apply_setup_change(
    key: PostgresKey, previous: PostgresState | None, current: PostgresState | None
) -> None:
    """Drop the table, or make it what ``current`` says, in one transaction."""
    if current is None:
        with setup_connection(key, "cannot drop") as connection, connection.transaction():
            _lock(connection, key)
            connection.execute(f"DROP TABLE IF EXISTS {quote_qualified(key.schema, key.table)}".encode())
            epochs.forget(connection, key)
            fence.forget(connection, key)
        return
    with setup_connection(key, "cannot set up") as connection, connection.transaction():
        _lock(connection, key)
        _Setup(connection, key, current).run(previous)


def rename(former: PostgresKey, key: PostgresKey, states: Sequence[PostgresState]) -> None:
    """Give a table, and the indexes named after it, another name. Nothing happens if there is none under ``former``."""
    with setup_connection(key, "cannot rename") as connection, connection.transaction():
        for item in sorted((former, key), key=lambda item: item.table):
            _lock(connection, item)
        found = find_table(connection, former.schema, former.table)
        if found is None:
            return
        if find_table(connection, key.schema, key.table) is not None:
            raise TargetError(
                f"{former.title} cannot be renamed to {key.title}, which exists already; drop or rename one of them, or "
                f"give table_name={former.table!r}"
            )
        names = {f"{former.table}_pkey": f"{key.table}_pkey"}
        for index in (item for state in states for item in state.indexes):
            names[_index_name(former, index)] = _index_name(key, index)
        old, new = quote_qualified(former.schema, former.table), quote_identifier(key.table)
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}".encode())
        epochs.follow(connection, former, key)
        fence.rename(connection, former, key)
        for name in find_indexes(connection, found.oid):
            if name in names:
                index_sql = quote_qualified(key.schema, name)
                connection.execute(
                    f"ALTER INDEX {index_sql} RENAME TO {quote_identifier(names[name])}".encode()
                )


def _lock(connection: Connection, key: PostgresKey) -> None:
    """Two setups at once would trip over each other's IF NOT EXISTS."""
    number = zlib.crc32(f"coco setup {key.schema}.{key.table}".encode())
    connection.execute("SELECT pg_advisory_xact_lock(1668246383, $1::bigint::bit(32)::int)", (number,))


class _Setup:
    def __init__(self, connection: Connection, key: PostgresKey, state: PostgresState) -> None:
        self._connection = connection
        self._key = key
        self._state = state
        self._table = quote_qualified(key.schema, key.table)
        self._vector_schema: str | None = None

    def run(self, previous: PostgresState | None) -> None:
        types = [*self._state.value_columns.values(), *(item.type for item in self._state.key_columns)]
        if any(map(is_vector_column, types)):
            self._vector_schema = self._need_extension()
        if self._key.schema != "public":
            self._execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(self._key.schema)}")
        found = find_table(self._connection, self._key.schema, self._key.table)
        if found is None:
            self._create()
        else:
            self._check_key(found)
            self._alter(found, previous)
        self._indexes()

    def _execute(self, sql: str) -> None:
        self._connection.execute(sql.encode())

    # -- extension --------------------------------------------------------------------------------
    def _need_extension(self) -> str:
        schema = vector_schema(self._connection)
        if schema is not None:
            return schema
        try:
            with self._connection.transaction():
                self._execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            raise TargetError(
                f"{self._key.title} has vector columns and needs the extension pgvector, which cannot be made: "
                f"{server_message(error)}; install pgvector on the server, and run `CREATE EXTENSION vector` in the "
                "database as a user who may"
            ) from error
        made = vector_schema(self._connection)
        assert made is not None
        return made

    def _type(self, type_: str) -> str:
        if is_vector_column(type_) and self._vector_schema is not None:
            return f"{quote_identifier(self._vector_schema)}.{type_}"
        return type_

    # -- table ------------------------------------------------------------------------------------
    def _create(self) -> None:
        keys = [
            f"{quote_identifier(item.name)} {self._type(item.type)} NOT NULL"
            for item in self._state.key_columns
        ]
        values = [
            f"{quote_identifier(name)} {self._type(type_)}"
            for name, type_ in self._state.value_columns.items()
        ]
        names = quote_identifiers([item.name for item in self._state.key_columns])
        body = ", ".join([*keys, *values, f"PRIMARY KEY ({names})"])
        self._execute(f"CREATE TABLE {self._table} ({body})")
        for name in self._state.value_columns:
            self._mark(name)

    def _mark(self, column: str) -> None:
        self._execute(f"COMMENT ON COLUMN {self._table}.{quote_identifier(column)} IS {quote_literal(MARK)}")

    def _check_key(self, found: TableInfo) -> None:
        """A key is never changed in place: the engine drops and creates. Else the table is someone else's."""
        wanted = [(item.name, item.type) for item in self._state.key_columns]
        actual = [(name, found.columns[name].type) for name in found.primary_key]
        if found.kind not in ("r", "p"):
            raise TargetError(
                f"{self._key.title} is not a table but a view or the like; give another table_name="
            )
        if wanted != actual:
            shown = ", ".join(f"{name} {type_}" for name, type_ in actual) or "none"
            needed = ", ".join(f"{name} {type_}" for name, type_ in wanted)
            raise TargetError(
                f"{self._key.title} exists with the primary key ({shown}), the flow needs ({needed}); drop the table, "
                "or give another table_name="
            )

    def _alter(self, found: TableInfo, previous: PostgresState | None) -> None:
        ours = set(previous.value_columns) if previous is not None else set()
        ours |= {name for name, item in found.columns.items() if item.mark == MARK}
        wanted = self._state.value_columns
        keys = {item.name for item in self._state.key_columns}
        actions, made = [], []
        for name in found.columns:
            if name in ours and name not in keys and wanted.get(name) != found.columns[name].type:
                actions.append(f"DROP COLUMN {quote_identifier(name)}")
        for name, type_ in wanted.items():
            there = found.columns.get(name)
            if there is not None and there.type == type_:
                if there.mark is None:
                    made.append(name)
                continue
            if there is not None and name not in ours:
                raise TargetError(
                    f"{self._key.title} exists with column {name} of type {there.type}, the flow needs {type_}; change "
                    "the column, drop the table, or give another table_name="
                )
            actions.append(f"ADD COLUMN {quote_identifier(name)} {self._type(type_)}")
            made.append(name)
        if actions:
            self._execute(f"ALTER TABLE {self._table} {', '.join(actions)}")
        for name in made:
            self._mark(name)

    # -- indexes ----------------------------------------------------------------------------------
    def _indexes(self) -> None:
        found = find_table(self._connection, self._key.schema, self._key.table)
        assert found is not None
        there = find_indexes(self._connection, found.oid)
        wanted = {_index_name(self._key, item): item for item in self._state.indexes}
        for name, (mark, valid) in there.items():
            if mark is None or not mark.startswith(MARK):
                continue
            if name not in wanted or mark != _index_mark(wanted[name]) or not valid:
                self._execute(f"DROP INDEX {quote_qualified(self._key.schema, name)}")
            else:
                del wanted[name]
        for name, index in wanted.items():
            if name in there and there[name][0] is None:
                raise TargetError(
                    f"{self._key.title} has an index {name} that coco did not make; rename or drop it"
                )
            self._execute(f"CREATE INDEX {quote_identifier(name)} ON {self._table} {self._index_body(index)}")
            qualified = quote_qualified(self._key.schema, name)
            self._execute(f"COMMENT ON INDEX {qualified} IS {quote_literal(_index_mark(index))}")

    def _index_body(self, index: IndexState) -> str:
        column = quote_identifier(index.column)
        if index.method == "gin":
            return f"USING gin (to_tsvector({quote_literal(index.operators)}::regconfig, {column}))"
        assert self._vector_schema is not None
        options = ", ".join(f"{name} = {int(value)}" for name, value in sorted(index.options.items()))
        operators = quote_qualified(self._vector_schema, index.operators)
        return f"USING {index.method} ({column} {operators})" + (f" WITH ({options})" if options else "")


def _index_name(key: PostgresKey, index: IndexState) -> str:
    if index.method == "gin":
        return index_name(key.table, index.column, "fts")
    metric = index.operators.split("_")[1]
    return index_name(key.table, index.column, metric, index.method)


def _index_mark(index: IndexState) -> str:
    definition = {"method": index.method, "operators": index.operators, "options": index.options}
    return f"{MARK}: {json.dumps(definition, sort_keys=True)}"
