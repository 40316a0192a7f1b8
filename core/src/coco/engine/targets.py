"""The target port: one call per batch, one answer per row; failing rows are isolated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from coco.engine.batches import TargetDelta
from coco.engine.exports import ExportRun
from coco.engine.fencing import Fencing
from coco.engine.target_calls import TargetCalls
from coco.engine.threads import Threads, dispose
from coco.errors import (
    DriftError,
    FencedError,
    MutationError,
    RowRefusedError,
    TargetError,
    TargetTimeoutError,
    is_retriable,
)
from coco.events import BatchBisected, EmitFn
from coco.ops.calls import accepts
from coco.ops.error_text import describe

MAX_ROWS_PER_CALL = 5_000


class KeptTargets:
    """Targets that stay open between the runs of a live updater, by export: connectors with ``stays_open = True``.

    Also stores the logged reasons of targets that are down, so that runs do not log them again for each row.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._open: dict[str, Any] = {}
        self._said: dict[str, str] = {}

    def is_news(self, name: str, reason: str) -> bool:
        """Whether the reason why a target is down has not been logged yet; it then counts as logged."""
        known = self._said.get(name)
        self._said[name] = reason
        return known != reason

    def is_back(self, name: str) -> bool:
        """Whether a target that accepts rows was down before."""
        return self._said.pop(name, None) is not None

    def take(self, name: str) -> Any:
        """The open target of an export, which now belongs to the caller; None if none is open."""
        return self._open.pop(name, None)

    def give_back(self, name: str, prepared: Any) -> None:
        self._open[name] = prepared

    async def close(self) -> None:
        """Close all open targets."""
        while self._open:
            _, prepared = self._open.popitem()
            await self._threads.dispose(prepared)


