"""Rows and bytes in flight never exceed their limits, whatever the source tells beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from memory_rows import MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.setting import GlobalExecutionOptions, Settings

PATIENCE_SECONDS = 5.0
FIRST_CALLS = 10


@dataclasses.dataclass
class Gauge:
    """How much was at work at once, at most. ``company``: who comes waits for somebody else to come,
    but for the first ones, which may be alone because nobody knows yet how large rows are."""

    now: int = 0
    rows: int = 0
    rows_at_most: int = 0
    at_most: int = 0
    calls: int = 0
    company: asyncio.Event | None = None

    async def hold(self, weight: int) -> None:
        self.now += weight
        self.rows += 1
        self.calls += 1
        self.at_most = max(self.at_most, self.now)
        self.rows_at_most = max(self.rows_at_most, self.rows)
        for _ in range(5):  # let everyone else in who may come
            await asyncio.sleep(0)
        if self.company is not None and self.calls > FIRST_CALLS:
            if self.rows > 1:
                self.company.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.company.wait(), PATIENCE_SECONDS)
            self.company.set()  # nobody comes, which the test will tell
        self.now -= weight
        self.rows -= 1


GAUGE = Gauge()


@op.function(behavior_version=1)
async def limits_weigh(text: str) -> int:
    await GAUGE.hold(len(text))
    return len(text)


@dataclasses.dataclass
class Piece:
    text: str


@op.function(behavior_version=1)
def limits_pieces(text: str) -> list[Piece]:
    return [Piece(item) for item in text.split("/")]


def weighed(sources: dict[str, dict[str, Any]], **spec: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out = scope.add_collector()
        for source, limits in sources.items():
            scope[source] = builder.add_source(MemoryRows(name=source, **spec), **limits)
            with scope[source].row() as doc:
                doc["size"] = doc["content"].transform(limits_weigh)
                out.collect(source=source, file=doc["_key"], size=doc["size"])
        out.export("out", RowTable(name="out"), primary_key_fields=["source", "file"])

    flow = coco.open_flow("Limits", define)
    flow.setup()
    return flow


@pytest.fixture(autouse=True)
def gauge() -> None:
    GAUGE.__init__()  # type: ignore[misc]  # starts anew
    table("out")


def documents(count: int, size: int = 10) -> dict[str, str]:
    return {f"{number:03}": "x" * size for number in range(count)}


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_rows_of_one_source(rows: int) -> None:
    fill("one", documents(100))
    info = weighed({"one": {"max_inflight_rows": rows}}).update()
    assert info["one"].num_insertions == 100
    assert 1 <= GAUGE.rows_at_most <= rows


@pytest.mark.parametrize("style", ["ordinal", "version"])
@pytest.mark.parametrize("sizes", [True, False])
def test_bytes_of_one_source(style: str, sizes: bool) -> None:
    fill("one", documents(60, 10))
    GAUGE.company = asyncio.Event()
    info = weighed({"one": {"max_inflight_bytes": 55}}, style=style, sizes=sizes).update()
    assert info["one"].num_insertions == 60
    assert 10 < GAUGE.at_most <= 55


def test_a_row_above_the_limit_runs_alone() -> None:
    fill("one", {**documents(20, 10), "010": "x" * 500})
    weighed({"one": {"max_inflight_bytes": 50}}).update()
    assert GAUGE.at_most == 500


def test_all_sources_together() -> None:
    coco.stop()
    coco.init(
        Settings(
            global_execution_options=GlobalExecutionOptions(
                source_max_inflight_rows=5, source_max_inflight_bytes=45
            )
        )
    )
    for name in ("one", "two", "three"):
        fill(name, documents(40, 10))
    GAUGE.company = asyncio.Event()
    info = weighed({"one": {}, "two": {"max_inflight_rows": 2}, "three": {"max_inflight_bytes": 30}}).update()
    assert info.total.num_insertions == 120
    assert 1 < GAUGE.rows_at_most <= 5
    assert GAUGE.at_most <= 45


def test_rows_of_very_different_sizes_do_not_deadlock() -> None:
    coco.stop()
    coco.init(
        Settings(
            global_execution_options=GlobalExecutionOptions(
                source_max_inflight_rows=7, source_max_inflight_bytes=300
            )
        )
    )
    for name in ("one", "two"):
        fill(name, {f"{number:03}": "x" * (1 + (number * 37) % 290) for number in range(80)})
    weighed({"one": {"max_inflight_bytes": 280}, "two": {"max_inflight_rows": 3}}).update()
    assert GAUGE.at_most <= 300
    assert GAUGE.rows_at_most <= 7


@pytest.mark.parametrize(
    ("limits", "whole", "rows_at_most", "bytes_at_most"),
    [
        ({}, GlobalExecutionOptions(source_max_inflight_rows=4, source_max_inflight_bytes=1000), 4, 1000),
        ({"max_inflight_rows": 3}, GlobalExecutionOptions(), 3, 1000),
        ({"max_inflight_bytes": 55}, GlobalExecutionOptions(), 5, 55),
    ],
)
@pytest.mark.parametrize("sizes", [True, False])
def test_evaluate_keeps_the_limits_too(
    tmp_path: Path,
    limits: Any,
    whole: GlobalExecutionOptions,
    rows_at_most: int,
    bytes_at_most: int,
    sizes: bool,
) -> None:
    coco.stop()
    coco.init(Settings(global_execution_options=whole))
    fill("one", {**documents(30, 10), "zzz": "x" * 500})
    flow = weighed({"one": limits}, sizes=sizes)
    flow.evaluate_and_dump(coco.EvaluateAndDumpOptions(str(tmp_path / "out")))
    assert len(list((tmp_path / "out").iterdir())) == 31
    assert 1 <= GAUGE.rows_at_most <= rows_at_most
    assert GAUGE.at_most <= max(500, bytes_at_most)
    if "max_inflight_bytes" in limits:
        assert GAUGE.at_most == 500  # which is above the limit, and so was alone


@pytest.mark.parametrize(("rows", "size"), [(2, None), (None, 25)])
def test_rows_of_a_nested_scope_per_enclosing_row(rows: int | None, size: int | None) -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out = scope.add_collector()
        scope["docs"] = builder.add_source(MemoryRows(name="one"), max_inflight_rows=1)
        with scope["docs"].row() as doc:
            doc["pieces"] = doc["content"].transform(limits_pieces)
            with doc["pieces"].row(max_inflight_rows=rows, max_inflight_bytes=size) as piece:
                piece["size"] = piece["text"].transform(limits_weigh)
                out.collect(id=coco.GeneratedField.UUID, size=piece["size"])
        out.export("out", RowTable(name="out"), primary_key_fields=["id"])

    fill("one", {"a": "/".join(["x" * 10] * 9), "b": "x" * 10})
    flow = coco.open_flow("Nested", define)
    flow.setup()
    flow.update()
    assert GAUGE.rows_at_most == 2
    assert len(TABLES["out"].rows) == 10
