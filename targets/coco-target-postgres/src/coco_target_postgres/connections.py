"""Connections: addresses without their secrets, and one pool per (url, user) in the process."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from coco import DatabaseConnectionSpec, current_settings
from coco.auth_registry import get_auth_entry
from coco.errors import ClientError, TargetError
from coco.kit.interruption import interruptible, is_interrupted
from coco.kit.secrets import resolve_secret, resolve_secrets
from coco_target_postgres.faults import ConnectionLostError, server_message

LOG = logging.getLogger("coco.target.postgres")
Connection: TypeAlias = psycopg.Connection[TupleRow]

CONNECT_SECONDS = 30
ACQUIRE_SECONDS = 300.0
SLOW_ACQUIRE_SECONDS = 10.0
IDLE_SECONDS = 300.0

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "coco",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_ALWAYS: dict[str, Any] = {"client_encoding": "UTF8"}


def has_table(connection: Connection, name: str) -> bool:
    """Whether a table exists. ``name``: qualified and quoted."""
    row = connection.execute("SELECT to_regclass($1)::text", (name,)).fetchone()
    return row is not None and row[0] is not None


CANCEL_SECONDS = 5.0
"""For the request to cancel a statement, and for the statement to end after it."""


def end_statement(connection: Connection) -> None:
    """Cancel what runs on a connection of another thread; if the server does not react, cut the connection."""
    with contextlib.suppress(psycopg.Error, OSError):
        connection.cancel_safe(timeout=CANCEL_SECONDS)
    until = time.monotonic() + CANCEL_SECONDS
    while connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        if time.monotonic() > until:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
                line.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(0.02)


@dataclass(frozen=True)
class BinaryValue:
    """A parameter in binary form already. The statement must cast it to its type."""

    data: bytes


class _BinaryValueDumper(Dumper):
    format = psycopg.pq.Format.BINARY
    oid = 0

    def dump(self, obj: BinaryValue) -> bytes:
        return obj.data


def database_of(key: str | None, wanted_by: str) -> DatabaseConnectionSpec:
    """The database behind an auth entry's key; None: that of the settings. Secrets in it are those of this moment."""
    if key is not None:
        found: DatabaseConnectionSpec = get_auth_entry(DatabaseConnectionSpec, key, wanted_by=wanted_by)
        return found
    database = current_settings().database
    if database is None:
        raise ClientError(
            f"{wanted_by}: a database is required; set COCO_DATABASE_URL, or give the target database="
        )
    return resolve_secrets(database, wanted_by=wanted_by)


@dataclass(frozen=True, repr=False)
class Address:
    """Connection parameters, and how they are shown: without anything secret."""

    parameters: dict[str, Any]
    shown: str
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, spec: DatabaseConnectionSpec) -> Address:
        """Raises ``ClientError`` for a URL that cannot be read; the URL itself is not shown."""
        url = resolve_secret(spec.url)
        try:
            parameters: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError:
            # The cause quotes parts of the URL, and with a stray character that may be the password.
            raise _unreadable_url() from None
        if _is_ambiguous(url, str(parameters.get("port", ""))):
            raise _unreadable_url()
        if spec.user is not None:
            parameters["user"] = resolve_secret(spec.user)
        if spec.password is not None:
            parameters["password"] = resolve_secret(spec.password)
        secrets = tuple(str(parameters[name]) for name in _SECRETS if parameters.get(name))
        place = f"{parameters.get('host', 'localhost')}:{parameters.get('port', '5432')}"
        # Without a password what stands there as the user may be one, mistyped.
        user = parameters.get("user", "") if parameters.get("password") else ""
        shown = f"{user}@{place}/{parameters.get('dbname', '')}".lstrip("@")
        return cls({**_DEFAULTS, **parameters, **_ALWAYS}, shown, secrets)

    def connect(self) -> Connection:
        """A new connection in autocommit mode. Raises ``ConnectionLostError``."""
        try:
            made = psycopg.connect("", autocommit=True, cursor_factory=psycopg.RawCursor, **self.parameters)
        except psycopg.Error as error:
            # Not chained: the driver's own message may repeat what it was given.
            raise ConnectionLostError(
                f"Failed to connect to database URL {self.shown}: {' '.join(self.scrubbed(server_message(error)).split())}; "
                "check that the server runs and that the address, user and password are right"
            ) from None
        made.adapters.register_dumper(BinaryValue, _BinaryValueDumper)
        return made

    def with_secrets_of(self, other: Address) -> Address:
        """``other`` if it is the same place and user with another password, else this one."""
        own, theirs = (
            {name: value for name, value in item.parameters.items() if name not in _SECRETS}
            for item in (self, other)
        )
        return other if own == theirs else self

    def scrubbed(self, text: str) -> str:
        """``text`` without passwords."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return re.sub(r"(password\s*=\s*)\S+", r"\1***", text)

    def __repr__(self) -> str:
        return f"Address({self.shown})"


def _is_ambiguous(url: str, port: str) -> bool:
    """Whether a stray or missing ``@`` or ``/`` would make a part of the password a host, a port or a database's name."""
    _, found, rest = url.partition("://")
    authority, _, path = rest.partition("?")[0].partition("/")
    if port and not port.replace(",", "").isdigit():
        return True
    return bool(found) and (authority.count("@") > 1 or "@" in path)


