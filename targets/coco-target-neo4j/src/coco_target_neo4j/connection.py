"""Connections: one driver per auth entry, transactions that are tried again after faults that pass."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import neo4j
from neo4j import exceptions

from coco import current_settings
from coco.auth_registry import TransientAuthEntryReference, get_auth_entry
from coco.errors import TargetError, mark_retriable
from coco.kit.interruption import interruptible
from coco.kit.retry import DEFAULT, SYSTEM, RetryPolicy, Timing, retry
from coco.kit.secrets import mask_url, resolve_secret
from coco_target_neo4j.settings import Neo4jConnection

T = TypeVar("T")

# Labels and properties that are not there before the first row are worth a warning to the server each time.
_NOTICES = logging.getLogger("neo4j.notifications")
if _NOTICES.level == logging.NOTSET:
    _NOTICES.setLevel(logging.ERROR)

ROWS_PER_STATEMENT = 5_000
"""How many rows one statement carries; all statements of a call are one transaction."""

SHORT = RetryPolicy(total=5.0)
"""For setup, the start of a run, and reading."""

_GONE_MEANWHILE = "Neo.ClientError.Statement.EntityNotFound"
"""Another client deleted a node while we used it: the next attempt recreates it."""

_CLASH = "Neo.ClientError.Schema.ConstraintValidationFailed"
MOST_CLASHES = 8
"""How often a transaction that broke a constraint is tried again; it may be a constraint of the user's."""

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


def is_passing(error: BaseException) -> bool:
    """Whether trying again may help: lost connections, and what the server calls transient; never a wrong password."""
    if isinstance(error, (exceptions.AuthError, exceptions.ConfigurationError)):
        return False
    if isinstance(error, (exceptions.ServiceUnavailable, exceptions.SessionExpired, OSError)):
        return True
    if isinstance(error, exceptions.Neo4jError):
        return error.is_retryable() or error.code == _GONE_MEANWHILE
    return False


class _Judge:
    """As ``is_passing``, and a few clashes of keys: two clients that made the same node at once are one reason."""

    def __init__(self) -> None:
        self._clashes = 0

    def __call__(self, error: BaseException) -> bool:
        if isinstance(error, exceptions.Neo4jError) and error.code == _CLASH:
            self._clashes += 1
            return self._clashes <= MOST_CLASHES
        return is_passing(error)


@dataclass
class Transaction:
    """Statements of one attempt."""

    _tx: neo4j.Transaction

    def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """Rows of a statement."""
        return [list(record.values()) for record in self._tx.run(query, dict(parameters or {}))]

    def run_rows(self, query: str, rows: list[dict[str, Any]], **parameters: Any) -> list[list[Any]]:
        """A statement over ``$rows``, in parts."""
        found: list[list[Any]] = []
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            found += self.run(query, {"rows": part, **parameters})
        return found


