"""Tracking records of source rows in one file: scan, look up, stage, commit, collapse."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from coco.state.protocol import CollapseRow, CommitRow, Head, OwnerChange, StageRow, Tracked
from coco.state.records import (
    add_attempt,
    decode_attempts,
    decode_targets,
    encode_attempts,
    encode_targets,
    join_attempts,
    join_fingerprints,
    newer_attempts,
    split_fingerprints,
)
from coco.state.sqlite.database import chunks, marks, next_total
from coco.state.sqlite.failures import forget_failures, keys_with_failures
from coco.state.sqlite.owners import Owners, add_row_counts, change_owners
from coco.state.sqlite.retention import release
from coco.state.sqlite.statements import delete_ids, parameters, write_rows

_HEAD = "ordinal, content_fp, logic_fp, process_ordinal, max_process_ordinal, read_at, size, failed"
_make = tuple.__new__  # a NamedTuple's own constructor takes twice as long


class Tracking(Owners):
    """The tracking records in one file."""

    def scan(self, source_id: int, batch_rows: int = 10_000) -> Iterator[list[tuple[bytes, Head]]]:
        """Yield all tracked rows of a source in the order of keys. Writes between two batches are visible."""
        after, last = ">=", b""
        common: bytes | None = None
        while True:
            with self._reading() as db:
                rows = db.execute(
                    f"SELECT key, {_HEAD} FROM tracking WHERE source_id=? AND key {after} ? ORDER BY key LIMIT ?",
                    (source_id, last, max(batch_rows, 1)),
                ).fetchall()
            if not rows:
                return
            if rows[0][3] != common:
                common = rows[0][3]
            yield [  # most rows share one logic, and so one object
                (
                    key,
                    _make(
                        Head,
                        (
                            ordinal,
                            fp,
                            common if logic == common else logic,
                            done,
                            begun,
                            at,
                            size,
                            failed != 0,
                        ),
                    ),
                )
                for key, ordinal, fp, logic, done, begun, at, size, failed in rows
            ]
            if len(rows) < batch_rows:
                return
            after, last = ">", rows[-1][0]

    def scan_versions(
        self, source_id: int, logic_fp: bytes, tick: int | None, batch_rows: int = 10_000
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Do what the protocol says. SQLite filters the rows, which takes half the time of ``scan``."""
        settled = "logic_fp=? AND failed=0 AND max_process_ordinal=process_ordinal"
        if tick is None:
            columns = f"CASE WHEN {settled} THEN content_fp END"
        else:
            columns = f"CASE WHEN {settled} AND read_at - ordinal >= {int(tick)} THEN ordinal END, size"
        after, last = ">=", b""
        while True:
            with self._reading() as db:
                rows = db.execute(
                    f"SELECT key, {columns} FROM tracking WHERE source_id=? AND key {after} ? ORDER BY key LIMIT ?",
                    (logic_fp, source_id, last, max(batch_rows, 1)),
                ).fetchall()
            if rows:
                yield rows
            if len(rows) < batch_rows:
                return
            after, last = ">", rows[-1][0]

    def get_heads(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Head]:
        """Return the heads of the tracked rows among ``keys``."""
        found: dict[bytes, Head] = {}
        with self._reading() as db:
            for part in chunks(keys):
                for key, *head, failed in db.execute(
                    f"SELECT key, {_HEAD} FROM tracking WHERE source_id=? AND key IN ({marks(part)})",
                    parameters((source_id, *part)),
                ).fetchall():
                    found[key] = _make(Head, (*head, failed != 0))
        return found

    def get_many(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Tracked]:
        """Return the whole records of the tracked rows among ``keys``."""
        found: dict[bytes, Tracked] = {}
        with self._reading() as db:
            for part in chunks(keys):
                for key, *head, failed, targets, staged, memo in db.execute(
                    f"SELECT t.key, {_HEAD}, r.targets, a.staged, r.memo FROM tracking t "
                    "LEFT JOIN tracked_rows r ON r.id = t.row_id LEFT JOIN attempts a ON a.row_id = t.row_id "
                    f"WHERE t.source_id=? AND t.key IN ({marks(part)})",
                    parameters((source_id, *part)),
                ).fetchall():
                    found[key] = Tracked(
                        _make(Head, (*head, failed != 0)),
                        decode_targets(targets),
                        join_attempts(decode_attempts(staged)) if staged else {},
                        split_fingerprints(memo),
                    )
        return found

    def stage(self, source_id: int, rows: Sequence[StageRow]) -> list[bool]:
        """Stage rows. Return False for rows that another attempt has changed. Survives a power cut: targets come next."""
        accepted: list[bool] = []
        chosen: dict[bytes, StageRow] = {}
        with self._writing(durable=True) as db:
            known = _ordinals(db, source_id, [row.key for row in rows])
            highest = {key: begun for key, (_, _, begun) in known.items()}
            for row in rows:
                begun = highest.get(row.key, -1)
                fine = begun == row.expected and row.process_ordinal > begun
                accepted.append(fine)
                if fine:
                    highest[row.key] = row.process_ordinal
                    chosen[row.key] = row
            ids = _insert_new(
                db, source_id, [(key, row.process_ordinal) for key, row in chosen.items() if key not in known]
            )
            db.executemany(
                "UPDATE tracking SET max_process_ordinal=? WHERE source_id=? AND key=?",
                [(row.process_ordinal, source_id, key) for key, row in chosen.items() if key in known],
            )
            unfinished = {
                key: known[key][0] for key in chosen if key in known and known[key][2] > known[key][1]
            }
            earlier = _attempts(db, list(unfinished.values()))
            staged = []
            for key, row in chosen.items():
                row_id = ids[key] if key in ids else known[key][0]
                before = decode_attempts(earlier.get(row_id))
                if row.staged:
                    staged.append(
                        (row_id, encode_attempts(add_attempt(before, row.process_ordinal, row.staged)))
                    )
            write_rows(db, "attempts", staged, "ON CONFLICT DO UPDATE SET staged=excluded.staged")
        return accepted

    def commit(
        self,
        source_id: int,
        rows: Sequence[CommitRow],
        *,
        removed: Sequence[tuple[bytes, int]] = (),
        owners: Sequence[OwnerChange] = (),
        row_counts: Mapping[int, int] | None = None,
    ) -> None:
        """Commit rows in one transaction. Keys that newer attempts have staged stay staged."""
        with self._writing() as db:
            known = _ordinals(db, source_id, [*(row.key for row in rows), *(key for key, _ in removed)])
            refused = {
                key
                for key, ordinal in [*((row.key, row.process_ordinal) for row in rows), *removed]
                if key in known and known[key][1] >= ordinal
            }
            chosen = {row.key: row for row in rows if row.key not in refused}
            deleted = {key: ordinal for key, ordinal in removed if key not in refused}
            ids = _insert_new(
                db, source_id, [(key, row.process_ordinal) for key, row in chosen.items() if key not in known]
            )
            ids.update((key, known[key][0]) for key in chosen if key in known)
            _release_calls(db, source_id, known, {key: row.memo for key, row in chosen.items()}, deleted)
            write_rows(
                db,
                f"tracking(source_id, key, {_HEAD}, row_id)",
                [
                    (
                        source_id,
                        key,
                        row.ordinal,
                        row.content_fp,
                        row.logic_fp,
                        row.process_ordinal,
                        row.process_ordinal,
                        row.read_at,
                        row.size,
                        0,
                        ids[key],
                    )
                    for key, row in chosen.items()
                ],
                "ON CONFLICT DO UPDATE SET ordinal=excluded.ordinal, content_fp=excluded.content_fp, "
                "logic_fp=excluded.logic_fp, process_ordinal=excluded.process_ordinal, "
                "max_process_ordinal=max(max_process_ordinal, excluded.process_ordinal), "
                "read_at=excluded.read_at, size=excluded.size, failed=0",
            )
            write_rows(
                db,
                "tracked_rows",
                [
                    (ids[key], join_fingerprints(row.memo), encode_targets(row.targets))
                    for key, row in chosen.items()
                ],
                "ON CONFLICT DO UPDATE SET memo=excluded.memo, targets=excluded.targets",
            )
            ordinals = {**{key: row.process_ordinal for key, row in chosen.items()}, **deleted}
            overtaken = _finish_attempts(db, known, ordinals)
            _remove(db, source_id, known, deleted, overtaken)
            forget_failures(db, source_id, list(ordinals))
            change_owners(
                db,
                [item for item in owners if item.source_id != source_id or item.source_key not in refused],
            )
            add_row_counts(db, row_counts or {})

    def collapse(self, source_id: int, rows: Sequence[CollapseRow]) -> int:
        """Record new ordinals. Return the number of rows that were written."""
        if not rows:
            return 0
        with self._writing() as db:
            return db.executemany(
                "UPDATE tracking SET ordinal=?, content_fp=?, read_at=?, size=? "
                "WHERE source_id=? AND key=? AND process_ordinal=? AND max_process_ordinal=?",
                [
                    (
                        row.ordinal,
                        row.content_fp,
                        row.read_at,
                        row.size,
                        source_id,
                        row.key,
                        row.expected,
                        row.expected,
                    )
                    for row in rows
                ],
            ).rowcount

    def drop_sources(self, source_ids: Sequence[int]) -> None:
        """Delete all records of these sources."""
        with self._writing() as db:
            for source_id in source_ids:
                _release_all(db, source_id)
                for table, column in (("tracked_rows", "id"), ("attempts", "row_id")):
                    db.execute(
                        f"DELETE FROM {table} WHERE {column} IN (SELECT row_id FROM tracking WHERE source_id=?)",
                        (source_id,),
                    )
                for table in ("tracking", "failures", "cursors", "owners", "held_calls"):
                    db.execute(f"DELETE FROM {table} WHERE source_id=?", (source_id,))


