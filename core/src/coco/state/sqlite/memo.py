"""Results of calls, by fingerprint, shared by all flows of the file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from coco.state.schema import BLANK
from coco.state.sqlite.database import Database, chunks, marks, next_total
from coco.state.sqlite.statements import parameters, write_rows


class Memo(Database):
    """The memo of one file."""

    def memo_get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the stored results of calls."""
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
        """Write results in one transaction. Of several for one fingerprint, the last one counts."""
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
            if added < len(values):
                _replace(db, values, newest, now)
            else:
                next_total(db, "memo_entries", added)
                next_total(db, "memo_bytes", sum(map(len, values.values())))

    def memo_stats(self) -> tuple[int, int]:
        """Return (entries, bytes of values) from running totals."""
        with self._reading() as db:
            totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
            return totals["memo_entries"], totals["memo_bytes"]


def blank(db: sqlite3.Connection, entries: Sequence[tuple[int, int]]) -> None:
    """Delete entries (id, bytes). Their values are overwritten in place, and the rows stay until the file is rewritten."""
    db.executemany(
        "UPDATE memo SET fp=?, value=zeroblob(length(value)) WHERE id=?",
        [(BLANK + (number % 2**64).to_bytes(8, "big"), number) for number, _ in entries],
    )
    size = sum(length for _, length in entries)
    next_total(db, "memo_entries", -len(entries))
    next_total(db, "memo_bytes", -size)
    next_total(db, "memo_blank_bytes", size)


def _replace(db: sqlite3.Connection, values: dict[bytes, bytes], newest: int, now: int) -> None:
    """Overwrite entries that exist, up to the id ``newest``, and count the added ones."""
    before: dict[bytes, tuple[int, int]] = {}
    for part in chunks(list(values)):
        for fp, number, size in db.execute(
            f"SELECT fp, id, length(value) FROM memo WHERE fp IN ({marks(part)}) AND id <= ?",
            parameters((*part, newest)),
        ).fetchall():
            before[fp] = (number, size)
    same = [fp for fp, (_, size) in before.items() if size == len(values[fp])]
    db.executemany("UPDATE memo SET value=?, stored_at=? WHERE fp=?", [(values[fp], now, fp) for fp in same])
    others = [fp for fp, (_, size) in before.items() if size != len(values[fp])]
    blank(db, [before[fp] for fp in others])
    write_rows(db, "memo(fp, value, stored_at)", [(fp, values[fp], now) for fp in others])
    added = [fp for fp in values if fp not in before]
    next_total(db, "memo_entries", len(added) + len(others))
    next_total(db, "memo_bytes", sum(len(values[fp]) for fp in [*added, *others]))
