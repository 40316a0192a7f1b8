"""All concurrency of an update: listing, detection, batches in flight, deletions last (I-25 to I-32).

Batch size adapts to how long a batch takes: quick rows travel in large batches, slow ones in many small
batches at once, so that one straggler holds up few. Memory follows the in-flight limits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from coco.engine.batches import WorkRow
from coco.engine.context import Run
from coco.engine.evaluate import Evaluation
from coco.engine.failures import is_parked, version_of
from coco.engine.limits import Limiter, Permits
from coco.engine.process import BatchProcessor, SourceState
from coco.engine.read import ListedRow, SourcePort
from coco.engine.stats import SourceUpdateInfo
from coco.errors import SourceError
from coco.events import (
    DriftNoticed,
    GuardStopped,
    RowsDetected,
    RowsGone,
    RunFinished,
    RunStarted,
    SourceListed,
)
from coco.flow.graph import ROOT_SCOPE
from coco.hot import fingerprint
from coco.hot.merge_cy import MAYBE, NEW, STALE_LOGIC, UNCHANGED, classify
from coco.plan.plan import Call, SourcePlan
from coco.state.protocol import Head
from coco.types.storage import pack, unpacker

FIRST_BATCH = 64
LARGEST_BATCH = 512
SMALLEST_BATCH = 4
QUICK_SECONDS = 0.25
SLOW_SECONDS = 1.0
TICK_MICROS = 2_000_000
"""Ordinals this close to the time of reading prove nothing (I-83)."""


async def run_update(run: Run) -> None:
    """One pass over all sources. Raises the first error that concerned a whole source or the state store."""
    started = time.monotonic()
    run.emit(RunStarted(run.flow, run.options.mode, tuple(plan.name for plan in run.plan.sources)))
    failed = True
    run.memo.start()
    shared_lock = asyncio.Lock()
    states: list[SourceRun] = []
    try:
        run.row_counts = await run.threads.store(
            run.store.row_counts, [export.target_id for export in run.exports.values()]
        )
        for name, export in run.exports.items():
            run.guard.begin(name, run.row_counts.get(export.target_id, 0))
        await heartbeat(run)
        run.root_values = await evaluate_root(run)
        for source_id in run.removed_sources:
            await purge_source(run, source_id, shared_lock)
        for plan in run.plan.sources:
            states.append(SourceRun(run, plan, shared_lock))
        run.info.sources = [SourceUpdateInfo(item.plan.name, item.stats) for item in states]
        results = await _gather_all([item.update() for item in states])
        await _reexport_remaining(run, states)
        errors = [item for item in results if isinstance(item, BaseException)]
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"also: {type(other).__name__}: {other}")
            raise errors[0]
        failed = False
    finally:
        await run.memo.close()
        for item in states:
            await item.close()
        for port in run.ports.values():
            await port.close()
        run.emit(RunFinished(run.flow, time.monotonic() - started, failed))


async def _gather_all(coroutines: list[Any]) -> list[Any]:
    """Run all to their end whatever fails; on cancellation cancel all and wait."""
    tasks = [asyncio.ensure_future(item) for item in coroutines]
    try:
        return await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _reexport_remaining(run: Run, states: list[SourceRun]) -> None:
    """Rows whose target row was taken over by a row that is now gone are exported again (I-50)."""
    by_id = {item.state.source_id: item for item in states}
    for _ in range(3):
        wanted: dict[int, set[bytes]] = {}
        for item in states:
            for source_id, key in item.state.reexport:
                wanted.setdefault(source_id, set()).add(key)
            item.state.reexport.clear()
        if not wanted:
            return
        for source_id, keys in wanted.items():
            if source_id in by_id:
                await by_id[source_id].process_keys(sorted(keys))


async def evaluate_root(run: Run) -> dict[int, Any]:
    """Calls at the root scope: once per pass."""
    program = run.plan.root
    if not any(isinstance(item, Call) for item in program.instructions):
        return {}
    evaluation = Evaluation(run.graph, program, run.steps_for(program), [b""], {})
    collected = await evaluation.run({})
    for problem in collected.problems.values():
        raise problem.error
    return {slot: column[0] for slot, column in evaluation.frames.frame(ROOT_SCOPE).columns.items() if column}


async def heartbeat(run: Run) -> None:
    """Ask each target that can tell how many rows it holds; a difference is reported, never repaired silently."""

    async def one(name: str) -> None:
        export = run.exports[name]
        count = export.step.target.method("count_rows")
        expected = run.row_counts.get(export.target_id, 0)
        if count is None or expected == 0 or export.step.setup_by_user:
            return
        actual: int | None
        try:
            prepared = await run.ports[name].prepare()
            actual = await run.threads.call(count, prepared)
            reason = ""
        except Exception as error:
            actual, reason = None, f" ({error})"
        if actual is not None and actual >= expected:
            return
        if actual is None:
            message = f"target '{name}' cannot be read{reason}; state knows {expected} rows there"
        else:
            message = f"target '{name}' holds {actual} rows where state knows {expected}"
        message += "; run `coco verify --repair` to restore it"
        run.emit(DriftNoticed(run.flow, name, expected, actual, message))
        run.info.drifted.append(name)
        run.warn(message)

    await asyncio.gather(*(one(name) for name in run.exports))


async def purge_source(run: Run, source_id: int, shared_lock: asyncio.Lock) -> None:
    """Remove the target rows of a source that left the flow, then its tracking (I-51)."""
    ghost = SourcePlan(None, {}, frozenset())
    run.source_ids[ghost.name] = run.source_ids.get(ghost.name, source_id)
    state = SourceState(run, ghost, None, {})
    state.source_id = source_id
    processor = BatchProcessor(state, shared_lock)

    def all_keys() -> list[list[tuple[bytes, Head]]]:
        return list(run.store.scan(source_id, LARGEST_BATCH))

    for batch in await run.threads.store(all_keys):
        await processor.process([_gone_row(key, (), head) for key, head in batch])
    await run.threads.store(run.store.drop_sources, [source_id])


def _gone_row(key: bytes, parts: tuple[Any, ...], head: Head) -> WorkRow:
    return WorkRow(key, parts or (key.hex(),), None, head, STALE_LOGIC, gone=True)


class SourceRun:
    """One source during one pass."""

    def __init__(self, run: Run, plan: SourcePlan, shared_lock: asyncio.Lock) -> None:
        self.run = run
        self.plan = plan
        self.port = SourcePort(plan.step, run.threads, run.flow) if plan.step is not None else None
        self.state = SourceState(run, plan, self.port, {})
        self.stats = self.state.stats
        self._processor = BatchProcessor(self.state, shared_lock)
        step = plan.step
        rows = step.max_inflight_rows if step is not None else None
        size = step.max_inflight_bytes if step is not None else None
        self._limiters = [Limiter(rows, size), run.global_limiter]
        bounds = [item for item in (rows, run.global_limiter.max_rows) if item is not None]
        self._largest = max(1, min([LARGEST_BATCH, *bounds]))
        self._size = min(FIRST_BATCH, self._largest)
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._opened = False
        self._listed_failures: set[bytes] = set()

    async def _open(self) -> None:
        if not self._opened:
            self.state.failures.update(
                await self.run.threads.store(self.run.store.get_failures, self.state.source_id)
            )
            if self.port is not None:
                await self.port.open()
            self._opened = True

    async def update(self) -> None:
        """List, detect, process, delete."""
        run = self.run
        try:
            await self._open()
            if run.options.only_keys is not None:
                await self.process_keys(run.options.only_keys.get(self.plan.name, []))
                return
            await self._update_all()
        finally:
            await self._cancel_tasks()

    async def _update_all(self) -> None:
        run, state = self.run, self.state
        heads = await run.threads.store(load_heads, run.store, state.source_id)
        tracked_count = len(heads)
        listed = 0
        pending: list[WorkRow] = []
        error: SourceError | None = None
        try:
            async for batch in self._listing(not heads):
                listed += len(batch)
                pending.extend(self._detect(batch, heads))
                while len(pending) >= self._size:
                    take, pending = pending[: self._size], pending[self._size :]
                    await self._start(take)
        except SourceError as problem:
            error = problem
        if pending:
            for start in range(0, len(pending), self._size):
                await self._start(pending[start : start + self._size])
        await self._drain()
        prefixes: list[str] = []
        texts: list[str] = []
        if self.port is not None and error is None:
            prefixes, texts = await self.port.incomplete()
            for key, text in self.port.listing_problems:
                texts.append(f"key {key}: {text}")
        state.stats.num_errors += len(texts)
        for text in texts:
            run.report_failure(self.plan.name, "", "list", f"source:{self.plan.name}", SourceError(text))
            run.warn(f"source '{self.plan.name}': {text}")
        run.emit(SourceListed(run.flow, self.plan.name, listed, error is None and not prefixes, tuple(texts)))
        if error is not None:
            raise error
        if not (prefixes or texts):
            try:
                run.guard.check_listing(run.flow, self.plan.name, listed, tracked_count)
            except Exception as stop:
                run.emit(GuardStopped(run.flow, f"source:{self.plan.name}", str(stop)))
                raise
        await self._delete(heads, prefixes)

    async def _listing(self, first: bool) -> Any:
        if self.port is None:
            if self.plan.step is None and self.plan.collects:
                yield [ListedRow(pack(()), (), None, None, b"root", None, ())]
            return
        async for batch in self.port.listing(include_values=first):
            yield batch

    def _detect(self, batch: list[ListedRow], heads: dict[bytes, Head]) -> list[WorkRow]:
        """Level 1: the listing against state. Takes the seen keys out of ``heads``."""
        run, state = self.run, self.state
        found = [heads.pop(row.key, None) for row in batch]
        force = run.options.reexport or run.options.reprocess
        codes = classify(
            [row.key for row in batch],
            [row.ordinal for row in batch],
            [row.content_fp for row in batch],
            [row.size for row in batch],
            found,
            state.logic_fp,
            force,
            run.trust_ordinals.get(self.plan.name, True),
            TICK_MICROS,
        )
        work = []
        new = maybe = unchanged = 0
        failures = state.failures
        for row, head, code in zip(batch, found, codes, strict=True):
            if failures:
                failure = failures.get(row.key)
                if failure is not None:
                    self._listed_failures.add(row.key)
                version = version_of(row.ordinal, row.content_fp)
                if is_parked(failure, version, state.logic_fp) and not run.options.retry_parked:
                    state.stats.num_parked += 1
                    continue
                if failure is not None and code == UNCHANGED:
                    code = STALE_LOGIC
            if code == UNCHANGED:
                unchanged += 1
                continue
            new += code == NEW
            maybe += code != NEW
            work.append(
                WorkRow(
                    row.key,
                    row.parts,
                    row.native,
                    head,
                    code,
                    row.ordinal,
                    row.content_fp,
                    row.size,
                    row.value,
                    forced=force,
                )
            )
        state.stats.num_no_change += unchanged
        run.emit(RowsDetected(run.flow, self.plan.name, new, maybe, unchanged))
        return work

    async def _start(self, rows: list[WorkRow]) -> None:
        """Admit one batch and process it in the background."""
        if self._error is not None:
            raise self._error
        permits = Permits(self._limiters)
        await permits.acquire(len(rows), sum(row.size or _weight(row.value) for row in rows))
        task = asyncio.get_running_loop().create_task(self._process(rows, permits))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, rows: list[WorkRow], permits: Permits) -> None:
        started = time.monotonic()
        try:
            await self._processor.process(rows)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self._error is None:
                self._error = error
        finally:
            permits.release()
            self._adapt(len(rows), time.monotonic() - started)

    def _adapt(self, rows: int, seconds: float) -> None:
        if rows < self._size:
            return
        if seconds < QUICK_SECONDS:
            self._size = min(self._size * 2, self._largest)
        elif seconds > SLOW_SECONDS:
            self._size = max(self._size // 2, min(SMALLEST_BATCH, self._largest))

    async def _drain(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._error is not None:
            raise self._error

    async def _cancel_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _delete(self, heads: dict[bytes, Head], prefixes: list[str]) -> None:
        """Rows that a complete listing no longer has. Comes last, so replacements are in first (I-31)."""
        read_parts = self._key_reader()
        gone: list[WorkRow] = []
        for key, head in heads.items():
            parts = read_parts(key)
            if prefixes and _under(parts, prefixes):
                self.state.stats.num_no_change += 1
                continue
            gone.append(_gone_row(key, parts, head))
        forgotten = (
            [key for key in self.state.failures if key not in self._listed_failures] if not prefixes else []
        )
        if forgotten:
            await self.run.threads.store(self.run.store.clear_failures, self.state.source_id, forgotten)
        if gone:
            self.run.emit(RowsGone(self.run.flow, self.plan.name, len(gone)))
            for start in range(0, len(gone), self._largest):
                await self._start(gone[start : start + self._largest])
            await self._drain()

    def _key_reader(self) -> Any:
        if self.plan.step is None:
            return lambda key: ()
        return unpacker(list(self.plan.step.table.key_fields))

    async def process_keys(self, keys: Iterable[bytes]) -> None:
        """Process given keys whatever they look like (retries, repairs, ownership)."""
        await self._open()
        read_parts = self._key_reader()
        chosen = list(keys)
        heads = await self.run.threads.store(self.run.store.get_heads, self.state.source_id, chosen)
        for start in range(0, len(chosen), self._largest):
            await self._start(
                [
                    WorkRow(
                        key,
                        read_parts(key),
                        None,
                        heads.get(key),
                        STALE_LOGIC if key in heads else MAYBE,
                        forced=True,
                        value=() if self.port is None else None,
                    )
                    for key in chosen[start : start + self._largest]
                ]
            )
        await self._drain()

    async def look(self, heads: dict[bytes, Head]) -> tuple[dict[str, int], bytes]:
        """What a pass would take up, from the listing alone, and a mark of what was compared."""
        await self._open()
        counts = {"new": 0, "changed": 0, "gone": 0, "unchanged": 0}
        mark = fingerprint(pack(tuple(sorted((key, head.process_ordinal) for key, head in heads.items()))))
        async for batch in self._listing(False):
            work = self._detect(batch, heads)
            counts["new"] += sum(row.code == NEW for row in work)
            counts["changed"] += sum(row.code != NEW for row in work)
            counts["unchanged"] += len(batch) - len(work)
        counts["gone"] = len(heads)
        return counts, mark

    async def close(self) -> None:
        """Close the connector, if it was opened."""
        if self.port is not None and self._opened:
            await self.port.close()


def load_heads(store: Any, source_id: int) -> dict[bytes, Head]:
    """The light state of all rows of a source, by key."""
    heads: dict[bytes, Head] = {}
    for batch in store.scan(source_id):
        heads.update(batch)
    return heads


def _weight(value: Any) -> int:
    """Bytes of an inline value, roughly; 0 when unknown."""
    if value is None:
        return 0
    total = 0
    for item in (
        vars(value).values() if hasattr(value, "__dict__") else value if isinstance(value, tuple) else ()
    ):
        if isinstance(item, (str, bytes)):
            total += len(item)
    return total


def _under(parts: tuple[Any, ...], prefixes: list[str]) -> bool:
    first = parts[0] if parts else ""
    return isinstance(first, str) and any(first.startswith(prefix) for prefix in prefixes)
