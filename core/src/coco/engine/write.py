"""Stage, apply, commit: what one batch of one source changes, in targets and in state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from coco.engine.batches import RowProblem, TargetDelta, TargetRows, WorkRow
from coco.engine.ownership import change_of_counts, mark_waiting
from coco.engine.reconcile import Delta, RowInput, reconcile
from coco.engine.source_state import SourceState
from coco.errors import Phase, RowRefusedError
from coco.events import DuplicateKeys, GuardStopped, RowsCommitted, RowsStaged, TargetMutated
from coco.state.protocol import CommitRow, Owner, OwnerChange, StageRow, Tracked

Owners = dict[int, dict[bytes, list[Owner]]]
"""Owners by target id and packed key."""


class Evaluated(Struct):
    """Source rows with their target rows, as aligned lists. ``read_at``: microseconds since the epoch.

    ``held``: by key, why some exports of a row could not be evaluated. The rows of its other exports are written, and the
    next run processes the row again, even if it is unchanged.
    """

    rows: list[WorkRow]
    produced: list[dict[str, TargetRows | None]]
    memo: list[tuple[bytes, ...]]
    tracked: Mapping[bytes, Tracked]
    read_at: int
    held: Mapping[bytes, RowProblem] = field(default_factory=dict)

    def without(self, positions: set[int]) -> Evaluated:
        keep = [position for position in range(len(self.rows)) if position not in positions]
        return Evaluated(
            [self.rows[position] for position in keep],
            [self.produced[position] for position in keep],
            [self.memo[position] for position in keep],
            self.tracked,
            self.read_at,
            self.held,
        )


class Writer:
    """Writes batches of one source. ``shared_lock``: one per run, for exports whose rows have several owners."""

    def __init__(self, state: SourceState, shared_lock: asyncio.Lock) -> None:
        self._state = state
        self._run = state.run
        self._lock = shared_lock

    async def write(self, work: Evaluated) -> None:
        """Stage, apply and commit. A cancellation waits until that is done, since targets may be written already."""
        shares = any(export.shared for export in self._run.exports.values())
        lock: Any = self._lock if shares else contextlib.nullcontext()
        async with lock:
            await to_the_end(self._write(work))

    async def _write(self, work: Evaluated) -> None:
        run, state = self._run, self._state
        if run.heartbeat is not None:
            await asyncio.shield(run.heartbeat)
        work = self._leave_waiting(await self._with_marks(work))
        owners = await self._owners(work)
        while True:
            if not work.rows:
                return
            inputs, delta = self._reconcile(work, owners)
            run.waiting.update(delta.waiting)
            fewer = self._leave_waiting(work)
            if len(fewer.rows) == len(work.rows):
                break
            work = fewer
        for name, example in delta.conflicts.items():
            run.emit(DuplicateKeys(run.flow, name, 1, example))
            run.warn(
                f"export '{name}': several source rows yield one key (for example {example}); the latest one wins"
            )
        if run.options.only_keys is None:
            self._guard(delta)
        if delta.waiting:
            await run.threads.store(mark_waiting, run, delta.waiting)
        accepted = await run.threads.store(run.store.stage, state.source_id, delta.stage)
        refused = {position for position, fine in enumerate(accepted) if not fine}
        run.emit(RowsStaged(run.flow, state.name, len(work.rows) - len(refused), len(refused)))
        state.stats.num_no_change += len(refused)  # a newer run processes the row
        failed = await self._apply(delta, refused)
        if run.in_doubt():
            refused |= await self._overtaken(delta, refused)
        await self._commit(work, inputs, delta, owners, refused, failed)

    async def _with_marks(self, work: Evaluated) -> Evaluated:
        """Reload deleted rows that ``mark_waiting`` changed meanwhile. They need not be exported again."""
        run, state = self._run, self._state
        keys = [row.key for row in work.rows if row.deleted and (state.source_id, row.key) in run.waiting]
        if not keys:
            return work
        run.waiting.difference_update((state.source_id, key) for key in keys)
        marked = await run.threads.store(run.store.get_many, state.source_id, keys)
        return replace(work, tracked={**work.tracked, **marked})

    def _leave_waiting(self, work: Evaluated) -> Evaluated:
        """Without rows that another batch marked to be exported again: that happens at the end of the run."""
        run, state = self._run, self._state
        late = {
            position
            for position, row in enumerate(work.rows)
            if not row.deleted and run.waiting and (state.source_id, row.key) in run.waiting
        }
        for position in late:
            state.count(work.rows[position])
        return work.without(late) if late else work

    def _reconcile(self, work: Evaluated, owners: Owners) -> tuple[list[RowInput], Delta]:
        run, state = self._run, self._state
        inputs = []
        for row, targets in zip(work.rows, work.produced, strict=True):
            known = work.tracked.get(row.key)
            inputs.append(
                RowInput(
                    row.key,
                    known,
                    run.next_process_ordinal(known.head.max_process_ordinal if known is not None else 0),
                    targets,
                    row.forced and not row.deleted,
                )
            )
        return inputs, reconcile(state.source_id, inputs, list(run.exports.values()), state.name, owners)

    async def _owners(self, work: Evaluated) -> Owners:
        run = self._run
        result: Owners = {}
        for export in run.exports.values():
            if not export.shared:
                continue
            keys: set[bytes] = set()
            for row, targets in zip(work.rows, work.produced, strict=True):
                if export.name not in targets:
                    continue
                rows = targets[export.name]
                if rows is not None:
                    keys.update(rows.keys)
                tracked = work.tracked.get(row.key)
                if tracked is not None:
                    for part in (tracked.targets, tracked.staged):
                        known = part.get(export.target_id)
                        if known is not None:
                            keys.update(key for key, _ in known.rows)
            if keys:
                result[export.target_id] = await run.threads.store(
                    run.store.get_owners, export.target_id, sorted(keys)
                )
        return result

    def _guard(self, delta: Delta) -> None:
        run = self._run
        for name, target in delta.targets.items():
            try:
                run.guard.check(run.flow, name, sum(target.net.values()))
            except Exception as error:
                run.emit(GuardStopped(run.flow, f"target:{name}", str(error)))
                raise

    async def _apply(self, delta: Delta, refused: set[int]) -> dict[int, RowProblem]:
        """Write all targets concurrently; a target that fails does not stop the others."""
        run, stats = self._run, self._state.stats
        failed: dict[int, RowProblem] = {}

        async def one(name: str) -> None:
            target = delta.targets[name]
            if refused:
                target = _without(target, refused)
            stats.num_target_unchanged += target.unchanged
            if not target:
                return
            if run.options.heartbeat:
                await run.epochs[name].renew()
            problems = await run.ports[name].apply(target)
            ups = sum(owner not in problems for owner in target.upsert_owners)
            downs = sum(owner not in problems for owner in target.delete_owners)
            stats.num_target_upserts += ups
            stats.num_target_deletes += downs
            tried = len(target.upsert_owners) + len(target.delete_owners)
            # A target that refuses single rows is not down.
            faults = (error for error in problems.values() if not isinstance(error, RowRefusedError))
            run.note_writes(name, ups + downs, tried - ups - downs, next(faults, None))
            partial = sum(item is not None for item in target.changed)
            run.emit(TargetMutated(run.flow, name, ups, partial, downs, target.unchanged, len(problems)))
            for owner, error in problems.items():
                failed.setdefault(owner, RowProblem(Phase.APPLY.value, f"target:{name}", error))

        if len(delta.targets) == 1:
            await one(next(iter(delta.targets)))
        else:
            async with asyncio.TaskGroup() as group:
                for name in delta.targets:
                    group.create_task(one(name))
        return failed

    async def _overtaken(self, delta: Delta, refused: set[int]) -> set[int]:
        """Rows that another process processed while this one was suspended: either may have written to the targets last.

        They become unfinished, so that the next update writes them again.
        """
        run, state = self._run, self._state
        keys = [row.key for row in delta.stage]
        heads = await run.threads.store(run.store.get_heads, state.source_id, keys)
        overtaken: dict[int, StageRow] = {}
        for position, row in enumerate(delta.stage):
            head = heads.get(row.key)
            highest = head.max_process_ordinal if head is not None else -1
            if position not in refused and highest != row.process_ordinal:
                ordinal = run.next_process_ordinal(max(highest, row.process_ordinal))
                overtaken[position] = replace(row, expected=highest, process_ordinal=ordinal)
        if overtaken:
            await run.threads.store(run.store.stage, state.source_id, list(overtaken.values()))
            run.warn(
                f"another process worked on flow '{run.flow}' while this one was suspended; the next update writes "
                f"{len(overtaken)} rows of source '{state.name}' again"
            )
        return set(overtaken)

    async def _commit(
        self,
        work: Evaluated,
        inputs: list[RowInput],
        delta: Delta,
        owners: Owners,
        refused: set[int],
        failed: dict[int, RowProblem],
    ) -> None:
        run, state = self._run, self._state
        commits: list[CommitRow] = []
        removed: list[tuple[bytes, int]] = []
        left_out = refused | failed.keys()
        for position, row in enumerate(work.rows):
            if position in left_out:
                continue
            item = inputs[position]
            if row.deleted:
                removed.append((row.key, item.process_ordinal))
                continue
            refs = work.memo[position]
            if item.tracked is not None and len(item.rows) < len(run.exports):
                refs = tuple(
                    dict.fromkeys((*item.tracked.memo, *refs))
                )  # exports that were not evaluated keep their calls
            commits.append(
                CommitRow(
                    row.key,
                    item.process_ordinal,
                    None if row.key in work.held else row.ordinal,
                    None if row.key in work.held else row.content_fp,
                    state.logic_fp,
                    work.read_at,
                    row.size,
                    delta.next[position],
                    refs,
                )
            )
        done = [row for position, row in enumerate(work.rows) if position not in left_out]
        keys = {row.key for row in done}
        changes: list[OwnerChange] = [item for item in delta.owner_changes if item.source_key in keys]
        counts = change_of_counts(owners, changes)
        for name, target in delta.targets.items():
            export = run.exports[name]
            change = sum(net for owner, net in target.net.items() if owner not in left_out)
            if change and not export.shared:
                counts[export.target_id] = change
        await run.threads.store(
            run.store.commit, state.source_id, commits, removed=removed, owners=changes, row_counts=counts
        )
        run.memo.claim(item.memo for item in commits)
        run.emit(RowsCommitted(run.flow, state.name, len(commits), len(removed)))
        problems = [(work.rows[position], problem) for position, problem in failed.items()]
        for row in done:
            if row.key in work.held and not row.deleted:
                problems.append((row, work.held[row.key]))
                continue
            state.failures.pop(row.key, None)
            state.count(row)
        if problems:
            await state.fail(problems)


async def to_the_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine to its end before a cancellation takes effect; a second cancellation does not wait."""
    task = asyncio.get_running_loop().create_task(coroutine)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved, since the caller receives the cancellation instead
        raise


def _without(target: TargetDelta, refused: set[int]) -> TargetDelta:
    """The delta without the target rows of refused source rows."""
    ups = [i for i, owner in enumerate(target.upsert_owners) if owner not in refused]
    downs = [i for i, owner in enumerate(target.delete_owners) if owner not in refused]
    return TargetDelta(
        upsert_keys=[target.upsert_keys[i] for i in ups],
        upsert_rows=[target.upsert_rows[i] for i in ups],
        changed=[target.changed[i] for i in ups],
        upsert_owners=[target.upsert_owners[i] for i in ups],
        delete_keys=[target.delete_keys[i] for i in downs],
        delete_owners=[target.delete_owners[i] for i in downs],
        unchanged=target.unchanged,
        net=target.net,
    )
