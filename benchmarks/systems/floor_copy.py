"""The floor of a first index: walk, read, split, embed, one binary COPY. No state, no second run, no recovery."""

import struct

import psycopg

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import Command, read_command
from benchmarks.systems.floor_text import split, walk

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
RANGE = struct.Struct(">ibiqiq")  # length, flags (lower bound included), two bounds with their lengths
_VECTOR = struct.Struct(f">ihh{DIMENSION}f")
LENGTH = struct.Struct(">i")
FIELDS = struct.pack(">h", 4)
LOWER_INCLUDED = 2


def run(command: Command) -> None:
    salt = SALTS[command.variant]
    with psycopg.connect(command.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS chunks")
        cursor.execute(
            "CREATE TABLE chunks (filename text, location int8range, text text, "
            f"embedding vector({DIMENSION}), PRIMARY KEY (filename, location))"
        )
        with cursor.copy("COPY chunks FROM STDIN (FORMAT binary)") as copy:
            buffer = bytearray(HEADER)
            for path, name in walk(str(command.corpus)):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                key = name.encode()
                prefix = FIELDS + LENGTH.pack(len(key)) + key
                for start, end in split(text):
                    chunk = text[start:end]
                    data = chunk.encode()
                    buffer += prefix
                    buffer += RANGE.pack(25, LOWER_INCLUDED, 8, start, 8, end)
                    buffer += LENGTH.pack(len(data))
                    buffer += data
                    buffer += _VECTOR.pack(4 + 4 * DIMENSION, DIMENSION, 0, *embed(chunk, salt))
                if len(buffer) > 1 << 18:
                    copy.write(bytes(buffer))
                    buffer.clear()
            buffer += END
            copy.write(bytes(buffer))


if __name__ == "__main__":
    given = read_command()
    with given.engine():
        run(given)
    given.report()