def _ordinals(
    db: sqlite3.Connection, source_id: int, keys: Sequence[bytes]
) -> dict[bytes, tuple[int, int, int]]:
    """Return key -> (row id, ordinal of the last commit, ordinal of the last attempt)."""
    found: dict[bytes, tuple[int, int, int]] = {}
    for part in chunks(keys):
        for key, *rest in db.execute(
            "SELECT key, row_id, process_ordinal, max_process_ordinal FROM tracking "
            f"WHERE source_id=? AND key IN ({marks(part)})",
            parameters((source_id, *part)),
        ).fetchall():
            found[key] = (rest[0], rest[1], rest[2])
    return found


def _insert_new(
    db: sqlite3.Connection, source_id: int, rows: Sequence[tuple[bytes, int]]
) -> dict[bytes, int]:
    """Track rows (key, ordinal of the attempt), and return row ids by key. A failure may be on record already."""
    if not rows:
        return {}
    first = next_total(db, "next_row_id", len(rows))
    failed = keys_with_failures(db, source_id, [key for key, _ in rows])
    write_rows(
        db,
        "tracking(source_id, key, process_ordinal, max_process_ordinal, read_at, failed, row_id)",
        [
            (source_id, key, 0, ordinal, 0, key in failed, first + place)
            for place, (key, ordinal) in enumerate(rows)
        ],
    )
    return {key: first + place for place, (key, _) in enumerate(rows)}


