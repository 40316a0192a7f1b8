"""Opening databases. One is open at most once in a process, and in one process at a time.

What is open is shared: exports, setup and your own queries use the same ``Database`` through ``open_database``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coco.auth_registry import TransientAuthEntryReference, default_registry, get_auth_entry
from coco.errors import ClientError, DefinitionError, DriftError, TargetError
from coco.kit.interruption import interruptible
from coco_target_kuzu.checkpoints import Gate, History, Kind, guard

logger = logging.getLogger("coco.target.kuzu")

ENGINES = ("ladybug", "kuzu")


@dataclass(frozen=True)
class KuzuConnection:
    """The file of a graph."""

    database_path: str | None = None
    """The file. Setup makes it, with its folder. A relative path is resolved against the working directory."""
    engine: Literal["kuzu", "ladybug"] = "ladybug"
    """``ladybug``, the maintained fork of Kuzu, or ``kuzu``, whose last release can store wrong values (see the README). A
    process can use only one of them, and neither reads the files of the other."""
    api_server_url: str | None = None
    """The address of a Kuzu or Ladybug API server, which flows of CocoIndex v0 name. coco refuses such a flow when it is
    defined."""


LadybugConnection = KuzuConnection
"""The same by the name of the fork."""

CHECKPOINT_ATTEMPTS = 3
"""Each waits up to five seconds for a transaction that another connection has begun."""


class Database:
    """An open database. Calls may come from any thread, one runs at a time.

    history: what was done since the last checkpoint; None if the engine's checkpoints can be trusted.
    """

    def __init__(self, path: str, engine: str) -> None:
        self.path, self.engine = path, engine
        module = _engine(engine)
        if engine == "kuzu":
            logger.warning(
                "graph %s: Kuzu 0.11.3 is its last release, and can store wrong values where relationships come and go; "
                "Ladybug does not: KuzuConnection(engine='ladybug') with another file",
                path,
            )
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._database = module.Database(path)
        except (RuntimeError, OSError) as error:
            raise explained(error, path) from error
        self._connection = module.Connection(self._database)
        self.lock = threading.RLock()
        self.users = 0
        self.history = History() if engine == "kuzu" else None
        self._gate = Gate()
        self._within = False

    def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """Rows of a query. Raises ``TargetError``."""
        with self.lock:
            try:
                # An answer that outlives its database crashes the process, and a traceback may hold it.
                with (
                    interruptible(self._connection.interrupt),
                    self._connection.execute(query, dict(parameters or {})) as result,
                ):
                    return list(result.get_all())
            except RuntimeError as error:
                raise explained(error, self.path) from error

    def check_there(self) -> None:
        """Raise ``DriftError`` if the file is missing: an open file can still be written after it was deleted."""
        if not os.path.exists(self.path):
            raise DriftError(f"graph {self.path} was moved or deleted while it was open")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, but for what ``before`` makes lasting; other threads wait."""
        with self.lock:
            self.run("BEGIN TRANSACTION")
            self._within = True
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                # Some errors have ended the transaction already.
                with contextlib.suppress(TargetError):
                    self.run("ROLLBACK")
                raise
            finally:
                self._within = False

    def before(self, table: str, kind: Kind) -> None:
        """To be called before a statement that inserts into, or updates lists of, a table with lists.

        If that needs a checkpoint, a transaction is committed, and another one begun after it. Raises ``TargetError``.
        """
        if self.history is None:
            return
        with self.lock:
            if not self.history.allows(table, kind):
                self.checkpoint()
            self.history.add(table, kind)

    def checkpoint(self) -> None:
        """Commit, make a checkpoint and go on. Raises ``TargetError``."""
        with self.lock:
            if self._within:
                self.run("COMMIT")
            for left in reversed(range(CHECKPOINT_ATTEMPTS)):
                try:
                    with self._gate.alone():
                        self.run("CHECKPOINT")
                    break
                except CheckpointTimeoutError:
                    if not left:
                        raise
            if self.history is not None:
                self.history.clear()
            if self._within:
                self.run("BEGIN TRANSACTION")

    def run_alone(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """As ``run``, for what ends in a checkpoint of the engine's own."""
        with self.lock, self._gate.alone():
            return self.run(query, parameters)

    def connect(self) -> Any:
        """A further ``Connection`` of the engine's own client."""
        connection = _engine(self.engine).Connection(self._database)
        return connection if self.history is None else guard(connection, self._gate, self.history)

    def close(self) -> None:
        with self.lock:
            self._connection.close()
            self._database.close()


class CheckpointTimeoutError(TargetError):
    """Another connection has a transaction open."""


_open: dict[str, Database] = {}
_lock = threading.Lock()


def acquire(reference: TransientAuthEntryReference[Any], wanted_by: str) -> Database:
    """The database of an auth entry, opened unless it is; to be given back by ``release``. Raises ``TargetError``."""
    place = get_auth_entry(KuzuConnection, reference, wanted_by=wanted_by)
    path = path_of(place, reference.key)
    with _lock:
        database = _open.get(path)
        if database is None:
            database = _open[path] = Database(path, place.engine)
        database.users += 1
        return database


def release(database: Database) -> None:
    """Give back; the last one closes, so that another process can open it."""
    with _lock:
        database.users -= 1
        if database.users <= 0:
            _open.pop(database.path, None)
            database.close()


@contextlib.contextmanager
def open_database(reference: TransientAuthEntryReference[Any]) -> Iterator[Any]:
    """A ``Connection`` of the client to read from, also while a flow of this process writes::

    with open_database(coco.ref_auth_entry("graph")) as connection:
        rows = connection.execute("MATCH (n:Document) RETURN n.title").get_all()
    """
    database = acquire(reference, "open_database")
    try:
        connection = database.connect()
        try:
            yield connection
        finally:
            connection.close()
    finally:
        release(database)


def exists(reference: TransientAuthEntryReference[Any]) -> bool:
    """Whether there is a database; looks at the file only."""
    place = get_auth_entry(KuzuConnection, reference, wanted_by="Kuzu")
    return os.path.exists(path_of(place, reference.key))


def path_of(place: KuzuConnection, key: str) -> str:
    """The absolute path of a database. Raises ``ClientError`` where none is named."""
    problem = _problem(place)
    if problem is not None:
        raise ClientError(f"auth entry {key!r}: {problem}")
    assert place.database_path is not None
    return os.path.abspath(os.path.expanduser(place.database_path))


def local_paths(reference: TransientAuthEntryReference[Any]) -> list[str]:
    """The file of a database, and what the engines keep beside it."""
    path = path_of(get_auth_entry(KuzuConnection, reference, wanted_by="Kuzu"), reference.key)
    return [f"{path}{suffix}" for suffix in ("", ".wal", ".wal.checkpoint", ".shadow", ".tmp", ".lock")]


def check_place(reference: TransientAuthEntryReference[Any]) -> None:
    """Raise ``DefinitionError`` if the auth entry is registered already and names no database that can be opened."""
    if reference.key not in default_registry():
        return
    problem = _problem(get_auth_entry(KuzuConnection, reference, wanted_by="Kuzu"))
    if problem is not None:
        raise DefinitionError(f"auth entry {reference.key!r}: {problem}")


def _problem(place: KuzuConnection) -> str | None:
    if place.engine not in ENGINES:
        return f"engine must be ladybug or kuzu, got {place.engine!r}"
    if place.api_server_url is not None or "://" in (place.database_path or ""):
        return (
            "a Kuzu or Ladybug API server is not supported: rows are written in transactions of the embedded engine; "
            "give the path of a file, KuzuConnection(database_path=...)"
        )
    if not place.database_path or place.database_path == ":memory:":
        return (
            "KuzuConnection.database_path must name a file "
            "(what is in memory would be lost when the update ends)"
        )
    return None


def _engine(name: str) -> Any:
    other = next(item for item in ENGINES if item != name)
    if other in sys.modules:
        raise TargetError(
            f"this process uses {other} already, and {name} beside it would crash; use one engine in a process"
        )
    # Both clients use importlib.util without importing it.
    assert importlib.util
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise TargetError(f"{name} is not installed: pip install 'coco-target-kuzu[{name}]'") from error


def explained(error: Exception, path: str) -> TargetError:
    """The same error in terms of what failed and what to do."""
    text = str(error)
    if "Could not set lock" in text:
        return TargetError(
            f"graph {path} is open in another process, and only one process can open it: end that one, or query through it"
        )
    if "Timeout waiting for active transactions" in text:
        return CheckpointTimeoutError(
            f"graph {path} needs a checkpoint before more is written, and a connection of this process has a transaction "
            "or a long query open: end it, and update again"
        )
    if text.startswith("Binder exception") and ("does not exist" in text or "Cannot find property" in text):
        return DriftError(f"graph {path} is not as setup left it: {text}")
    return TargetError(f"graph {path}: {text}")
