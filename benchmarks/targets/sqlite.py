"""SQLite: the target against ``executemany``, a transaction for each batch, with the same journal and syncs."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.targets.contest import Contest, Load, Watch, by_connector, fresh_name
from benchmarks.targets.sample import Sample
from coco_target_sqlite.spec import Sqlite, SqliteConnector

UPSERT = " ON CONFLICT (name) DO UPDATE SET text = excluded.text, number = excluded.number, vector = excluded.vector"


@contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    def spec(name: str) -> Sqlite:
        return Sqlite(path=str(folder / f"{name}.db"), table="rows")

    yield Contest(
        by_connector(SqliteConnector, spec),
        {"executemany of upserts": _script(folder, UPSERT), "executemany of inserts": _script(folder, "")},
    )


def _script(folder: Path, conflict: str) -> Load:
    def load(sample: Sample, watch: Watch) -> int:
        pack = struct.Struct(f"<{sample.dimension}f").pack
        with closing(sqlite3.connect(folder / f"{fresh_name()}.db", isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("CREATE TABLE rows (name TEXT PRIMARY KEY, text TEXT, number INTEGER, vector BLOB)")
            with watch.running():
                for batch in sample.natural:
                    db.execute("BEGIN")
                    db.executemany(
                        f"INSERT INTO rows VALUES (?, ?, ?, ?){conflict}",
                        ((row.name, row.text, row.number, pack(*row.vector)) for row in batch),
                    )
                    db.execute("COMMIT")
            return int(db.execute("SELECT count(*) FROM rows").fetchone()[0])

    return load
