"""The owners of target rows that several source rows may yield, and the number of rows that each target should hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from coco.state.protocol import Owner, OwnerChange
from coco.state.sqlite.database import Database, chunks, marks
from coco.state.sqlite.statements import parameters, write_rows


class Owners(Database):
    """Owners and row counts of one file."""

    def get_owners(self, target_id: int, target_keys: Sequence[bytes]) -> dict[bytes, list[Owner]]:
        """Return owners by packed target key, in the order of source id and key."""
        found: dict[bytes, list[Owner]] = {}
        with self._reading() as db:
            for part in chunks(target_keys):
                for key, *owner in db.execute(
                    "SELECT target_key, source_id, source_key, row_fp, process_ordinal FROM owners "
                    f"WHERE target_id=? AND target_key IN ({marks(part)}) ORDER BY 1, 2, 3",
                    parameters((target_id, *part)),
                ).fetchall():
                    found.setdefault(key, []).append(Owner(*owner))
        return found

    def drop_target_keys(self, target_ids: Sequence[int]) -> None:
        """Delete owners and row counts of these targets."""
        with self._writing() as db:
            for table in ("owners", "row_counts"):
                db.executemany(f"DELETE FROM {table} WHERE target_id=?", [(item,) for item in target_ids])

    def row_counts(self, target_ids: Sequence[int]) -> dict[int, int]:
        """Return the number of rows that each target should hold; 0 if none is on record."""
        with self._reading() as db:
            known = dict(db.execute("SELECT target_id, rows FROM row_counts").fetchall())
        return {item: known.get(item, 0) for item in target_ids}

    def set_row_counts(self, counts: Mapping[int, int]) -> None:
        """Replace row counts."""
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO row_counts VALUES(?, ?)", list(counts.items()))


def change_owners(db: sqlite3.Connection, changes: Sequence[OwnerChange]) -> None:
    """Apply changes in their order. Of several for one owner, the last one counts."""
    last = {
        (item.target_id, item.target_key, item.source_id, item.source_key): (
            item.row_fp,
            item.process_ordinal,
        )
        for item in changes
    }
    db.executemany(
        "DELETE FROM owners WHERE target_id=? AND target_key=? AND source_id=? AND source_key=?",
        [who for who, (row_fp, _) in last.items() if row_fp is None],
    )
    write_rows(
        db,
        "owners",
        [(*who, row_fp, ordinal) for who, (row_fp, ordinal) in last.items() if row_fp is not None],
        "ON CONFLICT DO UPDATE SET row_fp=excluded.row_fp, process_ordinal=excluded.process_ordinal",
    )


def add_row_counts(db: sqlite3.Connection, changes: Mapping[int, int]) -> None:
    """Add to the row counts."""
    db.executemany(
        "INSERT INTO row_counts VALUES(?, ?) ON CONFLICT DO UPDATE SET rows=rows+excluded.rows",
        list(changes.items()),
    )
