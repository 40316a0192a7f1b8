"""Checkpoints that keep lists whole in Kuzu 0.11.3.

Where rows were inserted into a node table and a list of an older row was updated since its last checkpoint, in whatever
order and transactions, the next one stores wrong lists for the inserted rows. So a checkpoint has to come between the
two. Vectors, arrays and lists in structs are concerned; other values, deletes and relationships are not.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

Kind = Literal["insert", "update"]
"""What a statement does to a table with lists: adds rows, or changes lists of rows that are there."""

READERS_SECONDS = 60.0
"""How long a checkpoint waits for queries of others that are running."""

_WRITES = re.compile(r"\b(?:create|merge|set|delete|copy|import|alter)\b", re.IGNORECASE)


class History:
    """What was done to each table since the last checkpoint of an open database.

    It is unknown at first: the log of a process that was killed holds what that process did.
    """

    def __init__(self) -> None:
        self._known = False
        self._last: dict[str, Kind] = {}

    def last(self, table: str) -> Kind | None:
        """What was done last, as far as that is known."""
        return self._last.get(table.lower()) if self._known else None

    def allows(self, table: str, kind: Kind) -> bool:
        """Whether a table can be written without a checkpoint before it."""
        return self._known and self._last.get(table.lower(), kind) == kind

    def add(self, table: str, kind: Kind) -> None:
        self._last[table.lower()] = kind

    def clear(self) -> None:
        """There was a checkpoint."""
        self._last.clear()
        self._known = True

    def forget(self) -> None:
        """Another connection wrote."""
        self._known = False


class Gate:
    """Keeps queries of other connections out of checkpoints.

    Kuzu 0.11.3 lets the two wait for each other: a query that runs when a checkpoint begins cannot end, and the
    checkpoint fails after five seconds.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextlib.contextmanager
    def query(self) -> Iterator[None]:
        """Any number at a time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing else meanwhile. After ``READERS_SECONDS`` it goes on beside what still runs, and the engine judges."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._closed = True
            try:
                self._changed.wait_for(lambda: self._inside == 0, READERS_SECONDS)
            except BaseException:
                self._closed = False
                self._changed.notify_all()
                raise
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()


def guard(connection: Any, gate: Gate, history: History) -> Any:
    """The client's connection, its queries going through the gate; what may have written makes history unknown."""

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def through(query: Any, *args: Any, **named: Any) -> Any:
            with gate.query():
                try:
                    return call(query, *args, **named)
                finally:
                    if not isinstance(query, str) or _WRITES.search(query):
                        history.forget()

        return through

    connection.execute = guarded(connection.execute)
    connection.prepare = guarded(connection.prepare)
    return connection
