"""The source port: listing in batches, reading in batches, conversion at the boundary."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from coco.engine.batches import RowProblem, WorkRow
from coco.engine.source_shapes import Shapes
from coco.engine.threads import Threads
from coco.errors import Phase, SourceError, SourceReadError, ValueConversionError
from coco.flow.graph import SourceStep
from coco.hot import fingerprint, pack_all
from coco.ops.error_text import describe
from coco.state.protocol import Head
from coco.types.storage import pack

if TYPE_CHECKING:
    from coco.ops.connector_records import RegisteredSource
    from coco.ops.sources import SourceReadOptions

LIST_CHUNK = 2_000
LIST_AHEAD = 4
READ_FAN_OUT = 16


class Listed(Struct):
    """Listed rows as columns: packed keys, their parts, the connector's key objects, and their attributes.

    ``values``: the connector's value objects, None if the listing has none.
    """

    keys: list[bytes]
    parts: list[tuple[Any, ...]]
    natives: list[Any]
    ordinals: list[int | None]
    content_fps: list[bytes | None]
    sizes: list[int | None]
    values: list[Any]

    def row(self, position: int, head: Head | None, code: int, *, forced: bool = False) -> WorkRow:
        """The row at ``position``, for processing."""
        return WorkRow(
            self.keys[position],
            self.parts[position],
            self.natives[position],
            head,
            code,
            self.ordinals[position],
            self.content_fps[position],
            self.sizes[position],
            self.values[position],
            forced=forced,
        )


class ReadOutcome(Struct):
    """Rows that were read, with ``columns`` aligned to ``rows``; and rows that were deleted or failed."""

    rows: list[WorkRow]
    columns: list[list[Any]]
    deleted: list[WorkRow]
    problems: list[tuple[WorkRow, RowProblem]]
    read_at: int

    def keep(self, positions: list[int]) -> None:
        """Drop all other rows."""
        if len(positions) < len(self.rows):
            self.rows = [self.rows[position] for position in positions]
            self.columns = [[column[position] for position in positions] for column in self.columns]


class OwnPaths(NamedTuple):
    """Files and folders that the project writes: by state store and all targets, and by the targets of this flow."""

    every: tuple[str, ...] = ()
    of_flow: frozenset[str] = frozenset()


NO_PATHS = OwnPaths()


class SourcePort:
    """One source during one run. Call ``open`` first and ``close`` at the end."""

    def __init__(self, step: SourceStep, threads: Threads, flow: str, own_paths: OwnPaths) -> None:
        self.step = step
        self.name = step.name
        self._record = step.source
        self._threads = threads
        self._flow = flow
        self._own_paths = own_paths
        self._read_back: list[str] = []
        self._connector: Any = None
        self._encode_key = self._record.key_encoder(step.spec)
        self._encode_value = self._record.value_encoder(step.spec)
        self._decode_key = self._record.key_decoder(step.spec)
        self._width = len(step.table.value_fields)
        self._shapes = Shapes(self._record.connector_cls)
        self.provides_ordinal = False
        self.listing_problems: list[tuple[str, str]] = []

    async def open(self) -> None:
        try:
            made, kept = await open_connector(self._threads, self._record, self.step.spec, self._own_paths)
            self._read_back = sorted(self._own_paths.of_flow.intersection(kept))
            self._connector = made
            ordinals = getattr(made, "provides_ordinal", None)
            self.provides_ordinal = bool(await self._threads.call(ordinals)) if callable(ordinals) else False
        except Exception as error:
            raise SourceError(
                f"source '{self.name}' of flow '{self._flow}' cannot be opened: {describe(error)}"
            ) from error

    async def close(self) -> None:
        await self._threads.dispose(self._connector)
        self._connector = None

    def decode_key(self, parts: tuple[Any, ...]) -> Any:
        """The connector's key object for a tracked key."""
        return self._decode_key(parts)

    def options(self, *, value: bool) -> SourceReadOptions:
        from coco.ops.sources import SourceReadOptions

        return SourceReadOptions(include_ordinal=True, include_content_version_fp=True, include_value=value)

    async def listing(self, *, include_values: bool, rows: int | None = None) -> AsyncIterator[Listed]:
        """All keys in batches, of ``rows`` unless the connector makes them. Raises ``SourceError`` if the listing fails."""
        options = self.options(value=include_values)
        ahead = 0 if include_values else LIST_AHEAD
        try:
            batched = getattr(self._connector, "list_batches", None)
            if batched is not None:
                async for batches in _drive(
                    self._threads, self._call_with_options(batched, "list_batches", options), 1, ahead
                ):
                    for inner in batches:
                        yield self._convert(self._shapes.batch(inner))
            else:
                listing = self._call_with_options(self._connector.list, "list", options)
                async for batch in _drive(self._threads, listing, rows or LIST_CHUNK, ahead):
                    yield self._convert(batch)
        except SourceError as error:
            raise SourceError(f"source '{self.name}' of flow '{self._flow}': {describe(error)}") from error
        except Exception as error:
            raise SourceError(
                f"listing source '{self.name}' of flow '{self._flow}' broke off: {describe(error)}; "
                "no deletion is inferred from it"
            ) from error

    def _call_with_options(self, method: Callable[..., Any], name: str, options: Any) -> Callable[[], Any]:
        wants = self._record.wants_options.get(name, True)

        async def start() -> Any:
            return self._shapes.listing(name, await self._threads.call(method, *([options] if wants else [])))

        return start

    def _convert(self, rows: Sequence[Any]) -> Listed:
        from coco.ops.sources import NO_ORDINAL

        given = self._shapes.rows(rows)
        natives = [row.key for row in rows]
        try:
            parts = list(map(self._encode_key, natives))
        except ValueConversionError:
            rows, parts = self._convertible(rows)
            natives = [row.key for row in rows]
            given = [row.data for row in rows]
        return Listed(
            pack_all(parts, pack),
            parts,
            natives,
            [None if data.ordinal is NO_ORDINAL else data.ordinal for data in given],
            [data.content_version_fp for data in given],
            [data.size for data in given],
            [data.value for data in given],
        )

    def _convertible(self, rows: Sequence[Any]) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """The rows with valid keys; the others become problems of the listing."""
        good: list[Any] = []
        parts: list[tuple[Any, ...]] = []
        for row in rows:
            try:
                parts.append(self._encode_key(row.key))
                good.append(row)
            except ValueConversionError as error:
                self.listing_problems.append((repr(row.key)[:200], str(error)))
        return good, parts

    async def incomplete(self) -> tuple[list[str], list[str]]:
        """(key prefixes that could not be listed, messages) of the last listing.

        An error without a prefix protects all keys: the empty prefix.
        """
        prefixes = getattr(self._connector, "incomplete_prefixes", None)
        errors = getattr(self._connector, "listing_errors", None)
        missing: list[str] = []
        texts: list[str] = []
        if prefixes is not None:
            missing = self._shapes.texts("incomplete_prefixes", await self._threads.call(prefixes))
        if errors is not None:
            texts = self._shapes.texts("listing_errors", await self._threads.call(errors))
        return missing or ([""] if texts else []), texts

    async def skipped(self) -> list[tuple[str, str]]:
        """(name, message) of entries of the last listing that cannot be rows."""
        method = getattr(self._connector, "skipped_rows", None)
        found = [] if method is None else await self._threads.call(method)
        return self._shapes.pairs("skipped_rows", found) + [
            (key, f"key {key}: {text}") for key, text in self.listing_problems
        ]

    async def warnings(self) -> list[str]:
        """Warnings of the connector about the last listing."""
        method = getattr(self._connector, "listing_warnings", None)
        found = []
        if method is not None:
            found = self._shapes.texts("listing_warnings", await self._threads.call(method))
        return found + [
            f"it reads {path}, where a target of this flow writes, so the files of the target become rows. Give the "
            "target another folder, or exclude its files"
            for path in self._read_back
        ]

    async def read(self, rows: list[WorkRow]) -> ReadOutcome:
        """Values of ``rows``: inline ones are used, the others are fetched, many at once if the connector can."""
        from coco.ops.sources import NO_ORDINAL, NON_EXISTENCE

        read_at = time.time_ns() // 1_000
        outcome = ReadOutcome([], [[] for _ in range(self._width)], [], [], read_at)
        missing = [row for row in rows if row.value is None and not row.deleted]
        fetched = await self._fetch(missing) if missing else {}
        encode = self._encode_value
        for row in rows:
            data = fetched.get(row.key)
            if isinstance(data, BaseException):
                outcome.problems.append((row, RowProblem(Phase.READ.value, f"source:{self.name}", data)))
                continue
            value = row.value
            given_fp = row.content_fp
            if data is not None:
                value = data.value
                if data.ordinal is not None:
                    row.ordinal = None if data.ordinal is NO_ORDINAL else data.ordinal
                given_fp = data.content_version_fp or given_fp
                if data.size is not None:
                    row.size = data.size
            if value is NON_EXISTENCE or row.deleted:
                outcome.deleted.append(row)
                continue
            if value is None:
                error: BaseException = SourceReadError(
                    f"get_value of source '{self.name}' returned no value although one was asked for"
                )
                outcome.problems.append((row, RowProblem(Phase.READ.value, f"source:{self.name}", error)))
                continue
            try:
                encoded = encode(value)
            except Exception as problem:
                outcome.problems.append((row, RowProblem(Phase.READ.value, f"source:{self.name}", problem)))
                continue
            row.value = None
            row.content_fp = given_fp if given_fp is not None else fingerprint(pack(encoded))
            outcome.rows.append(row)
            for column, item in zip(outcome.columns, encoded, strict=True):
                column.append(item)
        return outcome

    async def _fetch(self, rows: list[WorkRow]) -> dict[bytes, Any]:
        options = self.options(value=True)
        many = getattr(self._connector, "get_values", None)
        natives = [row.native if row.native is not None else self._decode_key(row.parts) for row in rows]
        if many is not None:
            wants = self._record.wants_options.get("get_values", True)
            args = (natives, options) if wants else (natives,)
            try:
                answers = list(await self._threads.call(many, *args))
            except Exception:
                answers = []  # one bad key must not fail the others: fetch one by one
            if len(answers) == len(rows):
                return {
                    row.key: self._checked(answer, "get_values")
                    for row, answer in zip(rows, answers, strict=True)
                }
        wants = self._record.wants_options.get("get_value", True)
        gate = asyncio.Semaphore(READ_FAN_OUT)
        found: dict[bytes, Any] = {}

        async def one(row: WorkRow, native: Any) -> None:
            async with gate:
                args = (native, options) if wants else (native,)
                try:
                    answer = await self._threads.call(self._connector.get_value, *args)
                    found[row.key] = self._checked(answer, "get_value")
                except Exception as error:
                    found[row.key] = error

        async with asyncio.TaskGroup() as group:
            for row, native in zip(rows, natives, strict=True):
                group.create_task(one(row, native))
        return found

    def _checked(self, answer: Any, method: str) -> Any:
        """The data of a row, or the error. A connector may return an error as the answer for a row."""
        if isinstance(answer, Exception):
            return answer
        try:
            return self._shapes.data(answer, method)
        except SourceReadError as error:
            return error


