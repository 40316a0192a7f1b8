"""The floor of an *incremental* first index: what any system must do that is to know, the next time, what changed.

``floor_copy`` with a state, by hand, for this one flow and no other: content fingerprints, a memo of the function's
results by a fingerprint of its argument, keys and fingerprints of the target's rows, staged before the target is
written and committed after. Same fingerprints (BLAKE3), same packing (msgspec) and same store (SQLite) as coco, in
batches of 512 files. It does a first index only: no detection, no updates, no errors, no limits, no other types. What
coco takes beyond it is the price of a framework; what it takes beyond ``floor_copy`` is the price of a second run.
"""

import itertools
import os
import sqlite3
import struct
from collections.abc import Iterator

import msgspec
import psycopg
from blake3 import blake3

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import Command, read_command
from benchmarks.systems.floor_copy import END, FIELDS, HEADER, LENGTH, LOWER_INCLUDED, RANGE
from benchmarks.systems.floor_text import split, walk

BATCH = 512
_FLOATS = struct.Struct(f"<{DIMENSION}f")
_VECTOR = struct.Struct(f">ihh{DIMENSION}f")
_pack = msgspec.msgpack.Encoder().encode

_TABLES = (
    "CREATE TABLE files(name TEXT PRIMARY KEY, ordinal INTEGER, fp BLOB, size INTEGER, staged BLOB, rows BLOB, "
    "memo BLOB) WITHOUT ROWID",
    "CREATE TABLE memo(id INTEGER PRIMARY KEY, fp BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
)


def run(command: Command) -> None:
    state = sqlite3.connect(command.state / "state.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=4000", "cache_size=-16000"):
        state.execute(f"PRAGMA {pragma}")
    for table in _TABLES:
        state.execute(table)
    with psycopg.connect(command.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE chunks (filename text, location int8range, text text, "
            f"embedding vector({DIMENSION}), PRIMARY KEY (filename, location))"
        )
        files = walk(str(command.corpus))
        while batch := list(itertools.islice(files, BATCH)):
            _index(batch, SALTS[command.variant], state, cursor)
            connection.commit()


def _index(
    batch: list[tuple[str, str]], salt: int, state: sqlite3.Connection, cursor: psycopg.Cursor[object]
) -> None:
    heads: list[tuple[str, int, bytes, int]] = []
    pieces: list[list[tuple[int, int, str, bytes]]] = []
    for path, name in batch:
        with open(path, "rb") as file:
            data = file.read()
            status = os.fstat(file.fileno())
        heads.append((name, status.st_mtime_ns, blake3(data).digest(16), len(data)))
        text = data.decode()
        pieces.append(
            [
                (start, end, chunk := text[start:end], blake3(b"embed" + _pack(chunk)).digest(16))
                for start, end in split(text)
            ]
        )
    known = _look_up(state, [fp for chunks in pieces for *_, fp in chunks])
    results = dict(known)
    new = []
    for chunks in pieces:
        for _, _, chunk, fp in chunks:
            if fp not in results:
                packed = _pack(_FLOATS.pack(*embed(chunk, salt)))
                results[fp] = packed
                new.append((fp, packed))
    staged, rows = [], []
    for head, chunks in zip(heads, pieces, strict=True):
        keys = []
        for start, end, chunk, fp in chunks:
            row = _pack(chunk), results[fp]
            marks = [blake3(b"row" + b"".join(row)).digest(16)]
            marks += [blake3(b"field" + value).digest(8) for value in row]
            keys.append((_pack((head[0], (start, end))), b"".join(marks)))
        packed = _pack(keys)
        staged.append((*head, packed))
        rows.append((packed, b"".join([fp for *_, fp in chunks]), head[0]))
    with state:
        state.execute("BEGIN")
        state.executemany("INSERT INTO memo(fp, value) VALUES(?, ?)", new)
    state.execute("PRAGMA synchronous=FULL")
    with state:
        state.execute("BEGIN")
        state.executemany("INSERT INTO files(name, ordinal, fp, size, staged) VALUES(?, ?, ?, ?, ?)", staged)
    state.execute("PRAGMA synchronous=NORMAL")
    with cursor.copy("COPY chunks FROM STDIN (FORMAT binary)") as copy:
        for part in _copy(heads, pieces, results):
            copy.write(part)
    with state:
        state.execute("BEGIN")
        state.executemany("UPDATE files SET staged=NULL, rows=?, memo=? WHERE name=?", rows)


def _look_up(state: sqlite3.Connection, fps: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(fps), 500):
        part = fps[start : start + 500]
        marks = ",".join("?" * len(part))
        found.update(state.execute(f"SELECT fp, value FROM memo WHERE fp IN ({marks})", part).fetchall())
    return found


def _copy(
    heads: list[tuple[str, int, bytes, int]],
    pieces: list[list[tuple[int, int, str, bytes]]],
    results: dict[bytes, bytes],
) -> Iterator[bytes]:
    buffer = bytearray(HEADER)
    for head, chunks in zip(heads, pieces, strict=True):
        key = head[0].encode()
        prefix = FIELDS + LENGTH.pack(len(key)) + key
        for start, end, chunk, fp in chunks:
            data = chunk.encode()
            vector = _FLOATS.unpack(msgspec.msgpack.decode(results[fp], type=bytes))
            buffer += prefix
            buffer += RANGE.pack(25, LOWER_INCLUDED, 8, start, 8, end)
            buffer += LENGTH.pack(len(data))
            buffer += data
            buffer += _VECTOR.pack(4 + 4 * DIMENSION, DIMENSION, 0, *vector)
        if len(buffer) > 1 << 18:
            yield bytes(buffer)
            buffer.clear()
    buffer += END
    yield bytes(buffer)


if __name__ == "__main__":
    given = read_command()
    given.state.mkdir(parents=True, exist_ok=True)
    with given.engine():
        run(given)
    given.report()
