"""One source during one pass: listing, detection, batches in flight within limits, what is gone (I-25 to I-32)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from coco.engine.batches import WorkRow
from coco.engine.context import Run
from coco.engine.failures import is_parked, version_of
from coco.engine.limits import Limiter, Permits
from coco.engine.process import BatchProcessor, SourceState, readable_key
from coco.engine.read import ListedRow, ReadOutcome, SourcePort
from coco.engine.sizing import LARGEST_BATCH, BatchSizer
from coco.errors import SafetyStopError, SourceError
from coco.events import GuardStopped, RowsDetected, RowsGone, SourceListed
from coco.hot import fingerprint
from coco.hot.merge_cy import MAYBE, NEW, STALE_LOGIC, UNCHANGED, classify
from coco.plan.plan import SourcePlan
from coco.state.protocol import Head
from coco.types.storage import pack, unpacker

TICK_MICROS = 2_000_000
"""Ordinals this close to the time of reading prove nothing (I-83)."""


def gone_row(key: bytes, parts: tuple[Any, ...], head: Head) -> WorkRow:
    """A tracked key that is to leave the targets."""
    return WorkRow(key, parts or (key.hex(),), None, head, STALE_LOGIC, gone=True)


@dataclass(slots=True)
class Looked:
    """What ``SourceRun.look`` saw. Two marks: of what state says, and of what the source lists, ordinals included.

    ``problems``: of the listing, which protect keys from deletion. ``stop``: why an update would refuse.
    """

    work: list[WorkRow]
    gone: list[WorkRow]
    listed: int
    state_mark: bytes
    listing_mark: bytes
    problems: list[str]
    stop: str


class SourceRun:
    """One source during one pass. Memory follows the limits on rows and bytes in flight."""

    def __init__(self, run: Run, plan: SourcePlan, shared_lock: asyncio.Lock) -> None:
        self.run = run
        self.plan = plan
        self.port = SourcePort(plan.step, run.threads, run.flow) if plan.step is not None else None
        self.state = SourceState(run, plan, self.port, {})
        self.stats = self.state.stats
        step = plan.step
        rows = step.max_inflight_rows if step is not None else None
        size = step.max_inflight_bytes if step is not None else None
        self._limiters = [Limiter(rows, size), run.global_limiter]
        bounds = [item for item in (rows, run.global_limiter.max_rows) if item is not None]
        self._sizer = BatchSizer(min([LARGEST_BATCH, *bounds]))
        self._processor = BatchProcessor(self.state, shared_lock, self._sizer)
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._opened = False
        self._known_failures: set[bytes] = set()
        self._gone: list[WorkRow] = []
        self._listed: set[bytes] = set()
        sizes = [item for item in (size, run.global_limiter.max_bytes) if item is not None]
        self._max_bytes = min(sizes) if sizes else None
        self._rows_read = self._bytes_read = 0

    async def _open(self) -> None:
        if not self._opened:
            self.state.failures.update(
                await self.run.threads.store(self.run.store.get_failures, self.state.source_id)
            )
            self._known_failures = set(self.state.failures)
            if self.port is not None:
                await self.port.open()
            self._opened = True

    async def update(self) -> None:
        """List, detect, process; what is gone is left to ``delete``."""
        run = self.run
        try:
            await self._open()
            if run.options.only_keys is not None:
                keys = run.options.only_keys.get(self.plan.name, [])
                await self.process_keys(keys, forced=run.options.force_keys)
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
                while len(pending) >= self._sizer.rows:
                    pending = await self._start_some(pending)
        except SourceError as problem:
            error = problem
        while pending:
            pending = await self._start_some(pending)
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
        await self._find_gone(heads, prefixes)

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
        batch = self._without_repeats(batch)
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
                version = version_of(row.ordinal, row.content_fp)
                if is_parked(failure, version, state.logic_fp) and not run.options.retry_parked:
                    state.leave_parked(row.key)
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

    def _without_repeats(self, batch: list[ListedRow]) -> list[ListedRow]:
        """A key that is listed twice is one row: at no time are two of them at work (I-72)."""
        first = []
        for row in batch:
            if row.key in self._listed:
                self.run.warn(
                    f"source '{self.plan.name}' listed a key more than once: {readable_key(row.parts)}"
                )
            else:
                self._listed.add(row.key)
                first.append(row)
        return first

    async def _start_some(self, pending: list[WorkRow]) -> list[WorkRow]:
        """Start the first batch of ``pending``, as large as the limits allow; returns the rest.

        Under a limit of bytes, rows of unknown size travel alone.
        """
        end, size = 0, 0
        while end < len(pending) and end < self._sizer.rows:
            row = pending[end]
            size += self._weight_of(row)
            alone = self._max_bytes is not None and row.size is None and row.value is None
            if end and (alone or (self._max_bytes is not None and size > self._max_bytes)):
                break
            end += 1
            if alone:
                break
        await self._start(pending[:end])
        return pending[end:]

    def _weight_of(self, row: WorkRow) -> int:
        """Bytes to reserve for a row: its size, else that of the rows read so far, else all there is (DB-19)."""
        if row.size is not None or self._max_bytes is None or row.gone:
            return row.size or 0
        if row.value is not None:
            return _weight(row.value)
        return self._bytes_read // self._rows_read if self._rows_read else self._max_bytes

    async def _start(self, rows: list[WorkRow]) -> None:
        """Admit one batch and process it in the background."""
        if self._error is not None:
            raise self._error
        while len(self._tasks) >= self._sizer.lanes:
            await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)
            if self._error is not None:
                raise self._error
        permits = Permits(self._limiters)
        await permits.acquire(len(rows), sum(self._weight_of(row) for row in rows))
        task = asyncio.get_running_loop().create_task(self._process(rows, permits))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, rows: list[WorkRow], permits: Permits) -> None:
        async def weigh(outcome: ReadOutcome) -> None:
            size = sum(_size_of(value) for column in outcome.columns for value in column)
            self._rows_read += len(outcome.rows)
            self._bytes_read += size
            await permits.resize(size)

        try:
            await self._processor.process(rows, None if self._max_bytes is None else weigh)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self._error is None:
                self._error = error
        finally:
            permits.release()

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

    async def _find_gone(self, heads: dict[bytes, Head], prefixes: list[str]) -> None:
        """Rows that a complete listing no longer has."""
        read_parts = self._key_reader()
        gone = self._gone
        for key, head in heads.items():
            parts = read_parts(key)
            if prefixes and _under(parts, prefixes):
                self.state.stats.num_no_change += 1
                continue
            gone.append(gone_row(key, parts, head))
        # Failures of rows that never came in and are no longer listed; those of tracked rows go with the row.
        forgotten = [] if prefixes else [*self._known_failures.difference(self._listed, heads)]
        if forgotten:
            await self.run.threads.store(self.run.store.clear_failures, self.state.source_id, forgotten)

    async def delete(self) -> None:
        """Take the rows that are gone out of the targets. Comes last, so that replacements are in first (I-31)."""
        gone, self._gone = self._gone, []
        if not gone:
            return
        self.run.emit(RowsGone(self.run.flow, self.plan.name, len(gone)))
        try:
            for start in range(0, len(gone), self._sizer.largest):
                await self._start(gone[start : start + self._sizer.largest])
            await self._drain()
        finally:
            await self._cancel_tasks()

    def _key_reader(self) -> Any:
        if self.plan.step is None:
            return lambda key: ()
        return unpacker(list(self.plan.step.table.key_fields))

    async def process_keys(self, keys: Iterable[bytes], *, forced: bool = True, again: bool = False) -> None:
        """Process given keys: whatever they look like (retries, repairs, ownership), or as far as they changed."""
        await self._open()
        read_parts = self._key_reader()
        chosen = list(keys)
        heads = await self.run.threads.store(self.run.store.get_heads, self.state.source_id, chosen)
        for start in range(0, len(chosen), self._sizer.largest):
            await self._start(
                [
                    WorkRow(
                        key,
                        read_parts(key),
                        None,
                        heads.get(key),
                        STALE_LOGIC if key in heads and (forced or key in self.state.failures) else MAYBE,
                        forced=forced,
                        again=again,
                        value=() if self.port is None else None,
                    )
                    for key in chosen[start : start + self._sizer.largest]
                ]
            )
        await self._drain()

    async def look(self) -> Looked:
        """What a pass would take up, from listing and state alone. Reads no value and writes nothing."""
        await self._open()
        heads = await self.run.threads.store(load_heads, self.run.store, self.state.source_id)
        tracked = len(heads)
        state_mark = _mark(
            (key, head.process_ordinal, head.max_process_ordinal) for key, head in heads.items()
        )
        seen: list[bytes] = []
        work: list[WorkRow] = []
        async for batch in self._listing(False):
            seen += [fingerprint(pack((row.key, row.ordinal, row.content_fp))) for row in batch]
            work += self._detect(batch, heads)
        prefixes, texts = await self.port.incomplete() if self.port is not None else ([], [])
        read_parts = self._key_reader()
        gone = []
        for key, head in heads.items():
            parts = read_parts(key)
            if not _under(parts, prefixes):
                gone.append(gone_row(key, parts, head))
        stop = ""
        if not (prefixes or texts):
            try:
                self.run.guard.check_listing(self.run.flow, self.plan.name, len(seen), tracked)
            except SafetyStopError as error:
                stop = str(error)
        return Looked(work, gone, len(seen), state_mark, fingerprint(b"".join(sorted(seen))), texts, stop)

    async def close(self) -> None:
        """Close the connector, if it was opened."""
        if self.port is not None and self._opened:
            await self.port.close()


def _mark(items: Iterable[Any]) -> bytes:
    """A fingerprint of many things, in whatever order they come."""
    return fingerprint(b"".join(sorted(fingerprint(pack(item)) for item in items)))


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
    if hasattr(value, "__dict__"):
        return sum(_size_of(item) for item in vars(value).values())
    return _size_of(value)


def _size_of(value: Any) -> int:
    """Bytes of a value, roughly."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return sum(_size_of(item) for item in value) if isinstance(value, (tuple, list)) else 8


def _under(parts: tuple[Any, ...], prefixes: list[str]) -> bool:
    """Whether a key lies in a part that could not be listed; one that cannot be told is taken to."""
    if not prefixes:
        return False
    first = parts[0] if parts else ""
    return not isinstance(first, str) or any(first.startswith(prefix) for prefix in prefixes)
