"""One source during one run: listing, detection, batches in flight within limits, deletions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from msgspec import Struct

from coco.engine.batches import WorkRow
from coco.engine.context import Run
from coco.engine.failures import is_quarantined, version_of
from coco.engine.limits import Limiter, Permits, size_of, weight_of
from coco.engine.process import BatchProcessor, SourceState, readable_key
from coco.engine.read import Listed, ReadOutcome, SourcePort
from coco.engine.register import KeyRegister, versions
from coco.engine.sizing import LARGEST_BATCH, BatchSizer
from coco.engine.source_state import row_error
from coco.engine.unlisted import is_unlisted, unlisted_failure, unlisted_key
from coco.errors import SafetyStopError, SourceError
from coco.events import GuardStopped, RowsDeleted, RowsDetected, SourceListed
from coco.hot import fingerprint
from coco.hot.merge_cy import MAYBE, NEW, STALE_LOGIC, UNCHANGED, classify
from coco.plan.plan import SourcePlan
from coco.state.protocol import Failure, Head
from coco.types.storage import pack, unpacker

TICK_MICROS = 2_000_000
"""Ordinals this close to the time of reading do not prove that a row is unchanged."""
SCAN_ROWS = 4_000


def deleted_row(key: bytes, parts: tuple[Any, ...], head: Head) -> WorkRow:
    """A tracked row that was deleted in the source."""
    return WorkRow(key, parts or (key.hex(),), None, head, STALE_LOGIC, deleted=True)


class Looked(Struct):
    """Result of ``SourceRun.look``. Two fingerprints: of the rows in state, and of the listing with its ordinals.

    ``problems``: of the listing; they protect keys from deletion. ``stop``: the message of a guard, or empty.
    """

    work: list[WorkRow]
    deleted: list[WorkRow]
    listed: int
    state_mark: bytes
    listing_mark: bytes
    problems: list[str]
    stop: str


class SourceRun:
    """One source during one run. Its memory is bounded by the limits on rows and bytes in flight."""

    def __init__(self, run: Run, plan: SourcePlan, shared_lock: asyncio.Lock) -> None:
        self.run = run
        self.plan = plan
        self.port = (
            SourcePort(plan.step, run.threads, run.flow, run.own_paths) if plan.step is not None else None
        )
        self.state = SourceState(run, plan, self.port, {})
        self.stats = self.state.stats
        step = plan.step
        rows = step.max_inflight_rows if step is not None else None
        size = step.max_inflight_bytes if step is not None else None
        self._limiters = [Limiter(rows, size), run.global_limiter]
        bounds = [item for item in (rows, run.global_limiter.max_rows) if item is not None]
        # At least two batches fit into the limits, so that a call that hangs does not block the other batch.
        self._sizer = BatchSizer(min([LARGEST_BATCH, *(item // 2 for item in bounds)]))
        self._processor = BatchProcessor(self.state, shared_lock, self._sizer)
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._opened = False
        self._known_failures: set[bytes] = set()
        self._unlisted_before: dict[bytes, Failure] = {}
        self._deleted: list[bytes] = []
        self._register: KeyRegister | None = None
        self._tracked = self._met = 0
        sizes = [item for item in (size, run.global_limiter.max_bytes) if item is not None]
        self._max_bytes = min(sizes) if sizes else None
        self._rows_read = self._bytes_read = 0

    async def _open(self) -> None:
        if not self._opened:
            self.state.failures.update(
                await self.run.threads.store(self.run.store.get_failures, self.state.source_id)
            )
            self._unlisted_before = {
                key: self.state.failures.pop(key) for key in list(self.state.failures) if is_unlisted(key)
            }
            self._known_failures = set(self.state.failures)
            if self.port is not None:
                await self.port.open()
            self._opened = True

    async def update(self) -> None:
        """List, detect and process rows; ``delete`` removes deleted ones later."""
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
        listed = 0
        pending: list[WorkRow] = []
        error: SourceError | None = None
        try:
            async for batch in self._compared():
                listed += len(batch.keys)
                pending.extend(await self._detect(batch))
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
            await self._note_unlisted([("", text) for text in texts] + await self.port.skipped())
            for text in await self.port.warnings():
                run.warn(f"source '{self.plan.name}': {text}")
        run.emit(SourceListed(run.flow, self.plan.name, listed, error is None and not prefixes, tuple(texts)))
        if error is not None:
            raise error
        if not (prefixes or texts):
            try:
                run.guard.check_listing(run.flow, self.plan.name, listed, self._tracked)
            except Exception as stop:
                run.emit(GuardStopped(run.flow, f"source:{self.plan.name}", str(stop)))
                raise
        async for lost, parts in self._unlisted():
            if prefixes and _under(parts, prefixes):
                state.stats.num_no_change += 1
            else:
                self._deleted.append(lost)
        if not prefixes:
            await self._forget_failures()

    async def _compared(self, mark: _Mark | None = None) -> AsyncIterator[Listed]:
        """The listing, once the state to compare it with is loaded; ``mark`` receives the rows of state."""
        run, state = self.run, self.state
        known = await run.threads.store(next, run.store.scan(state.source_id, 1), None)
        by_content, waiting = False, True

        def load() -> None:
            register = self._register = KeyRegister(by_content=by_content)
            tick = None if by_content else TICK_MICROS
            for rows in versions(run.store, state.source_id, state.logic_fp, tick, SCAN_ROWS):
                self._tracked += len(rows)
                register.track(rows)
            if mark is not None:
                for heads in run.store.scan(state.source_id, SCAN_ROWS):
                    mark.add((key, head.process_ordinal, head.max_process_ordinal) for key, head in heads)

        async for batch in self._listing(not known):
            if waiting:
                waiting = False
                by_content = any(fp is not None for fp in batch.content_fps)
                await run.threads.store(load)
            yield batch
        if waiting:
            await run.threads.store(load)

    async def _listing(self, first: bool) -> AsyncIterator[Listed]:
        if self.port is None:
            if self.plan.step is None and self.plan.collects:
                yield Listed([pack(())], [()], [None], [None], [b"root"], [None], [()])
            return
        # Inline values count as rows in flight; with a limit of bytes, rows are read later, when their size is reserved.
        values = first and self._max_bytes is None
        async for batch in self.port.listing(
            include_values=values, rows=self._sizer.largest if values else None
        ):
            yield batch

    async def _detect(self, batch: Listed) -> list[WorkRow]:
        """Level 1: compare the listing with state; returns rows that may have changed or must be processed anyway."""
        run, state, register = self.run, self.state, self._register
        assert register is not None
        force = run.options.reexport or run.options.reprocess
        trust = run.trust_ordinals.get(self.plan.name, True)
        rest, repeated = register.compare(
            batch.keys, batch.ordinals, batch.content_fps, batch.sizes, trust=trust and not force
        )
        for position in repeated:  # two rows with one key must not be in flight at once
            run.warn(
                f"source '{self.plan.name}' listed a key more than once: {readable_key(batch.parts[position])}"
            )
        unchanged = len(batch.keys) - len(rest) - len(repeated)
        self._met += unchanged
        keys = [batch.keys[position] for position in rest]
        heads: dict[bytes, Head] = {}
        if keys and self._tracked > self._met:
            heads = await run.threads.store(run.store.get_heads, state.source_id, keys)
            self._met += len(heads)
        codes = classify(
            keys,
            [batch.ordinals[position] for position in rest],
            [batch.content_fps[position] for position in rest],
            [batch.sizes[position] for position in rest],
            [heads.get(key) for key in keys],
            state.logic_fp,
            force,
            trust,
            TICK_MICROS,
        )
        work = []
        new = maybe = 0
        failures = state.failures
        for position, key, code in zip(rest, keys, codes, strict=True):
            ordinal, content_fp = batch.ordinals[position], batch.content_fps[position]
            if failures:
                failure = failures.get(key)
                version = version_of(ordinal, content_fp)
                if is_quarantined(failure, version, state.logic_fp) and not run.options.retry_quarantined:
                    state.skip_quarantined(key)
                    continue
                if failure is not None and code == UNCHANGED:
                    code = STALE_LOGIC
            if code == UNCHANGED:
                unchanged += 1
                continue
            new += code == NEW
            maybe += code != NEW
            work.append(batch.row(position, heads.get(key), code, forced=force))
        state.stats.num_no_change += unchanged
        run.emit(RowsDetected(run.flow, self.plan.name, new, maybe, unchanged))
        return work

    async def _unlisted(self) -> AsyncIterator[tuple[bytes, tuple[Any, ...]]]:
        """Key and parts of tracked rows that the complete listing lacks."""
        run, register = self.run, self._register
        if self._met >= self._tracked or register is None:
            return
        read_parts = self._key_reader()
        scan = run.store.scan(self.state.source_id, SCAN_ROWS)
        while heads := await run.threads.store(next, scan, None):
            keys = [key for key, _ in heads]
            for key, listed in zip(keys, register.were_listed(keys), strict=True):
                if not listed:
                    yield key, read_parts(key)

    async def _note_unlisted(self, problems: list[tuple[str, str]]) -> None:
        """Record (name, message) of entries of this listing that cannot be rows, and remove the records of earlier
        listings. They do not affect other rows."""
        run, state = self.run, self.state
        records = [
            unlisted_failure(
                state.source_id,
                self.plan.name,
                name,
                message,
                self._unlisted_before.get(unlisted_key(name, message)),
            )
            for name, message in problems
        ]
        state.stats.num_errors += len(records)
        for (name, message), record in zip(problems, records, strict=True):
            run.report_failure(row_error(self.plan.name, (name,), record))
            run.warn(f"source '{self.plan.name}': {message}")
        settled = self._unlisted_before.keys() - {record.key for record in records}
        if records:
            await run.threads.store(run.store.put_failures, records)
        if settled:
            await run.threads.store(run.store.clear_failures, state.source_id, list(settled))

    async def _forget_failures(self) -> None:
        """Remove failures of rows that are neither tracked nor listed; those of tracked rows are removed with the row."""
        run, register = self.run, self._register
        keys = list(self._known_failures)
        if not keys or register is None:
            return
        tracked = await run.threads.store(run.store.get_heads, self.state.source_id, keys)
        listed = register.were_listed(keys)
        deleted = [key for key, seen in zip(keys, listed, strict=True) if not seen and key not in tracked]
        if deleted:
            await run.threads.store(run.store.clear_failures, self.state.source_id, deleted)

    async def _start_some(self, pending: list[WorkRow]) -> list[WorkRow]:
        """Start the first batch of ``pending``, as large as the limits allow; returns the rest.

        With a limit of bytes, a batch takes at most half of it, and a row of unknown size is a batch of its own.
        """
        end, size = 0, 0
        while end < len(pending) and end < self._sizer.rows:
            row = pending[end]
            size += self._weight_of(row)
            alone = self._max_bytes is not None and row.size is None and row.value is None
            if end and (alone or (self._max_bytes is not None and size > self._max_bytes // 2)):
                break
            end += 1
            if alone:
                break
        await self._start(pending[:end])
        return pending[end:]

    def _weight_of(self, row: WorkRow) -> int:
        """Bytes to reserve for a row: its size, else the average of the rows read so far, else the whole limit."""
        if row.size is not None or self._max_bytes is None or row.deleted:
            return row.size or 0
        if row.value is not None:
            return weight_of(row.value)
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
            size = sum(size_of(value) for column in outcome.columns for value in column)
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

    async def delete(self) -> None:
        """Remove deleted rows from the targets. Called last, so that replacements are written first."""
        deleted, self._deleted = self._deleted, []
        if not deleted:
            return
        self.run.emit(RowsDeleted(self.run.flow, self.plan.name, len(deleted)))
        read_parts = self._key_reader()
        try:
            for start in range(0, len(deleted), self._sizer.largest):
                keys = deleted[start : start + self._sizer.largest]
                heads = await self.run.threads.store(self.run.store.get_heads, self.state.source_id, keys)
                await self._start(
                    [deleted_row(key, read_parts(key), heads[key]) for key in keys if key in heads]
                )
            await self._drain()
        finally:
            await self._cancel_tasks()

    def _key_reader(self) -> Any:
        if self.plan.step is None:
            return lambda key: ()
        return unpacker(list(self.plan.step.table.key_fields))

    async def process_keys(self, keys: Iterable[bytes], *, forced: bool = True, again: bool = False) -> None:
        """Process given keys: ``forced`` even if unchanged (retries, repairs, ownership), else those that changed."""
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
        """The rows that a run would process, from listing and state alone. Reads no value and writes nothing."""
        await self._open()
        tracked, seen = _Mark(), _Mark()
        work: list[WorkRow] = []
        listed = 0
        async for batch in self._compared(tracked):
            listed += len(batch.keys)
            seen.add(zip(batch.keys, batch.ordinals, batch.content_fps, strict=True))
            work += await self._detect(batch)
        prefixes, texts = await self.port.incomplete() if self.port is not None else ([], [])
        skipped = [text for _, text in await self.port.skipped()] if self.port is not None else []
        deleted = [key async for key, parts in self._unlisted() if not _under(parts, prefixes)]
        heads = await self.run.threads.store(self.run.store.get_heads, self.state.source_id, deleted)
        read_parts = self._key_reader()
        stop = ""
        if not (prefixes or texts):
            try:
                self.run.guard.check_listing(self.run.flow, self.plan.name, listed, self._tracked)
            except SafetyStopError as error:
                stop = str(error)
        return Looked(
            work,
            [deleted_row(key, read_parts(key), heads[key]) for key in deleted],
            listed,
            tracked.digest(),
            seen.digest(),
            [*texts, *skipped],
            stop,
        )

    async def close(self) -> None:
        """Close the connector, if it was opened."""
        if self.port is not None and self._opened:
            await self.port.close()


class _Mark:
    """A fingerprint of many items that does not depend on their order: the sum of their fingerprints."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, items: Iterable[Any]) -> None:
        for item in items:
            self._sum += int.from_bytes(fingerprint(pack(item)), "little")

    def digest(self) -> bytes:
        return fingerprint(pack(str(self._sum)))


def load_heads(store: Any, source_id: int) -> dict[bytes, Head]:
    """The heads of all rows of a source, by key."""
    heads: dict[bytes, Head] = {}
    for batch in store.scan(source_id):
        heads.update(batch)
    return heads


def _under(parts: tuple[Any, ...], prefixes: list[str]) -> bool:
    """Whether a key lies under a prefix that could not be listed; True if that cannot be decided."""
    if not prefixes:
        return False
    first = parts[0] if parts else ""
    return not isinstance(first, str) or any(first.startswith(prefix) for prefix in prefixes)