async def open_connector(
    threads: Threads, record: RegisteredSource, spec: Any, own_paths: OwnPaths
) -> tuple[Any, Sequence[str]]:
    """A connector that excludes ``own_paths`` if it can, and those of the paths that it reads nevertheless."""
    made = await threads.call(record.create, spec)
    connector = Shapes(record.connector_cls).connector(made)
    exclude = getattr(connector, "exclude_paths", None)
    if exclude is None or not own_paths.every:
        return connector, ()
    return connector, await threads.call(exclude, list(own_paths.every)) or ()


async def _drive(
    threads: Threads, start: Callable[[], Awaitable[Any]], chunk: int, ahead: int = 0
) -> AsyncIterator[list[Any]]:
    """Items of the iterable that ``start`` returns, in lists of up to ``chunk``. A sync iterable runs in a thread.

    ``ahead``: how many lists a sync iterable may produce before they are consumed.
    """
    listing = await start()
    if hasattr(listing, "__aiter__"):
        batch: list[Any] = []
        async for item in listing:
            batch.append(item)
            if len(batch) >= chunk:
                yield batch
                batch = []
        if batch:
            yield batch
        return
    iterator = iter(listing)
    close = getattr(iterator, "close", None)
    taking: asyncio.Future[list[Any]] | None = None
    ready: asyncio.Queue[list[Any] | BaseException] = asyncio.Queue(max(ahead, 1))

    async def take_ahead() -> None:
        nonlocal taking
        try:
            while True:
                taking = threads.submit(functools.partial(_take, iterator, chunk))
                part = await asyncio.shield(taking)
                await ready.put(part)
                if len(part) < chunk:
                    return
        except Exception as error:
            await ready.put(error)

    producer = asyncio.get_running_loop().create_task(take_ahead()) if ahead else None
    try:
        while True:
            if producer is None:
                part: Any = await threads.run(_take, iterator, chunk)
            else:
                part = await ready.get()
                if isinstance(part, BaseException):
                    raise part
            if part:
                yield part
            if len(part) < chunk:
                return
    finally:
        if producer is not None:
            producer.cancel()
        if close is not None:
            if (
                taking is not None and not taking.done()
            ):  # the thread is still blocked; it closes the listing when it returns
                taking.add_done_callback(lambda _: threads.submit(close))
            else:
                await threads.run(close)


def _take(iterator: Iterator[Any], count: int) -> list[Any]:
    items = []
    for item in iterator:
        items.append(item)
        if len(items) >= count:
            break
    return items
