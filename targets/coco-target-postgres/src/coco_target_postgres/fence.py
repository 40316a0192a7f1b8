"""No statement of an earlier update takes effect once a later one has begun to write.

A process may be killed while its statement waits in the server, which goes on with it; and one that was stopped for long
may send an old statement when it wakes up. So each transaction that writes

1. takes an advisory lock of the table and flow, shared, which ends with the transaction, and
2. reads the number of the latest update from the table ``coco_fences`` beside its own, to see that it is its own number.

An update that begins takes the same lock alone: it waits for what earlier ones left in the server, ends it after
a second, and writes its number. Locks of transactions work behind poolers of any mode. Where the user may not make
``coco_fences``, only the lock holds: what is sent late by a process that slept is not told from what is sent now.
"""

from __future__ import annotations

import logging
import time
import zlib
from dataclasses import dataclass

import psycopg

from coco import current_settings
from coco.errors import FencedError, TargetError
from coco.kit.interruption import is_interrupted
from coco.kit.quoting import quote_literal, quote_qualified
from coco.op import FencingToken
from coco_target_postgres.connections import Connection, has_table
from coco_target_postgres.state import PostgresKey

LOG = logging.getLogger("coco.target.postgres")

FENCES = "coco_fences"
LOCK_CLASS = 1_668_246_384
GRACE_SECONDS = 1.0
"""What a statement of an earlier update is given to end by itself."""
ENDING_SECONDS = 30.0
"""How long to wait for sessions that this user may not end, or that do not end."""
_NO_RIGHT = psycopg.errors.InsufficientPrivilege


