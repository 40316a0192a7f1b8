"""Pathway: files read once per run with persistence, functions cached on disk, a snapshot table in Postgres."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pathway as pw  # type: ignore[import-not-found]

from benchmarks.embedding import SALTS, embed
from benchmarks.systems.command import Command, read_command
from benchmarks.systems.floor_text import split

COMMAND = read_command()
SALT = SALTS[COMMAND.variant]
ROOT = os.path.join(os.path.abspath(COMMAND.corpus), "")


@pw.udf(deterministic=True)  # type: ignore[untyped-decorator]
def split_chunks(text: str) -> list[tuple[int, str]]:
    return [(start, text[start:end]) for start, end in split(text)]


@pw.udf(cache_strategy=pw.udfs.DiskCache(), deterministic=True)  # type: ignore[untyped-decorator]
def embed_chunk(text: str) -> np.ndarray:
    return np.array(embed(text, SALT))


@pw.udf(deterministic=True)  # type: ignore[untyped-decorator]
def relative(metadata: pw.Json) -> str:
    return str(metadata["path"].as_str()).removeprefix(ROOT)


def settings(dsn: str) -> dict[str, Any]:
    parts = urlsplit(dsn)
    return {
        "host": parts.hostname,
        "port": str(parts.port),
        "dbname": parts.path.lstrip("/"),
        "user": parts.username,
        "password": parts.password or "none",
    }


def main(command: Command) -> None:
    command.state.mkdir(parents=True, exist_ok=True)
    files = pw.io.fs.read(
        str(command.corpus),
        format="plaintext_by_file",
        mode="streaming" if command.live else "static",
        object_pattern="*.md",
        with_metadata=True,
        name="files",
        autocommit_duration_ms=100 if command.live else None,
    )
    chunks = files.select(filename=relative(pw.this._metadata), chunk=split_chunks(pw.this.data))
    chunks = chunks.flatten(pw.this.chunk)
    rows = chunks.select(pw.this.filename, start=pw.this.chunk.get(0), text=pw.this.chunk.get(1))
    rows = rows.select(*pw.this, embedding=embed_chunk(pw.this.text))
    pw.io.postgres.write(
        rows,
        settings(command.dsn),
        "chunks",
        output_table_type="snapshot",
        primary_key=[rows.filename, rows.start],
    )
    with command.engine():
        pw.run(
            monitoring_level=pw.MonitoringLevel.NONE,
            persistence_config=pw.persistence.Config(
                pw.persistence.Backend.filesystem(Path(command.state) / "pathway")
            ),
        )
    command.report()


if __name__ == "__main__":
    main(COMMAND)
