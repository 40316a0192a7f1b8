"""The floor of a first index into SQLite: the rows that coco's target holds, by hand, with executemany."""

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import Command, read_command
from benchmarks.systems.floor_text import split, walk

_VECTOR = struct.Struct(f"<{DIMENSION}f")


def rows(corpus: Path, salt: int) -> Iterator[tuple[str, str, str, bytes]]:
    for path, name in walk(str(corpus)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for start, end in split(text):
            chunk = text[start:end]
            yield name, f"[{start},{end})", chunk, _VECTOR.pack(*embed(chunk, salt))


def run(command: Command) -> None:
    connection = sqlite3.connect(command.state / "target.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("BEGIN")
    connection.execute("DROP TABLE IF EXISTS chunks")
    connection.execute(
        "CREATE TABLE chunks (filename TEXT NOT NULL, location TEXT NOT NULL, text TEXT, embedding BLOB, "
        "PRIMARY KEY (filename, location)) WITHOUT ROWID"
    )
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?, ?)", rows(command.corpus, SALTS[command.variant])
    )
    connection.execute("COMMIT")
    connection.close()


if __name__ == "__main__":
    given = read_command()
    given.state.mkdir(parents=True, exist_ok=True)
    with given.engine():
        run(given)
    given.report()
