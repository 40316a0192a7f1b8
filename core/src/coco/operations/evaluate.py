"""``flow.evaluate()``: evaluates the flow for every source row into files. Changes neither targets nor state."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coco.engine.batches import WorkRow
from coco.engine.evaluate import Evaluation
from coco.engine.failures import message_of
from coco.engine.frames import RootData
from coco.engine.functions import FunctionStep
from coco.engine.limits import Limiter, Permits, size_of, weight_of
from coco.engine.memo import MemoSession
from coco.engine.preparing import RunExecutors
from coco.engine.read import ReadOutcome, SourcePort
from coco.engine.stats import IndexUpdateInfo, SourceUpdateInfo
from coco.environment.environment import Environment
from coco.environment.own_paths import own_paths
from coco.flow.graph import Graph, SourceStep
from coco.hot.merge_cy import NEW
from coco.notebook import html_text
from coco.plan.plan import Call, Planner, Program
from coco.state.memory import MemoryStore
from coco.types.analyze import analyze_type_info
from coco.types.decode import make_engine_struct_decoder

if TYPE_CHECKING:
    from coco.flow.options import EvaluateAndDumpOptions

MAX_NAME = 128
BATCH = 64
SHOWN_BYTES = 64
SHOWN_NUMBERS = 8


@dataclass(frozen=True)
class EvaluateReport:
    """Result of ``flow.evaluate()``."""

    output_dir: str
    """The folder with the files."""
    info: IndexUpdateInfo
    """Statistics by source: evaluated rows count as inserted, failed rows as errors."""

    @property
    def ok(self) -> bool:
        """Whether no row failed."""
        return not self.info.has_errors

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, as `coco evaluate --json` prints it."""
        return {"ok": self.ok, "output_dir": self.output_dir, **self.info.to_dict()}

    def lines(self) -> list[str]:
        """A line for each source."""
        lines = []
        for item in self.info.sources:
            done, failed = item.stats.num_insertions, item.stats.num_errors
            lines.append(
                f"{item.source_name}: {done} rows evaluated" + (f", {failed} failed" if failed else "")
            )
        return lines

    def render(self) -> str:
        """A line for each source, and where the files are."""
        return "\n".join([*self.lines(), f"Written to {self.output_dir}, one file for each row"])

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        return html_text(self.render())


async def evaluate(environment: Environment, graph: Graph, options: EvaluateAndDumpOptions) -> EvaluateReport:
    """See ``Flow.evaluate``."""
    return EvaluateReport(options.output_dir, await evaluate_and_dump(environment, graph, options))


async def evaluate_and_dump(
    environment: Environment, graph: Graph, options: EvaluateAndDumpOptions
) -> IndexUpdateInfo:
    """Write one YAML file per source row to ``options.output_dir``; the file of a failed row has an ``error``."""
    folder = Path(options.output_dir)
    threads, emit = environment.threads, environment.emit
    await threads.run(folder.mkdir, parents=True, exist_ok=True)
    use_cache = options.use_cache and environment.store_exists()
    store: Any = await threads.store(environment.store) if use_cache else MemoryStore()
    memo = MemoSession(store, threads, emit, graph.full_name, write=False, ignore=not use_cache)
    executors = RunExecutors(environment.executors, environment.executors.pauses)
    planner = Planner(graph)
    info = IndexUpdateInfo()

    def steps(program: Program) -> dict[int, FunctionStep]:
        return {
            item.step.id: FunctionStep(
                item.step,
                executors,
                threads,
                memo,
                emit,
                flow=graph.full_name,
                source=program.source,
                namespace=environment.namespace,
            )
            for item in program.instructions
            if isinstance(item, Call)
        }

    root_program = planner.plan().root
    root = Evaluation(graph, root_program, steps(root_program), [b""], RootData())
    for problem in (await root.run({})).problems.values():
        raise problem.error
    roots = root.frames.root_data(root_program.wholes)
    known = await threads.store(environment.store) if environment.store_exists() else store
    ours = await threads.store(own_paths, known, graph)
    ours = ours._replace(every=(*ours.every, str(folder)))
    for step in graph.sources:
        stats = SourceUpdateInfo(step.name)
        info.sources.append(stats)
        program = planner.full_program(step)
        dumper = _Dumper(graph, step, program, folder)
        port = SourcePort(step, threads, graph.full_name, ours)
        await port.open()
        try:
            ready = steps(program)
            admission = _Admission(step, environment.limiter)
            async for listed in port.listing(include_values=admission.max_bytes is None):
                rows = [listed.row(position, None, NEW) for position in range(len(listed.keys))]
                for part in admission.parts(rows):
                    async with admission.of(part) as read:
                        outcome = await port.read(part)
                        await read(outcome)
                        documents = await dumper.documents(outcome.rows, outcome.columns, ready, roots)
                        for row, problem in outcome.problems:
                            documents.append((row, {"error": message_of(problem)}))
                        stats.stats.num_insertions += sum("error" not in item for _, item in documents)
                        stats.stats.num_errors += sum("error" in item for _, item in documents)
                        await threads.run(dumper.write, documents)
        finally:
            await port.close()
    return info


