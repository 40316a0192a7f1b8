"""The flows whose bounds are measured, each run by a process of its own: ``python -m benchmarks.bounds.flows CASE ...``.

A process prints, as JSON, what it counted; its peak memory is measured from outside.
"""

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import coco
from benchmarks.embedding import compute
from coco import op
from coco.op import PartialSourceRow, PartialSourceRowData, SourceReadOptions

Embedding = coco.Vector[coco.Float32, Literal[64]]
WRITTEN = [0, 0]
"""Rows that sinks were given, and calls of them."""


# -- functions, a target that keeps nothing, a source without files ---------------------------------------
@op.function(cache=True, behavior_version=1)
def bounds_embed(text: str) -> Embedding:
    return compute(text)


@op.function(behavior_version=1)
def bounds_length(text: str) -> int:
    return len(text)


@op.function(behavior_version=1)
async def bounds_length_async(text: str) -> int:
    return len(text)


@dataclasses.dataclass
class Line:
    number: int
    text: str


@op.function(behavior_version=1)
def bounds_lines(text: str) -> list[Line]:
    return [Line(number, line) for number, line in enumerate(text.removesuffix("\n").split("\n"))]


class Sink(op.TargetSpec):
    """Counts rows. ``seconds``: what each call takes."""

    seconds: float = 0.0


@op.target_connector(spec_cls=Sink, persistent_key_type=str)
class SinkConnector:
    """Keeps nothing."""

    @staticmethod
    def get_persistent_key(spec: Sink, target_name: str) -> str:
        return target_name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        pass

    @staticmethod
    def mutate_columns(*batches: tuple[Sink, op.MutationColumns]) -> None:
        for spec, batch in batches:
            time.sleep(spec.seconds)
            WRITTEN[0] += len(batch.upsert_keys)
            WRITTEN[1] += 1


class Numbers(op.SourceSpec):
    """Rows without files: ``count`` keys like paths."""

    count: int


@dataclasses.dataclass
class Number:
    text: str


@op.source_connector(spec_cls=Numbers, key_type=str, value_type=Number)
class NumbersConnector:
    """Lists and reads what it makes up."""

    def __init__(self, spec: Numbers) -> None:
        self._count = spec.count

    @staticmethod
    def create(spec: Numbers) -> "NumbersConnector":
        return NumbersConnector(spec)

    @staticmethod
    def provides_ordinal() -> bool:
        return True

    def list(self, options: SourceReadOptions) -> Iterator[PartialSourceRow[str, Number]]:
        for number in range(self._count):
            yield PartialSourceRow(
                f"folder-{number // 1000:05d}/page-{number:07d}.md", PartialSourceRowData(ordinal=1)
            )

    def get_values(self, keys: Sequence[str]) -> Sequence[PartialSourceRowData[Number]]:
        return [PartialSourceRowData(Number(f"text of {key}"), 1) for key in keys]

    def get_value(self, key: str, options: SourceReadOptions) -> PartialSourceRowData[Number]:
        return self.get_values([key])[0]


# -- flows ----------------------------------------------------------------------------------------------
def files_source(folder: Path) -> Any:
    return coco.sources.LocalFile(path=str(folder), included_patterns=["**/*.md"])


def chunks_into(target: Any, folder: Path) -> Callable[..., None]:
    """Files, chunks of 500 characters, embeddings."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(files_source(folder))
        rows = scope.add_collector()
        with scope["files"].row() as file:
            file["chunks"] = file["content"].transform(coco.functions.SplitRecursively(), chunk_size=500)
            with file["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(bounds_embed)
                rows.collect(
                    filename=file["filename"],
                    location=chunk["location"],
                    text=chunk["text"],
                    embedding=chunk["embedding"],
                )
        rows.export("chunks", target, primary_key_fields=["filename", "location"])

    return define


def lines_into(target: Any, folder: Path, function: Any) -> Callable[..., None]:
    """Files, a row for each line, what a function says of it."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(files_source(folder))
        rows = scope.add_collector()
        with scope["files"].row() as file:
            file["lines"] = file["content"].transform(bounds_lines)
            with file["lines"].row() as line:
                line["length"] = line["text"].transform(function)
                rows.collect(
                    filename=file["filename"], number=line["number"], text=line["text"], length=line["length"]
                )
        rows.export("lines", target, primary_key_fields=["filename", "number"])

    return define


def numbers_into(target: Any, count: int) -> Callable[..., None]:
    """Rows that become one row each."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["rows"] = builder.add_source(Numbers(count=count))
        rows = scope.add_collector()
        with scope["rows"].row() as row:
            rows.collect(key=row["_key"], length=row["text"].transform(bounds_length))
        rows.export("rows", target, primary_key_fields=["key"])

    return define


def update(define: Callable[..., None]) -> dict[str, Any]:
    """One process's work: setup, update."""
    started = time.perf_counter()
    flow = coco.open_flow("Bounds", define)
    flow.setup()
    ready = time.perf_counter()
    info = flow.update()
    ended = time.perf_counter()
    assert not info.has_errors
    return {"ready_s": ready - started, "update_s": ended - ready, "rows": WRITTEN[0], "writes": WRITTEN[1]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=["chunks", "slow_target", "lines", "lines_async", "numbers"])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    given = parser.parse_args()
    os.environ["COCO_STATE_URL"] = f"sqlite:///{given.state}"
    if given.case == "chunks":
        target = coco.targets.Sqlite(path=str(given.state.with_name("target.db")), table="chunks")
        define = chunks_into(target, given.corpus)
    elif given.case == "slow_target":
        define = chunks_into(Sink(seconds=0.05), given.corpus)
    elif given.case == "lines":
        define = lines_into(Sink(), given.corpus, bounds_length)
    elif given.case == "lines_async":
        define = lines_into(Sink(), given.corpus, bounds_length_async)
    else:
        define = numbers_into(Sink(), given.count)
    print(json.dumps(update(define)), flush=True)


if __name__ == "__main__":
    main()