@dataclass
class Graph:
    """A database. ``lock``: writers of this process wait for each other, since they would in the server anyway."""

    key: str
    place: Neo4jConnection
    policy: RetryPolicy = DEFAULT
    timing: Timing = SYSTEM
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0
    _driver: Any = None

    @property
    def title(self) -> str:
        """For errors: the auth entry, the address and the database; no credentials."""
        database = f", database {self.place.db}" if self.place.db else ""
        return f"Neo4j graph {self.key!r} ({mask_url(self.place.uri)}{database})"

    def write(self, work: Callable[[Transaction], T], op: str) -> T:
        """Result of ``work`` in a transaction, begun anew after faults that pass. Raises ``TargetError``."""
        with self.lock:
            return self._attempts(lambda: self._transaction(work, "WRITE"), op, self.policy)

    def read(self, work: Callable[[Transaction], T], op: str) -> T:
        """The same for reading, given up after some seconds, since nothing is under way."""
        return self._attempts(lambda: self._transaction(work, "READ"), op, SHORT)

    def run(self, query: str, parameters: Mapping[str, Any] | None = None, *, op: str) -> list[list[Any]]:
        """One statement in a transaction of its own, as statements about the schema must be; given up like ``read``."""
        with self.lock:
            return self._attempts(
                lambda: self._transaction(lambda tx: tx.run(query, parameters), "WRITE"), op, SHORT
            )

    def _attempts(self, call: Callable[[], T], op: str, policy: RetryPolicy) -> T:
        try:
            return retry(
                call,
                op=f"{op}: {self.title}",
                policy=policy,
                timing=self.timing,
                retriable=is_passing if policy is SHORT else _Judge(),
            )
        except (exceptions.DriverError, exceptions.Neo4jError, OSError) as error:
            raise self.explained(error, op) from error

    def _transaction(self, work: Callable[[Transaction], T], mode: str) -> T:
        access = neo4j.WRITE_ACCESS if mode == "WRITE" else neo4j.READ_ACCESS
        driver = self._opened()
        try:
            with (
                driver.session(database=self.place.db, default_access_mode=access) as session,
                interruptible(lambda: self._cut(driver, session)),
                self._begun(session) as tx,
            ):
                found = work(Transaction(tx))
                tx.commit()
                return found
        finally:
            if self._driver is not driver:  # it was cut
                driver.close()

    def _begun(self, session: neo4j.Session) -> neo4j.Transaction:
        try:
            # The server's own limit ends a transaction that coco can no longer cancel.
            return session.begin_transaction(timeout=current_settings().target_call_timeout or None)
        except ValueError as error:  # an invalid host or port
            raise TargetError(f"{self.title}: {error}") from error

    def _cut(self, driver: neo4j.Driver, session: neo4j.Session) -> None:
        """End what a session of another thread waits for; that thread closes the driver, which it may be within.

        The driver has no way to: its ``close`` is not for other threads, and can fail or leave sockets open there.
        """
        if self._driver is driver:
            self._driver = None
        for item in [getattr(session, "_connection", None), *_pooled(driver)]:
            line = getattr(getattr(item, "socket", None), "_socket", None)
            if line is not None:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def _opened(self) -> neo4j.Driver:
        driver: neo4j.Driver | None = self._driver
        if driver is None:
            with self.lock:
                driver = self._driver
                if driver is None:
                    driver = self._driver = self._made()
        return driver

    def _made(self) -> neo4j.Driver:
        uri = resolve_secret(self.place.uri)
        if uri.partition("://")[0] not in _SCHEMES or "@" in uri:
            raise TargetError(
                f"{self.title}: the address must be bolt://host:port or neo4j://host:port, with +s for TLS; user and "
                "password have fields of their own"
            )
        try:
            return neo4j.GraphDatabase.driver(uri, auth=(resolve_secret(self.place.user), self._password))
        except ValueError as error:
            raise TargetError(f"{self.title}: {self._cleaned(str(error))}") from error

    def explained(self, error: Exception, op: str) -> TargetError:
        """The same error in terms of what failed and what to do."""
        if isinstance(error, exceptions.AuthError):
            return TargetError(
                f"{op}: {self.title} refuses the user {self.place.user!r}: correct user and password of the auth entry"
            )
        text = getattr(error, "message", None) or str(error)
        code = getattr(error, "code", None)
        found = TargetError(f"{op}: {self.title}: {f'{code}: ' if code else ''}{self._cleaned(text)}")
        return mark_retriable(found, is_passing(error))

    def _cleaned(self, text: str) -> str:
        return text.replace(self._password, "***") if self._password else text

    @property
    def _password(self) -> str:
        return resolve_secret(self.place.password)  # ``acquire`` has resolved it

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()


def _pooled(driver: neo4j.Driver) -> list[Any]:
    """Connections that the driver holds, those among them that it tests before a session has them."""
    pool = getattr(driver, "_pool", None)
    lock, held = getattr(pool, "lock", None), getattr(pool, "connections", None)
    if lock is None or held is None:
        return []
    with lock:
        return [item for items in held.values() for item in items]


_open: dict[str, Graph] = {}
_lock = threading.Lock()


def acquire(reference: TransientAuthEntryReference[Any]) -> Graph:
    """The graph of an auth entry; to be given back by ``release``."""
    place = get_auth_entry(Neo4jConnection, reference, wanted_by="a Neo4j target")
    with _lock:
        graph = _open.get(reference.key)
        if graph is None or graph.place != place:
            graph = _open[reference.key] = Graph(reference.key, place)
        graph.users += 1
        return graph


def release(graph: Graph) -> None:
    """Give back; the last one closes the driver."""
    with _lock:
        graph.users -= 1
        if graph.users <= 0:
            if _open.get(graph.key) is graph:
                del _open[graph.key]
            graph.close()
