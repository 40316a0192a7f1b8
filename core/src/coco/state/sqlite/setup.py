"""Setup records, ids, cursors and leases in one file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from coco.errors import SetupConflictError
from coco.state.damage import corrupt
from coco.state.machine import boot_clock, boot_id
from coco.state.protocol import Lease, SetupRecord, SetupWrite
from coco.state.sqlite.database import Database

LONGEST_SECONDS = 60.0
"""Longest lease that is respected, unless the process that waits asks for a longer one."""


class Setup(Database):
    """Setup records and small tables of one file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[str, tuple[tuple[Any, ...], float]] = {}
        """By flow: the lease of another process as it was read last, and the monotonic time when it was first read so."""

    def setup_version(self, flow: str) -> int:
        """Return the version of the flow's setup; 0 for a flow that was never set up."""
        with self._reading() as db:
            row = db.execute("SELECT version FROM setup_versions WHERE flow=?", (flow,)).fetchone()
            return int(row[0]) if row else 0

    def setup_records(self, flow: str | None = None) -> list[SetupRecord]:
        """Return the setup records of one flow, or of all, in order."""
        where, args = ("WHERE flow=?", (flow,)) if flow is not None else ("", ())
        with self._reading() as db:
            rows = db.execute(
                f"SELECT flow, resource_type, key, state, staging FROM setup {where} ORDER BY 1, 2, 3", args
            ).fetchall()
            try:
                return [
                    SetupRecord(
                        flow,
                        kind,
                        key,
                        None if state is None else json.loads(state),
                        tuple(json.loads(staging)),
                    )
                    for flow, kind, key, state, staging in rows
                ]
            except ValueError as error:
                raise corrupt(self._path, f"setup metadata cannot be read: {error}") from error

    def setup_write(self, flow: str, expected_version: int, writes: Sequence[SetupWrite]) -> int:
        """Write setup records and raise the version of the flow in one transaction that survives a power cut."""
        with self._writing(durable=True) as db:
            row = db.execute("SELECT version FROM setup_versions WHERE flow=?", (flow,)).fetchone()
            version = int(row[0]) if row else 0
            if version != expected_version:
                raise SetupConflictError(
                    f"the setup of flow '{flow}' was changed by another process (version {version}, "
                    f"expected {expected_version}); describe the change again"
                )
            for item in writes:
                if item.state is None and not item.staging:
                    db.execute(
                        "DELETE FROM setup WHERE flow=? AND resource_type=? AND key=?",
                        (flow, item.resource_type, item.key),
                    )
                    continue
                state = None if item.state is None else json.dumps(item.state, sort_keys=True)
                staging = json.dumps(list(item.staging), sort_keys=True)
                db.execute(
                    "INSERT OR REPLACE INTO setup VALUES(?, ?, ?, ?, ?)",
                    (flow, item.resource_type, item.key, state, staging),
                )
            db.execute("INSERT OR REPLACE INTO setup_versions VALUES(?, ?)", (flow, version + 1))
            return version + 1

    def flows(self) -> list[str]:
        """Return the full names of flows with a setup record."""
        with self._reading() as db:
            return [row[0] for row in db.execute("SELECT DISTINCT flow FROM setup ORDER BY flow").fetchall()]

    def allocate_ids(self, count: int) -> list[int]:
        """Return new ids. No id is returned twice, not even after a power cut."""
        with self._writing(durable=True) as db:
            first = int(db.execute("SELECT value FROM header WHERE key='next_id'").fetchone()[0])
            db.execute("UPDATE header SET value=? WHERE key='next_id'", (str(first + count),))
            return list(range(first, first + count))

    # -- cursors, leases --------------------------------------------------------------------------
    def get_cursor(self, source_id: int, name: str) -> bytes | None:
        """Return a stored cursor; None if there is none."""
        with self._reading() as db:
            row = db.execute(
                "SELECT value FROM cursors WHERE source_id=? AND name=?", (source_id, name)
            ).fetchone()
            return row[0] if row else None

    def put_cursor(self, source_id: int, name: str, value: bytes | None) -> None:
        """Store a cursor; None deletes it."""
        with self._writing() as db:
            if value is None:
                db.execute("DELETE FROM cursors WHERE source_id=? AND name=?", (source_id, name))
            else:
                db.execute("INSERT OR REPLACE INTO cursors VALUES(?, ?, ?)", (source_id, name, value))

    def acquire_lease(self, flow: str, holder: str, seconds: float) -> Lease | None:
        """Acquire a lease. Return None on success, else the lease of another holder. Takes no lock while that exists."""
        with self._reading() as db:
            held = self._in_the_way(db, flow, holder, seconds)
        if held is not None:
            return held
        with self._writing() as db:
            held = self._in_the_way(db, flow, holder, seconds)
            if held is None:
                db.execute(
                    "INSERT OR REPLACE INTO leases VALUES(?, ?, ?, ?, ?, ?)",
                    (flow, holder, time.time() + seconds, seconds, boot_id(), boot_clock() + seconds),
                )
            return held

    def _in_the_way(self, db: sqlite3.Connection, flow: str, holder: str, seconds: float) -> Lease | None:
        """Return the lease of another holder; None if it has ended.

        A lease has ended by the clock of the boot, if both processes share it, or if it was read unchanged for as long as it
        lasts. The time of day does not count, because clocks may differ.
        """
        row = db.execute(
            "SELECT holder, until, seconds, boot, boot_until FROM leases WHERE flow=? AND holder<>?",
            (flow, holder),
        ).fetchone()
        if row is None:
            self._seen.pop(flow, None)
            return None
        other, until, length, boot, boot_until = row
        if boot == boot_id() and boot_until <= boot_clock():
            return None
        now = time.monotonic()
        if self._seen.get(flow, ((), 0.0))[0] != row:
            self._seen[flow] = (row, now)
        if now - self._seen[flow][1] >= min(length, max(seconds, LONGEST_SECONDS)):
            return None
        return Lease(flow, other, until, length)

    def leases(self) -> list[Lease]:
        """Return all leases."""
        with self._reading() as db:
            rows = db.execute("SELECT flow, holder, until, seconds FROM leases ORDER BY flow").fetchall()
        return [Lease(*row) for row in rows]

    def release_lease(self, flow: str, holder: str) -> None:
        """Release a lease of this holder. A lease of another holder stays."""
        with self._writing() as db:
            db.execute("DELETE FROM leases WHERE flow=? AND holder=?", (flow, holder))
