"""Owners of target rows: the source rows that yield one target row, if several may.

The plan decides whether the rows of an export can have several owners. But a target outlives a plan: it may still hold
rows of a source that no longer feeds it, or rows with keys of another rule, and new rows may have the same keys. So state
stores what has fed a target, and by which key rule, in a cursor of the target's id. Until all such rows have been deleted,
state stores the owners of this export too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from coco.engine.context import Run
from coco.engine.exports import ExportRun
from coco.state.damage import corrupt
from coco.state.protocol import Owner, OwnerChange, StageRow, StateStore, TargetKeys, unfinished

CURSOR = "fed by"
CHUNK = 500

Waiting = dict[tuple[int, bytes], list[tuple[int, bytes]]]
"""(source id, source key) -> the (target id, packed key) pairs that this source row must write again."""


class Feeding(Struct, frozen=True):
    """The sources that have fed one target. ``rule``: its key rule, None if there were several. ``owners``: stored or not."""

    sources: frozenset[int]
    rule: str | None
    owners: bool

    @classmethod
    def load(cls, store: StateStore, target_id: int) -> Feeding | None:
        data = store.get_cursor(target_id, CURSOR)
        if data is None:
            return None
        try:
            sources, rule, owners = json.loads(data)
            return cls(frozenset(sources), rule, owners)
        except (TypeError, ValueError) as error:
            raise corrupt(store.location, f"what fed target {target_id} cannot be read: {error}") from error

    def save(self, store: StateStore, target_id: int) -> None:
        data = json.dumps([sorted(self.sources), self.rule, self.owners])
        store.put_cursor(target_id, CURSOR, data.encode())


def prepare_ownership(run: Run) -> None:
    """Decide for each export whether state stores owners, and build missing ones. Runs in the store's thread."""
    for export in run.exports.values():
        wanted = _wanted(run, export)
        known = Feeding.load(run.store, export.target_id)
        if known is None:
            # A new target, or state without a record of what fed it.
            every = frozenset((*run.source_ids.values(), *run.removed_sources))
            fresh = run.store.row_counts([export.target_id])[export.target_id] == 0
            known = wanted if fresh and not wanted.owners else Feeding(every, None, False)
        sources = known.sources | wanted.sources
        same = sources == wanted.sources and known.rule == wanted.rule
        after = wanted if same else Feeding(sources, None, True)
        if after.owners and not known.owners:
            _build_owners(run, export.target_id, sources)
        if after != Feeding.load(run.store, export.target_id):
            after.save(run.store, export.target_id)
        export.shared = after.owners


def settle_ownership(run: Run) -> None:
    """After a complete run without failed rows, drop the ownership records that only earlier plans needed."""
    for export in run.exports.values():
        wanted = _wanted(run, export)
        if export.shared and not wanted.owners:
            wanted.save(run.store, export.target_id)
            _drop_owners(run.store, export.target_id)
        elif Feeding.load(run.store, export.target_id) != wanted:
            wanted.save(run.store, export.target_id)


def _wanted(run: Run, export: ExportRun) -> Feeding:
    """What the current plan requires."""
    rules = [plan.exclusive.get(export.name) for plan in run.whole_plan.sources if plan.name in export.logic]
    rule = rules[0] if len(rules) == 1 else None
    return Feeding(frozenset(run.source_ids[name] for name in export.logic), rule, rule is None)


def _drop_owners(store: StateStore, target_id: int) -> None:
    counts = store.row_counts([target_id])
    store.drop_target_keys([target_id])
    store.set_row_counts(counts)


def _build_owners(run: Run, target_id: int, sources: Iterable[int]) -> None:
    store = run.store
    _drop_owners(store, target_id)
    for source_id in sorted(sources):
        for batch in store.scan(source_id, CHUNK):
            changes = []
            for key, tracked in store.get_many(source_id, [key for key, _ in batch]).items():
                had = tracked.targets.get(target_id)
                for target_key, fp in had.rows if had is not None else ():
                    order = tracked.head.process_ordinal
                    changes.append(OwnerChange(target_id, target_key, source_id, key, fp, order))
            if changes:
                store.commit(source_id, [], owners=changes)


def mark_waiting(run: Run, waiting: Waiting) -> None:
    """Mark source rows as unfinished that must write a target row again, before its current owner releases it.

    So if this run is killed, the next one processes them. Runs in the store's thread.
    """
    by_source: dict[int, list[bytes]] = {}
    for source_id, key in waiting:
        by_source.setdefault(source_id, []).append(key)
    for source_id, keys in by_source.items():
        rows = []
        for key, tracked in run.store.get_many(source_id, keys).items():
            staged = dict(tracked.staged)
            for target_id, target_key in waiting[(source_id, key)]:
                had = staged.get(target_id, TargetKeys(b"", ()))
                staged[target_id] = TargetKeys(had.logic_fp, (*had.rows, (target_key, b"")))
            head = tracked.head
            ordinal = run.next_process_ordinal(head.max_process_ordinal)
            rows.append(StageRow(key, head.max_process_ordinal, ordinal, staged))
        run.store.stage(source_id, rows)


def winning_owner(owners: Sequence[Owner]) -> Owner:
    """The owner whose row a target holds: the one processed last."""
    return max(owners, key=lambda item: (item.process_ordinal, item.source_id, item.source_key))


def uncertain_rows(run: Run, export: ExportRun, *, written: bool = False) -> int:
    """Number of target rows that unfinished attempts may have deleted (``written``: written). In the store's thread."""
    keys: set[bytes] = set()
    for source_id in {*run.source_ids.values(), *run.removed_sources}:
        for batch in run.store.scan(source_id, CHUNK):
            begun = [key for key, head in batch if unfinished(head)]
            for tracked in run.store.get_many(source_id, begun).values() if begun else ():
                staged = tracked.staged.get(export.target_id)
                keys.update(
                    key for key, fp in (staged.rows if staged is not None else ()) if bool(fp) == written
                )
    return len(keys)


def change_of_counts(
    before: Mapping[int, Mapping[bytes, Sequence[Owner]]], changes: Sequence[OwnerChange]
) -> dict[int, int]:
    """Change of the row count by target id: keys that gained their first owner minus keys that lost their last."""
    claims: dict[tuple[int, bytes], set[tuple[int, bytes]]] = {}
    for target_id, owners in before.items():
        for key, items in owners.items():
            claims[(target_id, key)] = {(item.source_id, item.source_key) for item in items}
    had = {mark for mark, owners in claims.items() if owners}
    for change in changes:
        owners_now = claims.setdefault((change.target_id, change.target_key), set())
        who = (change.source_id, change.source_key)
        if change.row_fp is None:
            owners_now.discard(who)
        else:
            owners_now.add(who)
    counts: dict[int, int] = {}
    for mark, owners_now in claims.items():
        difference = int(bool(owners_now)) - int(mark in had)
        if difference:
            counts[mark[0]] = counts.get(mark[0], 0) + difference
    return counts