@dataclass(frozen=True)
class Fence:
    """A number that is in force. ``numbered``: whether it stands in ``coco_fences``."""

    key: PostgresKey
    token: FencingToken
    numbered: bool

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that may write. Raises ``FencedError`` where a later update has begun; then none is begun."""
        steps = [
            "BEGIN",
            _limit(),
            f"SELECT pg_advisory_xact_lock_shared({_lock(self.key, self.token.flow)})",
        ]
        if self.numbered:
            steps.append(f"SELECT number FROM {_fences(self.key)} WHERE {_mine(self.key, self.token.flow)}")
        # One message; each statement sees what was committed before it began.
        cursor = connection.execute("; ".join(steps).encode(), prepare=False)
        while cursor.nextset():
            pass
        if self.numbered:
            row = cursor.fetchone()
            if row is None or row[0] != self.token.number:
                connection.execute(b"ROLLBACK")
                raise _fenced(self.key, self.token, self.token.number + 1 if row is None else row[0])


def raise_fence(connection: Connection, key: PostgresKey, token: FencingToken) -> Fence:
    """Wait for, or end, what earlier updates left in the server, and keep out what they send from now on.

    Raises ``FencedError`` if ``token`` is not the highest, ``TargetError`` if something does not end.
    """
    with connection.transaction():
        _alone(connection, key, token.flow)
        try:
            with connection.transaction():
                _write_number(connection, key, token)
        except _NO_RIGHT as error:
            LOG.info(
                "%s: %s cannot be used: %s", key.title, _fences(key), error.diag.message_primary or error
            )
            return Fence(key, token, numbered=False)
    return Fence(key, token, numbered=True)


def forget(connection: Connection, key: PostgresKey) -> None:
    """Remove the numbers of a table that is dropped, and ``coco_fences`` with the last of them."""
    fences = _fences(key)
    if not has_table(connection, fences):
        return
    connection.execute(f"DELETE FROM {fences} WHERE target = {quote_literal(key.table)}".encode())
    _lock_fences(connection, key)
    row = connection.execute(f"SELECT EXISTS (SELECT FROM {fences})".encode()).fetchone()
    if row is not None and not row[0]:
        connection.execute(f"DROP TABLE {fences}".encode())


def rename(connection: Connection, former: PostgresKey, key: PostgresKey) -> None:
    """Numbers follow their table."""
    if has_table(connection, _fences(key)):
        sql = f"UPDATE {_fences(key)} SET target = {quote_literal(key.table)} WHERE target = {quote_literal(former.table)}"
        connection.execute(sql.encode())


def _alone(connection: Connection, key: PostgresKey, flow: str) -> None:
    """Take the lock of a table and flow until the end of the transaction."""
    lock = _lock(key, flow)
    began = time.monotonic()
    ended: set[int] = set()
    while True:
        row = connection.execute(f"SELECT pg_try_advisory_xact_lock({lock})".encode()).fetchone()
        if row is not None and row[0]:
            return
        if is_interrupted():
            raise TargetError(
                f"{key.title}: interrupted while it waited for an earlier update of flow '{flow}'"
            )
        waited = time.monotonic() - began
        if waited > GRACE_SECONDS:
            holders = _holders(connection, lock)
            for pid in holders - ended:
                ended.add(pid)
                _end(connection, key, pid, flow)
            if waited > ENDING_SECONDS and holders:
                shown = ", ".join(map(str, sorted(holders)))
                calls = "; ".join(f"SELECT pg_terminate_backend({pid})" for pid in sorted(holders))
                raise TargetError(
                    f"{key.title}: statements of an earlier update of flow '{flow}' still wait in the server, in its "
                    f"processes {shown}, and this user cannot end them; end what they wait for, or run `{calls}`"
                )
        time.sleep(0.02)


def _holders(connection: Connection, lock: str) -> set[int]:
    sql = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 2 "
        f"AND (classid::bigint::bit(32)::int, objid::bigint::bit(32)::int) = ({lock})"
    )
    return {pid for (pid,) in connection.execute(sql.encode())}


def _end(connection: Connection, key: PostgresKey, pid: int, flow: str) -> None:
    try:
        with connection.transaction():
            connection.execute(f"SELECT pg_terminate_backend({pid})".encode())
    except _NO_RIGHT:
        return
    LOG.warning(
        "%s: a statement of an earlier update of flow '%s' still waited in process %d of the server; it was ended",
        key.title,
        flow,
        pid,
    )


def _write_number(connection: Connection, key: PostgresKey, token: FencingToken) -> None:
    fences = _fences(key)
    if not has_table(connection, fences):
        _lock_fences(connection, key)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {fences} "
            "(target text, flow text, number bigint NOT NULL, PRIMARY KEY (target, flow))".encode()
        )
        comment = "made by coco: which update of a flow may write to a table"
        connection.execute(f"COMMENT ON TABLE {fences} IS {quote_literal(comment)}".encode())
    row = connection.execute(
        f"SELECT number FROM {fences} WHERE {_mine(key, token.flow)} FOR UPDATE".encode()
    ).fetchone()
    if row is not None and row[0] >= token.number:
        raise _fenced(key, token, row[0])
    connection.execute(
        f"INSERT INTO {fences} VALUES ({quote_literal(key.table)}, {quote_literal(token.flow)}, {token.number}) "
        "ON CONFLICT (target, flow) DO UPDATE SET number = excluded.number".encode()
    )


def _fenced(key: PostgresKey, token: FencingToken, number: int) -> FencedError:
    return FencedError(
        f"{key.title}: a later update of flow '{token.flow}' writes to it now, so this update writes no more",
        number,
    )


def _lock_fences(connection: Connection, key: PostgresKey) -> None:
    """Two updates that make the table at once would trip over each other, and over one that drops it."""
    number = _signed(zlib.crc32(f"coco fences {key.schema}".encode()))
    connection.execute(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {number})".encode())


def _limit() -> str:
    """Unless another limit is set, the server ends a statement by itself soon after coco cancels it."""
    limit = current_settings().target_call_timeout
    milliseconds = int((limit + 15) * 1000) if limit else 0
    return (
        f"SELECT set_config('statement_timeout', '{milliseconds}', true) "
        "WHERE current_setting('statement_timeout') = '0'"
    )


def _lock(key: PostgresKey, flow: str) -> str:
    return f"{LOCK_CLASS}, {_signed(zlib.crc32(f'coco write {key.schema}.{key.table}/{flow}'.encode()))}"


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def _fences(key: PostgresKey) -> str:
    return quote_qualified(key.schema, FENCES)


def _mine(key: PostgresKey, flow: str) -> str:
    return f"target = {quote_literal(key.table)} AND flow = {quote_literal(flow)}"
