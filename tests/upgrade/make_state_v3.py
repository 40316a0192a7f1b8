"""Writes files/state-v3.db: the state file of schema version 3, the same contents as version 1's.

It is version 1's file, taken forward by the migrations to version 3, whose statements are frozen as well. Run it only
to look into how the file came about: ``python tests/upgrade/make_state_v3.py [PATH]``.
"""

from __future__ import annotations

import runpy
import sqlite3
import sys
from pathlib import Path

from coco.state.migrations import m0002_row_ids, m0003_failure_tracebacks

HERE = Path(__file__).parent
FILE = HERE / "files" / "state-v3.db"


def make(path: Path) -> None:
    runpy.run_path(str(HERE / "make_state_v1.py"))["make"](path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN")
    m0002_row_ids.migrate(db)
    m0003_failure_tracebacks.migrate(db)
    db.execute("UPDATE memo SET stored_at=1700000000")
    db.execute("UPDATE header SET value='3' WHERE key='schema_version'")
    db.execute("INSERT INTO header VALUES('release', '0.1.0')")
    db.execute("COMMIT")
    db.execute("PRAGMA application_id=1668243311")
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("VACUUM")
    db.execute("PRAGMA journal_mode=WAL")
    db.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
