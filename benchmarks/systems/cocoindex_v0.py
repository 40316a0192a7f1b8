"""CocoIndex 0.3: the flow of its text-embedding example, its function cached, state in the same Postgres."""

import asyncio
import datetime
from typing import Any

import cocoindex  # type: ignore[import-not-found]

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import CHUNK_SIZE, Command, read_command

COMMAND = read_command()
SALT = SALTS[COMMAND.variant]
Embedding = cocoindex.Vector[cocoindex.Float32, DIMENSION]


@cocoindex.op.function(cache=True, behavior_version=COMMAND.variant)  # type: ignore[untyped-decorator]
def embed_chunk(text: str) -> Embedding:  # type: ignore[valid-type]
    return embed(text, SALT)


@cocoindex.flow_def(name="Bench")  # type: ignore[untyped-decorator]
def bench(builder: Any, scope: Any) -> None:
    options: dict[str, Any] = {}
    if COMMAND.live:
        options["refresh_interval"] = datetime.timedelta(milliseconds=100)
    scope["files"] = builder.add_source(
        cocoindex.sources.LocalFile(path=str(COMMAND.corpus), included_patterns=["**/*.md"]), **options
    )
    rows = scope.add_collector()
    with scope["files"].row() as file:
        file["chunks"] = file["content"].transform(
            cocoindex.functions.SplitRecursively(),
            chunk_size=CHUNK_SIZE,
            chunk_overlap=0,
        )
        with file["chunks"].row() as chunk:
            chunk["embedding"] = chunk["text"].transform(embed_chunk)
            rows.collect(
                filename=file["filename"],
                location=chunk["location"],
                text=chunk["text"],
                embedding=chunk["embedding"],
            )
    rows.export(
        "chunks",
        cocoindex.targets.Postgres(table_name="chunks"),
        primary_key_fields=["filename", "location"],
    )


async def follow() -> None:
    options = cocoindex.FlowLiveUpdaterOptions(live_mode=True)
    async with cocoindex.FlowLiveUpdater(bench, options) as updater:
        await updater.wait_async()


def main(command: Command) -> None:
    cocoindex.init(cocoindex.Settings(database=cocoindex.DatabaseConnectionSpec(url=command.dsn)))
    bench.setup()
    if command.live:
        asyncio.run(follow())
        return
    with command.engine():
        bench.update()
    command.report()
    cocoindex.lib.stop()


if __name__ == "__main__":
    main(COMMAND)