class _Admission:
    """The limits on rows and bytes in flight, of one source and of the process, as in an update."""

    def __init__(self, step: SourceStep, whole: Limiter) -> None:
        self._limiters = [Limiter(step.max_inflight_rows, step.max_inflight_bytes), whole]
        rows = [item.max_rows for item in self._limiters if item.max_rows is not None]
        sizes = [item.max_bytes for item in self._limiters if item.max_bytes is not None]
        self._rows = min([BATCH, *rows])
        self.max_bytes = min(sizes) if sizes else None

    def parts(self, rows: list[WorkRow]) -> Iterator[list[WorkRow]]:
        """Batches within the limits; with a limit of bytes, a row of unknown size is a batch of its own."""
        part: list[WorkRow] = []
        size = 0
        for row in rows:
            weight = self._weight(row)
            if part and (
                len(part) == self._rows or (self.max_bytes is not None and size + weight > self.max_bytes)
            ):
                yield part
                part, size = [], 0
            part.append(row)
            size += weight
        if part:
            yield part

    def _weight(self, row: WorkRow) -> int:
        if row.size is not None or self.max_bytes is None:
            return row.size or 0
        return self.max_bytes if row.value is None else weight_of(row.value)

    @contextlib.asynccontextmanager
    async def of(self, rows: list[WorkRow]) -> AsyncIterator[Callable[[ReadOutcome], Awaitable[None]]]:
        """Hold permits for a batch; yields a function to call with the rows that were read, which may wait for more."""
        permits = Permits(self._limiters)
        await permits.acquire(len(rows), sum(self._weight(row) for row in rows))

        async def read(outcome: ReadOutcome) -> None:
            if self.max_bytes is not None:
                await permits.resize(sum(size_of(value) for column in outcome.columns for value in column))

        try:
            yield read
        finally:
            permits.release()


class _Dumper:
    """Makes the documents of one source's rows."""

    def __init__(self, graph: Graph, step: SourceStep, program: Program, folder: Path) -> None:
        self._graph = graph
        self._step = step
        self._program = program
        self._folder = folder
        self._names: dict[str, int] = {}
        self._decoders = {
            item.id: make_engine_struct_decoder(
                ["<value>"], list(item.schema), analyze_type_info(dict[str, Any])
            )
            for item in graph.collectors
        }

    async def documents(
        self,
        rows: list[WorkRow],
        columns: list[list[Any]],
        steps: dict[int, FunctionStep],
        roots: RootData,
    ) -> list[tuple[WorkRow, dict[str, Any]]]:
        scope = self._graph.scopes[self._step.row_scope]
        slots = {slot: [row.parts[i] for row in rows] for i, slot in enumerate(scope.key_slots)}
        slots.update(zip(scope.value_slots, columns, strict=True))
        evaluation = Evaluation(self._graph, self._program, steps, [row.key for row in rows], roots)
        collected = await evaluation.run(slots)
        result: list[tuple[WorkRow, dict[str, Any]]] = []
        for index, row in enumerate(rows):
            problem = collected.problems.get(index)
            if problem is not None:
                result.append((row, {"error": f"{problem.op}: {message_of(problem)}"}))
                continue
            exports: dict[str, Any] = {}
            for collector in self._graph.collectors:
                entries = []
                for part in collected.entries.get(collector.id, ()):
                    decode = self._decoders[collector.id]
                    for place, owner in enumerate(part.owners):
                        if owner == index:
                            values = decode(tuple(column[place] for column in part.columns))
                            entries.append({name: _shown(value) for name, value in values.items()})
                names = [item.name for item in self._graph.exports if item.collector == collector.id]
                for name in names or [f"({collector.name})"]:
                    exports[name] = sorted(entries, key=repr)
            result.append((row, {"exports": exports}))
        await asyncio.sleep(0)
        return result

    def write(self, documents: list[tuple[WorkRow, dict[str, Any]]]) -> None:
        import yaml

        for row, document in documents:
            key = [_shown(part) for part in row.parts]
            data = {"key": key[0] if len(key) == 1 else key, **document}
            text = yaml.safe_dump(data, sort_keys=True, allow_unicode=True, default_flow_style=False)
            (self._folder / self._file_name(row)).write_text(text, encoding="utf-8")

    def _file_name(self, row: WorkRow) -> str:
        parts = ":".join(urllib.parse.quote(str(part), safe=".-_") for part in row.parts)
        stem = f"{self._step.name}@{parts}"[:MAX_NAME]
        count = self._names.get(stem, 0)
        self._names[stem] = count + 1
        return f"{stem}.{count}.yaml" if count else f"{stem}.yaml"


def _shown(value: Any) -> Any:
    """A readable value that is easy to compare: long bytes and vectors by length, head and digest."""
    if isinstance(value, bytes):
        digest = hashlib.sha256(value).hexdigest()[:16]
        return f"<{len(value)} bytes sha256:{digest}>" if len(value) > SHOWN_BYTES else value.hex()
    tolist = getattr(value, "tolist", None)
    if tolist is not None:
        value = tolist()
    if isinstance(value, dict):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_shown(item) for item in value]
        if len(items) > SHOWN_NUMBERS and all(isinstance(item, (int, float)) for item in items):
            digest = hashlib.sha256(repr(items).encode()).hexdigest()[:16]
            return f"<vector {len(items)} head {items[:3]} sha256:{digest}>"
        return items
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
