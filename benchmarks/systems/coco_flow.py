"""The flow that both of coco's systems run: files, chunks, embeddings, one table."""

import os
from collections.abc import Callable
from typing import Any, Literal

import coco
from benchmarks.embedding import SALTS, embed
from benchmarks.systems.command import CHUNK_SIZE, Command
from coco import op

Embedding = coco.Vector[coco.Float32, Literal[64]]


def embedder(variant: int) -> Callable[[str], Any]:
    """The function; its salt is part of its code, so that the other variant is another function."""
    salt = SALTS[variant]

    @op.function(cache=True)
    def embed_chunk(text: str) -> Embedding:
        return embed(text, salt)

    return embed_chunk


def run(command: Command, target: Callable[[Command], Any]) -> None:
    """Sets up, updates once or, if asked to, for as long as the process lives."""
    command.state.mkdir(parents=True, exist_ok=True)
    os.environ["COCO_STATE_URL"] = f"sqlite:///{command.state / 'state.db'}"
    embed_chunk = embedder(command.variant)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(
            coco.sources.LocalFile(
                path=str(command.corpus), included_patterns=["**/*.md"], **_watching(command.live)
            )
        )
        rows = scope.add_collector()
        with scope["files"].row() as file:
            file["chunks"] = file["content"].transform(
                coco.functions.SplitRecursively(), chunk_size=CHUNK_SIZE
            )
            with file["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(embed_chunk)
                rows.collect(
                    filename=file["filename"],
                    location=chunk["location"],
                    text=chunk["text"],
                    embedding=chunk["embedding"],
                )
        rows.export("chunks", target(command), primary_key_fields=["filename", "location"])

    flow = coco.open_flow("Bench", define)
    flow.setup()
    if command.live:
        with coco.FlowLiveUpdater(flow) as updater:
            updater.wait()
        return
    with command.engine():
        flow.update()
    command.report()


def _watching(live: bool) -> dict[str, Any]:
    return {"watch_changes": True} if live else {}
