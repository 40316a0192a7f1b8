"""Writes files/state-v4.db: the state file of schema version 4, the same contents as version 1's.

It is version 1's file, taken forward by the migrations to version 4, whose statements are frozen as well. Run it only
to look into how the file came about: ``python tests/upgrade/make_state_v4.py [PATH]``.
"""

from __future__ import annotations

import runpy
import sqlite3
import sys
from pathlib import Path

from coco.state.migrations import m0002_row_ids, m0003_failure_tracebacks, m0004_memo_retention

HERE = Path(__file__).parent
FILE = HERE / "files" / "state-v4.db"


def make(path: Path) -> None:
    runpy.run_path(str(HERE / "make_state_v1.py"))["make"](path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN")
    m0002_row_ids.migrate(db)
    m0003_failure_tracebacks.migrate(db)
    m0004_memo_retention.migrate(db)
    db.execute("UPDATE released SET since=1700000000000000")
    db.execute("INSERT INTO held_calls SELECT 1, fp FROM memo WHERE id=1")
    db.execute("INSERT INTO memo_runs VALUES('app.gone', 40)")
    db.execute("UPDATE memo SET stored_at=1700000000")
    db.execute("UPDATE header SET value='4' WHERE key='schema_version'")
    db.execute("INSERT INTO header VALUES('release', '0.1.0')")
    db.execute("COMMIT")
    db.execute("PRAGMA application_id=1668243311")
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("VACUUM")
    db.execute("PRAGMA journal_mode=WAL")
    db.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
