"""Failures of source rows in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from coco.state.protocol import Failure
from coco.state.sqlite.database import Database, chunks, marks
from coco.state.sqlite.statements import parameters

_COLUMNS = (
    "source_id, key, phase, op, error_type, message, attempts, first_at, last_at, version, logic_fp, parked"
)
_ALL = f"{_COLUMNS}, traceback"


class Failures(Database):
    """The failures in one file. Writing one also sets ``failed`` of the tracked row."""

    def put_failures(self, failures: Sequence[Failure]) -> None:
        """Record failures, replacing those of the same rows."""
        with self._writing() as db:
            db.executemany(
                f"INSERT OR REPLACE INTO failures({_ALL}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        item.source_id,
                        item.key,
                        item.phase,
                        item.op,
                        item.error_type,
                        item.message,
                        item.attempts,
                        item.first_at,
                        item.last_at,
                        item.version,
                        item.logic_fp,
                        int(item.quarantined),
                        item.traceback or None,
                    )
                    for item in failures
                ],
            )
            db.executemany(
                "UPDATE tracking SET failed=1 WHERE source_id=? AND key=?",
                [(item.source_id, item.key) for item in failures],
            )

    def get_failures(
        self, source_id: int, keys: Sequence[bytes] | None = None, *, tracebacks: bool = False
    ) -> dict[bytes, Failure]:
        """Return the recorded failures of all keys or of some, in the order of keys. ``tracebacks``: with tracebacks."""
        traceback = "coalesce(traceback, '')" if tracebacks else "''"
        select = f"SELECT {_COLUMNS}, {traceback} FROM failures WHERE source_id=?"
        with self._reading() as db:
            if keys is None:
                rows = db.execute(f"{select} ORDER BY key", (source_id,)).fetchall()
            else:
                rows = []
                for part in chunks(sorted(set(keys))):
                    rows += db.execute(
                        f"{select} AND key IN ({marks(part)}) ORDER BY key",
                        parameters((source_id, *part)),
                    ).fetchall()
        return {row[1]: _failure(row) for row in rows}

    def clear_failures(self, source_id: int, keys: Sequence[bytes]) -> None:
        """Delete failures, and clear ``failed`` of the tracked rows."""
        with self._writing() as db:
            pairs = [(source_id, key) for key in keys]
            db.executemany("DELETE FROM failures WHERE source_id=? AND key=?", pairs)
            db.executemany("UPDATE tracking SET failed=0 WHERE source_id=? AND key=?", pairs)


def _failure(row: Sequence[Any]) -> Failure:
    *rest, quarantined, traceback = row
    values = [*rest, quarantined != 0, traceback]
    return Failure(*values)


def keys_with_failures(db: sqlite3.Connection, source_id: int, keys: Sequence[bytes]) -> set[bytes]:
    """Return those of ``keys`` with a recorded failure. Costs almost nothing if the source has none."""
    found: set[bytes] = set()
    if db.execute("SELECT 1 FROM failures WHERE source_id=? LIMIT 1", (source_id,)).fetchone() is None:
        return found
    for part in chunks(keys):
        rows = db.execute(
            f"SELECT key FROM failures WHERE source_id=? AND key IN ({marks(part)})",
            parameters((source_id, *part)),
        )
        found.update(key for (key,) in rows.fetchall())
    return found


def forget_failures(db: sqlite3.Connection, source_id: int, keys: Sequence[bytes]) -> None:
    """Delete the failures of rows that were committed."""
    db.executemany(
        "DELETE FROM failures WHERE source_id=? AND key=?",
        [(source_id, key) for key in keys_with_failures(db, source_id, keys)],
    )