def _attempts(db: sqlite3.Connection, row_ids: Sequence[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for part in chunks(row_ids):
        found.update(
            db.execute(
                f"SELECT row_id, staged FROM attempts WHERE row_id IN ({marks(part)})", parameters(part)
            ).fetchall()
        )
    return found


def _finish_attempts(
    db: sqlite3.Connection, known: Mapping[bytes, tuple[int, int, int]], ordinals: Mapping[bytes, int]
) -> set[bytes]:
    """Delete attempts up to each key's ordinal, and return the keys with newer attempts."""
    open_rows = {key: known[key][0] for key in ordinals if key in known and known[key][2] > known[key][1]}
    overtaken = {key for key in open_rows if known[key][2] > ordinals[key]}
    left: dict[int, bytes | None] = {}
    kept = _attempts(db, [open_rows[key] for key in overtaken])
    for key in overtaken:
        row_id = open_rows[key]
        left[row_id] = encode_attempts(newer_attempts(decode_attempts(kept.get(row_id)), ordinals[key]))
    delete_ids(
        db, "attempts", "row_id", [row_id for row_id in open_rows.values() if left.get(row_id) is None]
    )
    db.executemany(
        "UPDATE attempts SET staged=? WHERE row_id=?",
        [(staged, row_id) for row_id, staged in left.items() if staged is not None],
    )
    return overtaken


def _release_calls(
    db: sqlite3.Connection,
    source_id: int,
    known: Mapping[bytes, tuple[int, int, int]],
    calls: Mapping[bytes, Sequence[bytes]],
    deleted: Collection[bytes],
) -> None:
    """Release the calls that rows of an earlier commit no longer use. ``calls``: by key, the ones that they use now."""
    now = {known[key][0]: calls.get(key, ()) for key in (*calls, *deleted) if key in known and known[key][1]}
    unused: set[bytes] = set()
    for part in chunks(list(now)):
        for row_id, memo in db.execute(
            f"SELECT id, memo FROM tracked_rows WHERE id IN ({marks(part)}) AND memo IS NOT NULL", tuple(part)
        ).fetchall():
            unused.update(set(split_fingerprints(memo)).difference(now[row_id]))
    release(db, source_id, unused)


def _release_all(db: sqlite3.Connection, source_id: int) -> None:
    for statement in (
        "SELECT memo FROM tracked_rows WHERE memo IS NOT NULL AND id IN "
        "(SELECT row_id FROM tracking WHERE source_id=?)",
        "SELECT memo FROM held_calls WHERE source_id=?",
    ):
        cursor = db.execute(statement, (source_id,))
        while rows := cursor.fetchmany(1_000):
            release(db, source_id, {fp for (memo,) in rows for fp in split_fingerprints(memo)})


def _remove(
    db: sqlite3.Connection,
    source_id: int,
    known: Mapping[bytes, tuple[int, int, int]],
    deleted: Mapping[bytes, int],
    overtaken: set[bytes],
) -> None:
    """Delete records, except of rows with a newer attempt, whose staged keys are still needed."""
    db.executemany(
        "DELETE FROM tracked_rows WHERE id=?", [(known[key][0],) for key in deleted if key in known]
    )
    db.executemany(
        "DELETE FROM tracking WHERE source_id=? AND key=?",
        [(source_id, key) for key in deleted if key not in overtaken],
    )
    db.executemany(
        "UPDATE tracking SET ordinal=NULL, content_fp=NULL, logic_fp=NULL, size=NULL, failed=0, process_ordinal=? "
        "WHERE source_id=? AND key=?",
        [(deleted[key], source_id, key) for key in deleted if key in overtaken],
    )