class TargetPort:
    """One export's target during one run.

    ``down``: the error after which the run no longer writes to it. ``closed_door``: the connector's error when it could
    not be opened.
    """

    def __init__(
        self,
        export: ExportRun,
        threads: Threads,
        calls: TargetCalls,
        fencing: Fencing,
        emit: EmitFn,
        flow: str,
        kept: KeptTargets | None = None,
    ) -> None:
        self.export = export
        self._threads = threads
        self._calls = calls
        self._fencing = fencing
        self._fenced = False
        self._emit = emit
        self._flow = flow
        self._record = export.step.target
        self._prepared: Any = None
        self._ready = False
        self._lock = asyncio.Lock()
        self.down: BaseException | None = None
        self.closed_door: BaseException | None = None
        self._columns = self._record.method("mutate_columns")
        self._mutate: Any = self._record.method("mutate")
        self._kept = kept if getattr(self._record.connector_cls, "stays_open", False) else None

    @property
    def name(self) -> str:
        return self.export.name

    async def call(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a method of the connector. ``what``: a description for errors, such as "counting rows"."""
        try:
            return await self._calls(f"target '{self.name}' of flow '{self._flow}', {what}", function, *args)
        except TargetTimeoutError as error:
            if error.left:
                self.down = error
            raise

    async def prepare(self) -> Any:
        """Open the target at first use."""
        if self._ready:
            return self._prepared
        step = self.export.step
        prepare = self._record.method("prepare")
        kept = self._kept.take(self.name) if self._kept is not None else None
        if kept is not None:
            self._prepared = kept
        elif prepare is None:
            self._prepared = step.spec
        else:
            wants_schema = accepts(prepare, 3)
            args = (
                (step.spec, list(step.key_fields), list(step.value_fields)) if wants_schema else (step.spec,)
            )
            try:
                self._prepared = await self.call("opening it", prepare, *args)
            except Exception as error:
                text = f"target '{self.name}' of flow '{self._flow}' cannot be opened: {describe(error)}"
                missing = isinstance(error, DriftError)
                self.down = DriftError(f"{text}; {self.way_out}") if missing else TargetError(text)
                self.closed_door = error
                raise self.down from error
        self._ready = True
        return self._prepared

    @property
    def way_out(self) -> str:
        """What to do if the resource is missing."""
        if self.export.step.setup_by_user:
            return "it is yours (setup_by_user=True): recreate it"
        return "run `coco verify --repair APP`, which recreates and fills it"

    async def reopen(self) -> None:
        """Close the target and clear its error, since the resource was recreated."""
        await self.close()
        self.down = self.closed_door = None

    async def close(self) -> None:
        if not self._ready or self._prepared is self.export.step.spec:
            return
        self._ready = self._fenced = False
        if self._kept is not None and self.down is None:
            self._kept.give_back(self.name, self._prepared)
        elif not (isinstance(self.down, TargetTimeoutError) and self.down.left):
            await self.call("closing it", dispose, self._prepared)

    async def apply(self, delta: TargetDelta) -> dict[int, BaseException]:
        """Write a delta; returns the errors of source rows (by index) whose rows were not written."""
        failed: dict[int, BaseException] = {}
        async with self._lock:  # calls for one export never overlap
            if self.down is not None:
                return self._all(delta, self.down)
            try:
                await self.prepare()
                await self._fence()
            except TargetError as error:
                return self._all(delta, error)
            for part in _split(delta):
                await self._apply_part(part, failed)
        return failed

    async def _fence(self) -> None:
        """Make the target refuse writes of earlier runs. Called before the first write."""
        fence = self._record.method("fence")
        if fence is None or self._fenced:
            return
        what = "refusing writes of earlier updates"
        try:
            try:
                await self.call(what, fence, self._prepared, await self._fencing.token())
            except FencedError as error:
                token = await self._fencing.token_above(error.number)
                await self.call(what, fence, self._prepared, token)
        except Exception as error:
            if isinstance(error, TargetError):
                self.down = error
                raise
            self.down = TargetError(f"target '{self.name}' of flow '{self._flow}' cannot be written: {error}")
            raise self.down from error
        self._fenced = True

    async def _apply_part(self, delta: TargetDelta, failed: dict[int, BaseException]) -> None:
        if self.down is not None:
            failed.update(self._all(delta, self.down))
            return
        try:
            await self._call(delta)
        except MutationError as error:
            failed.update(self._refused(delta, error))
        except Exception as error:
            if is_retriable(error):
                self.down = error
                failed.update(self._all(delta, error))
                return
            size = len(delta.upsert_keys) + len(delta.delete_keys)
            if size <= 1:
                failed.update(self._all(delta, error))
                return
            self._emit(
                BatchBisected(
                    self._flow, f"target:{self.name}", size, f"{type(error).__name__}: {error}"[:200]
                )
            )
            for half in _halves(delta):
                await self._apply_part(half, failed)

    def _refused(self, delta: TargetDelta, error: MutationError) -> dict[int, BaseException]:
        """Errors of the source rows of refused keys, which may be tuples, single values, or keys as passed to ``mutate``.

        If a key was not in the delta, no row counts as written.
        """
        owners: dict[Any, list[int]] = {}
        decode = self.export.step.bound.decode_key
        for key, owner in (
            *zip(delta.upsert_keys, delta.upsert_owners, strict=True),
            *zip(delta.delete_keys, delta.delete_owners, strict=True),
        ):
            forms: list[Any] = [key]
            if len(key) == 1:
                forms.append(key[0])
            if self._columns is None:
                forms.append(decode(key))
            for form in forms:
                known = owners.setdefault(form, [])
                if owner not in known:
                    known.append(owner)
        failed: dict[int, BaseException] = {}
        for key, reason in error.failed_keys.items():
            problem = RowRefusedError(f"target '{self.name}' refused row {key!r}: {reason}")
            if key not in owners:
                return self._all(delta, TargetError(str(problem)))
            failed.update(dict.fromkeys(owners[key], problem))
        return failed

    def _all(self, delta: TargetDelta, error: BaseException) -> dict[int, BaseException]:
        return dict.fromkeys((*delta.upsert_owners, *delta.delete_owners), error)

    async def _call(self, delta: TargetDelta) -> None:
        from coco.ops.targets import MutationColumns

        step = self.export.step
        upserts, deletes = len(delta.upsert_keys), len(delta.delete_keys)
        parts = [f"writing {upserts} rows" if upserts else "", f"deleting {deletes} rows" if deletes else ""]
        what = " and ".join(filter(None, parts))
        if self._columns is not None:
            columns = MutationColumns(
                key_fields=step.key_fields,
                value_fields=step.value_fields,
                upsert_keys=delta.upsert_keys,
                upsert_rows=delta.upsert_rows,
                delete_keys=delta.delete_keys,
                changed=delta.changed if self.export.partial and any(delta.changed) else None,
            )
            await self.call(what, self._columns, (self._prepared, columns))
            return
        bound = step.bound
        changes: dict[Any, Any] = {}
        for key in delta.delete_keys:
            changes[bound.decode_key(key)] = None
        for key, row in zip(delta.upsert_keys, delta.upsert_rows, strict=True):
            changes[bound.decode_key(key)] = bound.decode_value(row)
        if changes:
            await self.call(what, self._mutate, (self._prepared, changes))


def _split(delta: TargetDelta) -> list[TargetDelta]:
    """Parts of bounded size; deletions follow upserts, so that replacements are written first."""
    if len(delta.upsert_keys) + len(delta.delete_keys) <= MAX_ROWS_PER_CALL:
        return [delta]
    return [part for half in _halves(delta) for part in _split(half)]


def _halves(delta: TargetDelta) -> list[TargetDelta]:
    ups = len(delta.upsert_keys)
    downs = len(delta.delete_keys)
    middle = (ups + downs) // 2
    cut_up, cut_down = min(middle, ups), max(0, middle - ups)
    halves = []
    for up, down in (((0, cut_up), (0, cut_down)), ((cut_up, ups), (cut_down, downs))):
        halves.append(
            TargetDelta(
                upsert_keys=delta.upsert_keys[slice(*up)],
                upsert_rows=delta.upsert_rows[slice(*up)],
                changed=delta.changed[slice(*up)],
                upsert_owners=delta.upsert_owners[slice(*up)],
                delete_keys=delta.delete_keys[slice(*down)],
                delete_owners=delta.delete_owners[slice(*down)],
            )
        )
    return halves
