"""CocoIndex 1.0: one memoised function per file, one per chunk; state in its own folder."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg  # type: ignore[import-not-found]
import cocoindex as coco  # type: ignore[import-not-found]
import numpy as np
from cocoindex.connectors import localfs, postgres  # type: ignore[import-not-found]
from cocoindex.ops.text import RecursiveSplitter  # type: ignore[import-not-found]
from cocoindex.resources.file import PatternFilePathMatcher  # type: ignore[import-not-found]
from cocoindex.resources.schema import VectorSchema  # type: ignore[import-not-found]
from numpy.typing import NDArray

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import CHUNK_SIZE, Command, read_command

COMMAND = read_command()
SALT = SALTS[COMMAND.variant]
DATABASE = coco.ContextKey[asyncpg.Pool]("bench_database")
SPLITTER = RecursiveSplitter()


@dataclass
class ChunkRow:
    filename: str
    start: int
    end: int
    text: str
    embedding: Annotated[NDArray[np.float32], VectorSchema(dtype=np.dtype(np.float32), size=DIMENSION)]


@coco.lifespan  # type: ignore[untyped-decorator]
async def lifespan(builder: Any) -> AsyncIterator[None]:
    builder.settings.db_path = COMMAND.state / "cocoindex.db"
    async with asyncpg.create_pool(COMMAND.dsn) as pool:
        builder.provide(DATABASE, pool)
        yield


@coco.fn(memo=True, version=COMMAND.variant)  # type: ignore[untyped-decorator]
def embed_chunk(text: str) -> NDArray[np.float32]:
    return np.array(embed(text, SALT), np.float32)


@coco.fn(memo=True)  # type: ignore[untyped-decorator]
async def index_file(file: Any, table: Any) -> None:
    text = await file.read_text()
    name = file.file_path.path.as_posix()
    for chunk in SPLITTER.split(text, chunk_size=CHUNK_SIZE):
        table.declare_row(
            row=ChunkRow(
                name,
                chunk.start.char_offset,
                chunk.end.char_offset,
                chunk.text,
                embed_chunk(chunk.text),
            )
        )


@coco.fn  # type: ignore[untyped-decorator]
async def index_folder(folder: Path) -> None:
    table = await postgres.mount_table_target(
        DATABASE,
        table_name="chunks",
        table_schema=await postgres.TableSchema.from_class(
            ChunkRow, primary_key=["filename", "start", "end"]
        ),
    )
    files = localfs.walk_dir(
        folder,
        recursive=True,
        path_matcher=PatternFilePathMatcher(included_patterns=["**/*.md"]),
        live=COMMAND.live,
    )
    await coco.mount_each(index_file, files.items(), table)


def main(command: Command) -> None:
    command.state.mkdir(parents=True, exist_ok=True)
    os.chdir(command.corpus)
    app = coco.App(coco.AppConfig(name="Bench"), index_folder, folder=Path("."))
    with command.engine():
        app.update_blocking(live=command.live)
    command.report()


if __name__ == "__main__":
    os.environ["COCOINDEX_DISABLE_USAGE_TRACKING"] = "1"
    main(COMMAND)
