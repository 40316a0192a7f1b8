"""Results of calls, by fingerprint, shared by all flows of the file (I-56 to I-60)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from coco.state.records import split_fingerprints
from coco.state.sqlite.database import Database, chunks, marks, next_total
from coco.state.sqlite.statements import delete_ids, parameters, write_rows

COLLECT_BATCH = 5_000
"""Entries deleted, or rows searched for references, in one transaction: other processes wait no longer than that."""


class Memo(Database):
    """The memo of one file."""

    def memo_get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Known results."""
        found: dict[bytes, bytes] = {}
        with self._reading() as db:
            for part in chunks(fingerprints):
                found.update(
                    db.execute(
                        f"SELECT fp, value FROM memo WHERE fp IN ({marks(part)})", parameters(part)
                    ).fetchall()
                )
        return found

    def memo_put_many(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Write results, one transaction; of several for one fingerprint the last counts."""
        values = dict(entries)
        if not values:
            return
        now = int(time.time())
        with self._writing() as db:
            (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM memo").fetchone()
            added = write_rows(
                db,
                "memo(fp, value, stored_at)",
                [(fp, value, now) for fp, value in values.items()],
                "ON CONFLICT DO NOTHING",
            )
            size = sum(map(len, values.values()))
            if added < len(values):
                size -= _replace(db, values, newest, now)
            next_total(db, "memo_entries", added)
            next_total(db, "memo_bytes", size)

    def memo_stats(self) -> tuple[int, int]:
        """(entries, bytes of values), from running totals."""
        with self._reading() as db:
            totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
            return totals["memo_entries"], totals["memo_bytes"]

    def memo_collect(self, keep_bytes: int | None = None) -> int:
        """Delete what no tracked row refers to: all, or the oldest until the values fit.

        Works in short transactions, so that others are not kept waiting: a result that a process takes up
        again just now may be lost, which costs a call and nothing else.
        """
        if keep_bytes is not None and self.memo_stats()[1] <= keep_bytes:
            return 0
        self._find_references()
        deleted, last = 0, 0
        while True:
            with self._writing() as db:
                doomed = db.execute(
                    "SELECT id, length(value) FROM memo WHERE id > ? "
                    "AND NOT EXISTS(SELECT 1 FROM live WHERE live.fp = memo.fp) ORDER BY id LIMIT ?",
                    (last, COLLECT_BATCH),
                ).fetchall()
                if keep_bytes is not None:
                    excess = next_total(db, "memo_bytes", 0) - keep_bytes
                    doomed = _first_until(doomed, excess)
                if not doomed:
                    db.execute("DELETE FROM live")
                    return deleted
                last = doomed[-1][0]
                delete_ids(db, "memo", "id", [item for item, _ in doomed])
                next_total(db, "memo_entries", -len(doomed))
                next_total(db, "memo_bytes", -sum(size for _, size in doomed))
                deleted += len(doomed)

    def _find_references(self) -> None:
        """All fingerprints that rows refer to, into a temporary table, which may be larger than memory."""
        with self._reading() as db:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS live(fp BLOB PRIMARY KEY) WITHOUT ROWID")
            db.execute("DELETE FROM live")
            last = 0
            while True:
                rows = db.execute(
                    "SELECT id, memo FROM tracked_rows WHERE id > ? AND memo IS NOT NULL ORDER BY id LIMIT ?",
                    (last, COLLECT_BATCH),
                ).fetchall()
                if not rows:
                    return
                last = rows[-1][0]
                live = sorted({fp for _, memo in rows for fp in split_fingerprints(memo)})
                db.execute("BEGIN")
                try:
                    db.executemany("INSERT OR IGNORE INTO live VALUES(?)", [(fp,) for fp in live])
                finally:
                    db.execute("COMMIT")


def _replace(db: sqlite3.Connection, values: dict[bytes, bytes], newest: int, now: int) -> int:
    """Overwrite entries that were there before; returns how many bytes they had."""
    before: dict[bytes, int] = {}
    for part in chunks(list(values)):
        before.update(
            db.execute(
                f"SELECT fp, length(value) FROM memo WHERE fp IN ({marks(part)}) AND id <= ?",
                parameters((*part, newest)),
            ).fetchall()
        )
    db.executemany(
        "UPDATE memo SET value=?, stored_at=? WHERE fp=?", [(values[fp], now, fp) for fp in before]
    )
    return sum(before.values())


def _first_until(items: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """As many as it takes to free ``size`` bytes."""
    for place, (_, length) in enumerate(items):
        if size <= 0:
            return items[:place]
        size -= length
    return items
