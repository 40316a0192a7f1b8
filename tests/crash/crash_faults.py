"""Where a process can die: named points around everything that an update or a setup does.

``COCO_FAULT=POINT:N`` kills the process, by SIGKILL to itself, when it comes to the point the N-th time. ``any:N`` is
the N-th point of all, whatever its name. Each point is noted in the file ``trace`` as it is reached, so that a death
from outside can be named afterwards, and repeated.

Points are: ``before-X``, ``in-X`` (all statements done, the transaction open) and ``after-X`` of each writing method X
of the state store; the same (``mid-`` for ``in-``) of what source, functions and targets are asked to do; and the
engine's own events.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import coco
from coco.state.sqlite import SqliteStore, database

POINT, _, NUMBER = os.environ.get("COCO_FAULT", "").partition(":")
STORE_WRITES = (
    "acquire_lease",
    "allocate_ids",
    "clear_failures",
    "collapse",
    "commit",
    "drop_sources",
    "drop_target_keys",
    "memo_begin",
    "memo_collect",
    "memo_end",
    "memo_put_many",
    "put_cursor",
    "put_failures",
    "release_lease",
    "setup_write",
    "stage",
)

_all = itertools.count(1)
_ours = itertools.count(1)
_guard = threading.Lock()
_trace = os.open("trace", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
_method = threading.local()


def reach(point: str) -> None:
    """Note that we came here; die, if it is time."""
    with _guard:
        number = next(_all)
        os.write(_trace, f"{point}\n".encode())
        chosen = number if POINT == "any" else next(_ours) if point == POINT else 0
        if chosen and chosen == int(NUMBER):
            os.kill(os.getpid(), signal.SIGKILL)


def around(owner: type, name: str, point: str) -> None:
    """Points before and after a method, wherever it is defined."""
    raw = owner.__dict__.get(name, getattr(owner, name))
    function = raw.__func__ if isinstance(raw, staticmethod) else raw

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before, _method.name = getattr(_method, "name", ""), point
        reach(f"before-{point}")
        try:
            result = function(*args, **kwargs)
        finally:
            _method.name = before
        reach(f"after-{point}")
        return result

    @functools.wraps(function)
    def generated(*args: Any, **kwargs: Any) -> Iterator[Any]:
        reach(f"before-{point}")
        for item in function(*args, **kwargs):
            yield item
            reach(f"mid-{point}")
        reach(f"after-{point}")

    made: Any = generated if inspect.isgeneratorfunction(function) else wrapped
    setattr(owner, name, staticmethod(made) if isinstance(raw, staticmethod) else made)


def _watch_transactions() -> None:
    transaction = database.transaction

    @contextlib.contextmanager
    def watched(db: sqlite3.Connection) -> Iterator[None]:
        with transaction(db):
            yield
            reach(f"in-{getattr(_method, 'name', '') or 'open'}")

    database.transaction = watched


def _watch_statements(connector: type) -> None:
    """``mid-mutate``: when a statement of a real target begins, be it the first or a later one of a transaction."""
    module = connector.__module__.partition(".")[0]
    if module == "coco_target_sqlite":
        connect = sqlite3.connect

        def connected(path: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = connect(path, *args, **kwargs)
            if "out.db" in str(path):
                db.set_trace_callback(lambda sql: _note_statement())
            return db

        sqlite3.connect = connected  # type: ignore[assignment]
    elif module == "coco_target_postgres":
        import psycopg

        for owner, name in ((psycopg.Connection, "execute"), (psycopg.Cursor, "copy")):
            method: Any = getattr(owner, name)

            def noted(*args: Any, method: Callable[..., Any] = method, **kwargs: Any) -> Any:
                _note_statement()
                return method(*args, **kwargs)

            setattr(owner, name, noted)


def _note_statement() -> None:
    name = getattr(_method, "name", "")
    if name in ("mutate", "setup_change"):
        reach(f"mid-{name}")


def prepare(source: type, target: type) -> None:
    """Put the points in place. Once, before anything is done."""
    for name in STORE_WRITES:
        around(SqliteStore, name, name)
    _watch_transactions()
    around(source, "list_batches" if hasattr(source, "list_batches") else "list", "list")
    around(source, "get_values" if hasattr(source, "get_values") else "get_value", "read")
    around(target, "mutate_columns" if hasattr(target, "mutate_columns") else "mutate", "mutate")
    around(target, "apply_setup_change", "setup_change")
    _watch_statements(target)
    coco.add_event_listener(lambda event: reach(type(event).__name__))