def _unreadable_url() -> ClientError:
    return ClientError(
        "the database URL cannot be read; its form is postgresql://user:password@host:port/database, with special "
        "characters in user and password percent-encoded (or given as user= and password=)"
    )


class Pool:
    """Connections of one (url, user), made when needed, at most ``max_size``, closed after use or idleness.

    The last one returned is the first one taken, so that few stay warm. Open as long as someone leases it.

    again: gives the database as it is known now, for the password of a new connection.
    """

    def __init__(
        self,
        address: Address,
        min_size: int,
        max_size: int,
        again: Callable[[], DatabaseConnectionSpec] | None = None,
    ) -> None:
        self.address = address
        self._again = again
        self.leases = 0
        self._min_size = min_size
        self._max_size = max_size
        self._idle: list[tuple[Connection, float]] = []
        self._count = 0
        self._made = False
        self._changed = threading.Condition()
        self._said_slow = 0.0
        self.warned = False

    def differs_from(self, address: Address, spec: DatabaseConnectionSpec) -> bool:
        """Whether someone wants another password or size."""
        sizes = (spec.min_connections, spec.max_connections)
        return self.address != address or (self._min_size, self._max_size) != sizes

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the block. One that broke, or was left inside a transaction, is not used again."""
        connection = self._take()
        try:
            with interruptible(functools.partial(end_statement, connection)):
                yield connection
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        started = time.monotonic()
        with self._changed:
            while not self._idle and self._count >= self._max_size:
                waited = time.monotonic() - started
                if waited >= ACQUIRE_SECONDS:
                    raise TargetError(
                        f"Failed to acquire connection from pool of {self.address.shown}: all {self._max_size} are in "
                        f"use since {waited:.0f} s; raise max_connections of the DatabaseConnectionSpec"
                    )
                if is_interrupted():
                    raise TargetError(f"no connection to {self.address.shown} became free")
                self._changed.wait(min(SLOW_ACQUIRE_SECONDS, ACQUIRE_SECONDS - waited))
                self._say_slow(time.monotonic() - started)
            if self._idle:
                return self._idle.pop()[0]
            self._count += 1
        try:
            if self._again is not None and self._made:
                self.address = self.address.with_secrets_of(Address.of(self._again()))
            self._made = True
            return self.address.connect()
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise

    def _say_slow(self, waited: float) -> None:
        now = time.monotonic()
        if waited >= SLOW_ACQUIRE_SECONDS and now - self._said_slow >= 60:
            self._said_slow = now
            LOG.warning(
                "waiting for a connection to %s since %.0f s: all %d are in use",
                self.address.shown,
                waited,
                self._max_size,
            )

    def _give_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        now = time.monotonic()
        closing: list[Connection] = []
        with self._changed:
            if connection.closed or not idle or not self.leases or is_interrupted():
                closing.append(connection)
            else:
                self._idle.append((connection, now))
            while (
                self._idle
                and self._count - len(closing) > self._min_size
                and now - self._idle[0][1] > IDLE_SECONDS
            ):
                closing.append(self._idle.pop(0)[0])
            self._count -= len(closing)
            self._changed.notify()
        for item in closing:
            item.close()

    def close_idle(self) -> None:
        """Close idle connections: after one was lost, the others are probably broken, too."""
        with self._changed:
            closing = [connection for connection, _ in self._idle]
            self._idle.clear()
            self._count -= len(closing)
            self._changed.notify_all()
        for connection in closing:
            connection.close()


_pools: dict[tuple[str, str | None], Pool] = {}
_guard = threading.Lock()


def lease_pool(
    spec: DatabaseConnectionSpec, again: Callable[[], DatabaseConnectionSpec] | None = None
) -> Pool:
    """The pool of a database, shared by all that use the same url and user; return it by ``release_pool``.

    again: see ``Pool``. Connects once, so that a wrong address is known now. A failure is not remembered.
    """
    address = Address.of(spec)
    name = (
        resolve_secret(spec.url),
        None if spec.user is None else resolve_secret(spec.user),
    )
    with _guard:
        pool = _pools.get(name)
        if pool is None:
            pool = _pools[name] = Pool(address, spec.min_connections, spec.max_connections, again)
        elif pool.differs_from(address, spec) and not pool.warned:
            pool.warned = True
            LOG.warning(
                "the pool of %s is open with another password or size; it is used as it is",
                pool.address.shown,
            )
        pool.leases += 1
    try:
        with pool.connection():
            pass
    except BaseException:
        release_pool(pool)
        raise
    return pool


def release_pool(pool: Pool) -> None:
    """End a lease; the last one closes the connections."""
    with _guard:
        pool.leases -= 1
        last = pool.leases <= 0
        if last:
            for name in [name for name, item in _pools.items() if item is pool]:
                del _pools[name]
    if last:
        pool.close_idle()


def open_pools() -> list[str]:
    """Addresses of the pools that are open, without secrets."""
    with _guard:
        return [pool.address.shown for pool in _pools.values()]
