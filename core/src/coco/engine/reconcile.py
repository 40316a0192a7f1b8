"""Computes the minimal change of each target from the rows that a batch yields and those on record in state.

Pure: no store, no target. In an exclusive export each target key belongs to one source row, and a row is compared with
its own previous rows. A key of a shared export may have several owners. The owner with the highest process ordinal wins;
a key is deleted only when it has no owner left; and a row with the content that the target has already is not written, so
a row that moves between source keys causes no write.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from coco.engine.batches import TargetDelta, TargetRows
from coco.engine.exports import ExportRun
from coco.hot import changed_fields, reconcile_row
from coco.state.protocol import Owner, OwnerChange, StageRow, TargetKeys, Tracked
from coco.types.storage import unpacker

NO_ROWS = TargetRows()


class RowInput(Struct):
    """One source row to reconcile. ``rows``: by export name, for the exports that were evaluated.

    ``None`` for an export: the row yields nothing now. ``tracked`` None: a new row. ``force``: write equal rows too.
    """

    key: bytes
    tracked: Tracked | None
    process_ordinal: int
    rows: Mapping[str, TargetRows | None]
    force: bool = False


class Delta(Struct):
    """All changes of one batch: per export those of the target, per source row those that state stages and commits.

    ``waiting``: source rows outside the batch (source id, key) that must write (target id, packed key) again.
    """

    targets: dict[str, TargetDelta]
    stage: list[StageRow]
    next: list[dict[int, TargetKeys]]
    owner_changes: list[OwnerChange] = field(default_factory=list)
    waiting: dict[tuple[int, bytes], list[tuple[int, bytes]]] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)


@functools.lru_cache(maxsize=256)
def _key_reader(export_key: tuple[Any, ...]) -> Any:
    return unpacker(list(export_key))


def reconcile(
    source_id: int,
    inputs: Sequence[RowInput],
    exports: Sequence[ExportRun],
    source_name: str,
    owners: Mapping[int, Mapping[bytes, Sequence[Owner]]],
) -> Delta:
    """The delta of one batch. ``owners``: by target id, for every key touched in shared exports."""
    delta = Delta({export.name: TargetDelta() for export in exports}, [], [])
    staged: list[dict[int, TargetKeys]] = [{} for _ in inputs]
    for export in exports:
        if export.shared:
            _reconcile_shared(
                source_id, inputs, export, source_name, owners.get(export.target_id, {}), delta, staged
            )
        else:
            _reconcile_exclusive(inputs, export, source_name, delta.targets[export.name], staged)
    known = {export.target_id for export in exports}
    for position, item in enumerate(inputs):
        finals: dict[int, TargetKeys] = {}
        if item.tracked is not None:
            for target_id, keys in item.tracked.targets.items():
                if target_id in known:
                    finals[target_id] = keys
        for export in exports:
            if export.name not in item.rows:
                continue
            rows = item.rows[export.name] or NO_ROWS
            logic = export.logic.get(source_name)
            if logic is None and not rows.keys:
                finals.pop(export.target_id, None)
                continue
            finals[export.target_id] = TargetKeys(logic or b"", tuple(zip(rows.keys, rows.fps, strict=True)))
        delta.next.append(finals)
        delta.stage.append(
            StageRow(
                item.key,
                item.tracked.head.max_process_ordinal if item.tracked is not None else -1,
                item.process_ordinal,
                staged[position],
            )
        )
    return delta


def _reconcile_exclusive(
    inputs: Sequence[RowInput],
    export: ExportRun,
    source_name: str,
    target: TargetDelta,
    staged: list[dict[int, TargetKeys]],
) -> None:
    read_key = _key_reader(export.step.key_fields)
    target_id = export.target_id
    for position, item in enumerate(inputs):
        if export.name not in item.rows:
            continue
        rows = item.rows[export.name] or NO_ROWS
        old, maybe = _past(item.tracked, target_id)
        new = list(zip(rows.keys, rows.fps, strict=True))
        writes, same, deletes, previous = reconcile_row(old, maybe, new, item.force)
        target.unchanged += len(same)
        for place, before in zip(writes, previous, strict=True):
            target.upsert_keys.append(rows.parts[place])
            target.upsert_rows.append(rows.values[place])
            target.upsert_owners.append(position)
            fields = (
                changed_fields(before, rows.fps[place]) if export.partial and before is not None else None
            )
            target.changed.append(fields or None)
        for key in deletes:
            target.delete_keys.append(read_key(key))
            target.delete_owners.append(position)
        had = {key for key, _ in old}
        target.count(position, len(rows.keys) - len(had))
        if writes or deletes:
            marks = [new[place] for place in writes] + [(key, b"") for key in deletes]
            staged[position][target_id] = TargetKeys(export.logic.get(source_name, b""), tuple(marks))


def _past(tracked: Tracked | None, target_id: int) -> tuple[Any, Any]:
    if tracked is None:
        return (), ()
    old = tracked.targets.get(target_id)
    maybe = tracked.staged.get(target_id)
    return (old.rows if old is not None else ()), (maybe.rows if maybe is not None else ())


def _reconcile_shared(
    source_id: int,
    inputs: Sequence[RowInput],
    export: ExportRun,
    source_name: str,
    owners: Mapping[bytes, Sequence[Owner]],
    delta: Delta,
    staged: list[dict[int, TargetKeys]],
) -> None:
    read_key = _key_reader(export.step.key_fields)
    target_id = export.target_id
    target = delta.targets[export.name]
    claims: dict[bytes, dict[tuple[int, bytes], tuple[bytes, int]]] = {
        key: {(item.source_id, item.source_key): (item.row_fp, item.process_ordinal) for item in items}
        for key, items in owners.items()
    }
    before = {key: _winner(items) for key, items in claims.items()}
    content = {key: claims[key][who][0] if who is not None else None for key, who in before.items()}
    unsure: set[bytes] = set()
    touched: dict[bytes, int] = {}
    values: dict[tuple[bytes, int], int] = {}
    for position, item in enumerate(inputs):
        if export.name not in item.rows:
            continue
        rows = item.rows[export.name] or NO_ROWS
        old, maybe = _past(item.tracked, target_id)
        me = (source_id, item.key)
        new_keys = set(rows.keys)
        for key, _ in maybe:
            unsure.add(key)
        for key, _ in (*old, *maybe):
            if key not in new_keys:
                touched[key] = position
                if claims.setdefault(key, {}).pop(me, None) is not None or key in unsure:
                    delta.owner_changes.append(
                        OwnerChange(target_id, key, source_id, item.key, None, item.process_ordinal)
                    )
        for place, key in enumerate(rows.keys):
            if item.force:
                unsure.add(key)
            touched[key] = position
            values[(key, position)] = place
            claims.setdefault(key, {})[me] = (rows.fps[place], item.process_ordinal)
            delta.owner_changes.append(
                OwnerChange(target_id, key, source_id, item.key, rows.fps[place], item.process_ordinal)
            )
    positions = {item.key: position for position, item in enumerate(inputs)}
    marks: dict[int, list[tuple[bytes, bytes]]] = {}
    for key, position in touched.items():
        claim = claims.get(key, {})
        was = content.get(key)
        existed = before.get(key) is not None
        winner = _winner(claim)
        if winner is None:
            target.delete_keys.append(read_key(key))
            target.delete_owners.append(position)
            marks.setdefault(position, []).append((key, b""))
            target.count(position, -int(existed))
            continue
        fp = claim[winner][0]
        if len({item[0] for item in claim.values()}) > 1:
            delta.conflicts.setdefault(export.name, repr(read_key(key))[:120])
        target.count(position, int(not existed))
        if was == fp and key not in unsure:
            target.unchanged += 1
            continue
        own = positions.get(winner[1]) if winner[0] == source_id else None
        place_of = values.get((key, own)) if own is not None else None
        if own is None or place_of is None:
            # The remaining owner is outside of this batch: the same run exports it again.
            delta.waiting.setdefault(winner, []).append((target_id, key))
            continue
        rows = inputs[own].rows[export.name] or NO_ROWS
        target.upsert_keys.append(rows.parts[place_of])
        target.upsert_rows.append(rows.values[place_of])
        target.upsert_owners.append(own)
        target.changed.append(None)
        marks.setdefault(own, []).append((key, fp))
    for position, rows_marked in marks.items():
        staged[position][target_id] = TargetKeys(export.logic.get(source_name, b""), tuple(rows_marked))


def _winner(claim: Mapping[tuple[int, bytes], tuple[bytes, int]]) -> tuple[int, bytes] | None:
    """The owner whose row the target holds: the one with the highest process ordinal, then source and key."""
    if not claim:
        return None
    return max(claim, key=lambda who: (claim[who][1], who))
