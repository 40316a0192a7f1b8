"""Retention of results of calls: which are still used, when the others are deleted, and how the file shrinks.

The record of a row lists the calls that it uses. A commit notes calls that it removes from such a list as *released*. Later
only released entries are candidates for deletion: a scan of all lists finds those that another row still uses. A run
releases entries that it has stored and no row uses. A killed run could not; its record in ``memo_runs`` has the first
entry that it may have stored.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence

from coco.state.protocol import MemoUse
from coco.state.records import FP, DamagedRecordError, join_fingerprints, split_fingerprints
from coco.state.schema import BLANK
from coco.state.sqlite.database import MEMORY, chunks, marks
from coco.state.sqlite.memo import Memo, blank
from coco.state.sqlite.statements import parameters, write_rows

COLLECT_BATCH = 5_000
"""Entries deleted, or rows searched for references, in one transaction. Other processes wait for its end at most."""
CANDIDATES = 100_000
"""Released entries that are held in memory at once while references to them are searched."""
LEAST_BLANK_BYTES = 1 << 20
"""With fewer blank bytes the file is not rewritten."""
REWRITTEN_BYTES = 1 << 30
"""A larger file is rewritten only on request, because other processes wait meanwhile: some seconds for 1 GiB."""


class Retention(Memo):
    """Deletes unused results from the memo of one file."""

    _log_is_full = False
    """Whether SQLite's log may still hold deleted entries, as another process was reading it."""

    def memo_begin(self, flow: str) -> bool:
        """Record that a run of the flow starts to store entries. Return False if the record of an earlier run exists."""
        with self._writing() as db:
            return bool(
                db.execute(
                    "INSERT OR IGNORE INTO memo_runs SELECT ?, coalesce(max(id), 0) + 1 FROM memo", (flow,)
                ).rowcount
            )

    def memo_end(self, flow: str, source_id: int, unused: Collection[bytes], *, clear: bool) -> None:
        """Release entries that the run has stored and no row uses. ``clear``: also delete the record of the run."""
        with self._writing() as db:
            release(db, source_id, unused)
            if clear:
                db.execute("DELETE FROM memo_runs WHERE flow=?", (flow,))

    def memo_hold(self, source_id: int, fingerprints: Sequence[bytes]) -> None:
        """Replace the list of calls that a source uses in addition to those of its rows."""
        with self._writing() as db:
            row = db.execute("SELECT memo FROM held_calls WHERE source_id=?", (source_id,)).fetchone()
            joined = join_fingerprints(fingerprints)
            if row is not None and row[0] == joined:
                return
            db.execute("DELETE FROM held_calls WHERE source_id=?", (source_id,))
            if joined is not None:
                db.execute("INSERT INTO held_calls VALUES(?, ?)", (source_id, joined))
            if row is not None:
                release(db, source_id, set(split_fingerprints(row[0])).difference(fingerprints))

    def memo_expire(
        self,
        flow: str,
        source_id: int,
        *,
        kept_seconds: float,
        sources: Collection[int] | None = None,
    ) -> int:
        """Do what the protocol says. If no entry is due, this costs two look-ups."""
        now, kept = time.time_ns() // 1_000, int(kept_seconds * 1_000_000)
        with self._reading() as db:
            mark = db.execute("SELECT first_id FROM memo_runs WHERE flow=?", (flow,)).fetchone()
            oldest = db.execute("SELECT since FROM released ORDER BY id LIMIT 1").fetchone()
        if mark is not None:
            self._release_unused(flow, source_id, int(mark[0]), now)
        # A search reads the references of all rows. Once a day is enough if entries are kept for a month.
        waits = oldest is None or 0 <= now - oldest[0] < kept + kept // 30
        if sources is None and mark is None and waits:
            if self._log_is_full:
                self.memo_rewrite(forced=False)
            return 0
        due = "since <= ? OR since > ?"
        args: list[int] = [now - kept, now]
        if sources is not None:
            due += f" OR source_id NOT IN ({','.join(str(int(item)) for item in sources)})"
        deleted, last = 0, 0
        while True:
            with self._reading() as db:
                rows = db.execute(
                    f"SELECT id, fp FROM released WHERE id > ? AND ({due}) ORDER BY id LIMIT ?",
                    (last, *args, CANDIDATES),
                ).fetchall()
            if not rows:
                break
            last = rows[-1][0]
            unused = self._unused({fp for _, fp in rows})
            deleted += self._delete(list(unused))
            for start in range(0, len(rows), COLLECT_BATCH):
                with self._writing() as db:  # an entry that was released again has another id
                    db.executemany(
                        "DELETE FROM released WHERE id=?",
                        [(number,) for number, _ in rows[start : start + COLLECT_BATCH]],
                    )
        if deleted:
            self.memo_rewrite(forced=False)
        return deleted

    def memo_collect(self, keep_bytes: int | None = None, keep_entries: int | None = None) -> int:
        """Delete entries that no tracked row refers to: all, or the oldest until values and entries fit.

        It uses short transactions, so that other processes do not wait. A result that another process starts to use
        meanwhile may be deleted; that process then repeats the call.
        """
        everything = keep_bytes is None and keep_entries is None
        entries, size = self.memo_stats()
        too_large = keep_bytes is not None and size > keep_bytes
        too_many = keep_entries is not None and entries > keep_entries
        if not (everything or too_large or too_many):
            return 0
        self._find_references()
        deleted, last = 0, 0
        while True:
            with self._writing() as db:
                doomed = db.execute(
                    "SELECT id, length(value) FROM memo WHERE id > ? AND fp < ? "
                    "AND NOT EXISTS(SELECT 1 FROM live WHERE live.fp = memo.fp) ORDER BY id LIMIT ?",
                    (last, BLANK, COLLECT_BATCH),
                ).fetchall()
                if doomed and not everything:
                    totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
                    doomed = _first_until(
                        doomed,
                        0 if keep_bytes is None else totals["memo_bytes"] - keep_bytes,
                        0 if keep_entries is None else totals["memo_entries"] - keep_entries,
                    )
                if not doomed:
                    db.execute("DELETE FROM live")
                    if everything:
                        db.execute("DELETE FROM released")
                    break
                last = doomed[-1][0]
                blank(db, doomed)
                deleted += len(doomed)
        if deleted:
            self.memo_rewrite(forced=False)
        return deleted

    def memo_use(self) -> MemoUse:
        """Return figures, found by a search over all references."""
        self._find_references()
        with self._reading() as db:
            unused, size = db.execute(
                "SELECT count(*), coalesce(sum(length(value)), 0) FROM memo WHERE fp < ? "
                "AND NOT EXISTS(SELECT 1 FROM live WHERE live.fp = memo.fp)",
                (BLANK,),
            ).fetchone()
            (oldest,) = db.execute(
                "SELECT min(since) FROM released WHERE NOT EXISTS(SELECT 1 FROM live WHERE live.fp = released.fp)"
            ).fetchone()
            db.execute("DELETE FROM live")
            totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
        return MemoUse(
            totals["memo_entries"], totals["memo_bytes"], unused, size, oldest, totals["memo_blank_bytes"]
        )

    def memo_rewrite(self, *, forced: bool) -> None:
        """Free blank rows, if they take up as much room as the others, and empty SQLite's log.

        forced: also if they are fewer, and however large the file is. A file that other processes use is not rewritten.
        """
        with self._reading() as db:
            totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
            blank_bytes = totals["memo_blank_bytes"]
            pages, page = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        large = pages * page > REWRITTEN_BYTES
        if forced or blank_bytes >= max(totals["memo_bytes"], LEAST_BLANK_BYTES):
            self._delete_blank()
        with self._reading() as db, _without_waiting(db, self._timeout):
            if forced or (not large and self._gaps(db)):
                with contextlib.suppress(sqlite3.OperationalError):  # in use, or no room: next time
                    db.execute("VACUUM")
                    db.execute("UPDATE totals SET value=0 WHERE name='memo_gaps'")
            if self._path != MEMORY:
                (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._log_is_full = bool(busy)

    def _delete_blank(self) -> None:
        while True:
            with self._writing() as db:
                db.execute("UPDATE totals SET value=1 WHERE name='memo_gaps'")
                deleted = db.execute(
                    "DELETE FROM memo WHERE id IN (SELECT id FROM memo WHERE fp >= ? LIMIT ?)",
                    (BLANK, COLLECT_BATCH),
                ).rowcount
                if deleted < COLLECT_BATCH:
                    db.execute("UPDATE totals SET value=0 WHERE name='memo_blank_bytes'")
                    return

    @staticmethod
    def _gaps(db: sqlite3.Connection) -> bool:
        """Return whether rows were deleted, so that pages may hold copies of rows that SQLite moved."""
        (value,) = db.execute("SELECT value FROM totals WHERE name='memo_gaps'").fetchone()
        return bool(value)

    def _delete(self, fingerprints: Sequence[bytes]) -> int:
        deleted = 0
        for start in range(0, len(fingerprints), COLLECT_BATCH):
            with self._writing() as db:
                for part in chunks(fingerprints[start : start + COLLECT_BATCH]):
                    found = db.execute(
                        f"SELECT id, length(value) FROM memo WHERE fp IN ({marks(part)})", parameters(part)
                    ).fetchall()
                    blank(db, found)
                    deleted += len(found)
        return deleted

    def _release_unused(self, flow: str, source_id: int, first_id: int, now: int) -> None:
        """Release entries that a killed run has stored and no row uses."""
        last = first_id - 1
        while True:
            with self._reading() as db:
                rows = db.execute(
                    "SELECT id, fp FROM memo WHERE id > ? AND fp < ? ORDER BY id LIMIT ?",
                    (last, BLANK, CANDIDATES),
                ).fetchall()
            if not rows:
                break
            last = rows[-1][0]
            unused = list(self._unused({fp for _, fp in rows}))
            for start in range(0, len(unused), COLLECT_BATCH):
                with self._writing() as db:
                    write_rows(
                        db,
                        "released(fp, source_id, since)",
                        [(fp, source_id, now) for fp in unused[start : start + COLLECT_BATCH]],
                        "ON CONFLICT DO NOTHING",
                    )
        with self._writing() as db:
            db.execute("DELETE FROM memo_runs WHERE flow=?", (flow,))

    def _unused(self, candidates: set[bytes]) -> set[bytes]:
        """Return the candidates that nothing refers to. Empties ``candidates``."""
        for used in self._references():
            if not candidates:
                break
            candidates.difference_update(used)
        return candidates

    def _references(self) -> Iterator[list[bytes]]:
        """Yield all fingerprints that rows and sources refer to."""
        with self._reading() as db:
            held = db.execute("SELECT memo FROM held_calls").fetchall()
        yield _split_all(memo for (memo,) in held)
        last = 0
        while True:
            with self._reading() as db:
                rows = db.execute(
                    "SELECT id, memo FROM tracked_rows WHERE id > ? AND memo IS NOT NULL ORDER BY id LIMIT ?",
                    (last, COLLECT_BATCH),
                ).fetchall()
                if not rows:
                    return
                last = rows[-1][0]
                used = _split_all(memo for _, memo in rows)
            yield used

    def _find_references(self) -> None:
        """Write all fingerprints that are referred to into a temporary table, which may be larger than memory."""
        with self._reading() as db:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS live(fp BLOB PRIMARY KEY) WITHOUT ROWID")
            db.execute("DELETE FROM live")
        for used in self._references():
            live = sorted(set(used))
            with self._reading() as db:
                db.execute("BEGIN")
                try:
                    db.executemany("INSERT OR IGNORE INTO live VALUES(?)", [(fp,) for fp in live])
                finally:
                    db.execute("COMMIT")


def release(db: sqlite3.Connection, source_id: int, fingerprints: Iterable[bytes]) -> None:
    """Record that a source no longer uses these calls. An earlier record is replaced, because the latest time counts."""
    now = time.time_ns() // 1_000
    rows = [(fp, source_id, now) for fp in fingerprints]
    write_rows(db, "released(fp, source_id, since)", rows, replace=True)


def _split_all(memos: Iterable[bytes]) -> list[bytes]:
    parts = list(memos)
    if any(len(memo) % FP for memo in parts):
        raise DamagedRecordError("references to cached calls cannot be read")
    data = b"".join(parts)
    return [data[i : i + FP] for i in range(0, len(data), FP)]


def _first_until(items: list[tuple[int, int]], size: int, count: int) -> list[tuple[int, int]]:
    """Return the first entries that together have ``size`` bytes and are at least ``count``."""
    for place, (_, length) in enumerate(items):
        if size <= 0 and count <= 0:
            return items[:place]
        size -= length
        count -= 1
    return items


@contextlib.contextmanager
def _without_waiting(db: sqlite3.Connection, timeout: float) -> Iterator[None]:
    db.execute("PRAGMA busy_timeout=0")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
