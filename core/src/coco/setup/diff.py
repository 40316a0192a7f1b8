"""Compares desired with existing resources, and makes the change plan with texts for the user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from coco.auth_registry import default_registry
from coco.errors import CocoError
from coco.ops.calls import call_blocking
from coco.ops.registry import registry
from coco.ops.targets import TargetStateCompatibility
from coco.setup.changes import (
    ChangeKind,
    FlowChange,
    ResourceChange,
    describe_resource,
    rebuild_key,
    rebuild_state,
)
from coco.setup.desired import DesiredSource, DesiredTarget
from coco.setup.moving import Moved
from coco.setup.references import auth_keys
from coco.setup.spelling import respelled
from coco.setup.states import (
    FLOW_RESOURCE,
    TARGET_PREFIX,
    CombinedState,
    FlowState,
    SourceRecord,
    TargetState,
)
from coco.spec import OpCategory
from coco.state.protocol import SetupRecord

_ORDER = (
    TargetStateCompatibility.COMPATIBLE,
    TargetStateCompatibility.PARTIALLY_COMPATIBLE,
    TargetStateCompatibility.NOT_COMPATIBLE,
)


def worst_compatibility(
    record: Any, desired: DesiredTarget, versions: Iterable[TargetState]
) -> tuple[TargetStateCompatibility, str]:
    """Return the weakest compatibility over all possible versions, with the reason if it is known."""
    worst = TargetStateCompatibility.COMPATIBLE
    check = record.method("check_state_compatibility")
    for version in versions:
        if version.key_fields != desired.key_fields:
            return TargetStateCompatibility.NOT_COMPATIBLE, "its key fields change"
        if version.connector == desired.connector:
            continue
        try:
            existing = rebuild_state(record, version.connector)
        except (TypeError, ValueError, KeyError) as error:
            reason = f"the installed plugin cannot read its record: {error}"
            return TargetStateCompatibility.NOT_COMPATIBLE, reason
        answer = TargetStateCompatibility.PARTIALLY_COMPATIBLE
        if check is not None:
            answer = call_blocking(check, desired.state, existing)
        if not isinstance(answer, TargetStateCompatibility):
            raise CocoError(
                f"{record.kind}: check_state_compatibility must return a TargetStateCompatibility, "
                f"got {type(answer).__name__}"
            )
        worst = max(worst, answer, key=_ORDER.index)
    return worst, ""


def diff_target(desired: DesiredTarget, existing: CombinedState, rows: int) -> ResourceChange:
    """Return the change of one wanted resource. ``rows``: how many rows the state tracks in it."""
    record = desired.record
    change = ResourceChange(
        ChangeKind.NONE,
        desired.resource_type,
        desired.key,
        describe_resource(record, desired.resource_type.partition(":")[2], desired.key),
        desired,
        existing,
        record=record,
    )
    if desired.setup_by_user:
        _diff_user_managed(change, desired, existing)
        return change
    versions = existing.states()
    same = all(
        item.connector == desired.connector and item.key_fields == desired.key_fields for item in versions
    )
    if not existing.known:
        change.kind = ChangeKind.CREATE
        change.actions.append(f"create {change.title}")
    elif existing.current is not None and versions[0].setup_by_user:
        change.kind = ChangeKind.CREATE
        change.actions.append(f"take over {change.title}")
    elif existing.always_exists:
        _diff_existing(change, desired, existing, rows)
    elif existing.current is None and same and all(item.state is not None for item in existing.staging):
        change.kind = ChangeKind.CREATE
        change.actions.append(f"create {change.title} (continue after an interrupted setup)")
    else:
        change.kind = ChangeKind.REBUILD
        change.destructive = True
        change.actions.append(f"create {change.title} again (an interrupted setup may have created it)")
        change.notes.append(f"{rows} rows there are deleted and written again by the next update")
    if change.kind in (ChangeKind.CREATE, ChangeKind.REBUILD):
        change.state = _fresh(desired)
    elif change.kind is ChangeKind.UPDATE:
        change.state = _with_ids(desired, versions, bump=change.lossy)
    return change


def _diff_user_managed(change: ResourceChange, desired: DesiredTarget, existing: CombinedState) -> None:
    change.kind = ChangeKind.USER_MANAGED
    current = TargetState.from_json(existing.current) if existing.current is not None else None
    if current is None or not current.setup_by_user or current.key_fields != desired.key_fields:
        change.state = _fresh(desired)
        if any(not item.setup_by_user for item in existing.states()):
            change.notes.append("was managed by coco: from now on its user manages it")
        return
    wanted = _with_ids(desired, [current], bump=False)
    if wanted != current or existing.undecided:
        change.state = wanted


def _diff_existing(
    change: ResourceChange, desired: DesiredTarget, existing: CombinedState, rows: int
) -> None:
    record = desired.record
    versions = existing.states()
    if not existing.undecided and all(
        item.connector == desired.connector
        and item.key_fields == desired.key_fields
        and item.attachments == desired.attachments
        for item in versions
    ):
        if any(item.value_fields != desired.value_fields for item in versions):
            # The connector's state does not depend on fields: nothing to alter, and the logic of the rows has changed.
            change.state = _with_ids(desired, versions, bump=False)
            change.notes.append("its fields change: rows are written again by the next update")
        return
    answer, reason = worst_compatibility(record, desired, versions)
    if answer is TargetStateCompatibility.NOT_COMPATIBLE:
        change.kind = ChangeKind.REBUILD
        change.destructive = True
        change.actions.append(f"drop and create {change.title}")
        if reason:
            change.notes.append(reason)
        change.notes.append(f"{rows} rows there are deleted and written again by the next update")
        return
    change.kind = ChangeKind.UPDATE
    altered = [item for item in versions if item.connector != desired.connector]
    if altered:
        change.actions += _described_change(record, desired, altered[-1]) or [f"alter {change.title}"]
        change.lost_fields = _lost_fields(desired, altered)
    change.actions += _attachment_actions(desired, existing)
    if existing.undecided:
        change.actions = change.actions or [f"confirm {change.title}"]
        change.notes.append("continues after an interrupted setup")
    if answer is TargetStateCompatibility.PARTIALLY_COMPATIBLE:
        change.lossy = True
        without_setup = getattr(record.connector_cls, "without_setup", False)
        change.only_adds = without_setup or _only_adds(desired, altered)
        change.notes.append(f"{rows} rows there are written again by the next update")


def _lost_fields(desired: DesiredTarget, versions: Iterable[TargetState]) -> list[str]:
    """Return the value fields of these versions whose names the desired one lacks. Fields are ``FieldSchema`` as data."""
    kept = {item["name"] for item in (*desired.key_fields, *desired.value_fields)}
    before = [item["name"] for state in versions for item in state.value_fields]
    return [name for name in dict.fromkeys(before) if name not in kept]


def _only_adds(desired: DesiredTarget, versions: Iterable[TargetState]) -> bool:
    """Return whether the desired fields are those of each version, with the same types, and at least one more."""
    return all(
        len(desired.value_fields) > len(state.value_fields)
        and all(item in desired.value_fields for item in state.value_fields)
        for state in versions
    )


def _described_change(record: Any, desired: DesiredTarget, previous: TargetState) -> list[str]:
    describe = record.method("describe_change")
    if describe is None:
        return []
    lines = call_blocking(
        describe, rebuild_key(record, desired.key), rebuild_state(record, previous.connector), desired.state
    )
    return [str(line) for line in lines]


def _attachment_actions(desired: DesiredTarget, existing: CombinedState) -> list[str]:
    attached = existing.attachments()
    lines = [f"tear down attachment {name}" for name in sorted(attached.keys() - desired.attachments.keys())]
    for name, spec in desired.attachments.items():
        if attached.get(name) != [spec] or name in existing.doubt:
            lines.append(f"set up attachment {name}")
    return lines


def _fresh(desired: DesiredTarget) -> TargetState:
    """Return a state whose id is allocated when it is staged, and is 0 until then."""
    return TargetState(
        0,
        1,
        1,
        desired.setup_by_user,
        desired.name,
        desired.key_fields,
        desired.value_fields,
        desired.connector,
        desired.attachments,
    )


def _with_ids(desired: DesiredTarget, versions: Sequence[TargetState], *, bump: bool) -> TargetState:
    """Return a state with the id of the confirmed version, which is the oldest."""
    highest = max(item.max_schema_version for item in versions)
    version = highest + 1 if bump else versions[0].schema_version
    return replace(
        _fresh(desired),
        target_id=versions[0].target_id,
        schema_version=version,
        max_schema_version=max(version, highest),
    )


def registered(record: SetupRecord) -> tuple[Any, str]:
    """Return the registered target or declaration of a record, or None and the reason."""
    prefix, _, kind = record.resource_type.partition(":")
    category = OpCategory.TARGET if prefix + ":" == TARGET_PREFIX else OpCategory.DECLARATION
    try:
        return registry.get(category, kind), ""
    except CocoError as error:
        return None, str(error)


def diff_deleted(stored: SetupRecord, rows: int) -> ResourceChange:
    """Return the change of a resource that no export names any more, or that is dropped."""
    known, reason = registered(stored)
    record = respelled(stored, known)
    existing = CombinedState.of(record)
    change = ResourceChange(
        ChangeKind.DELETE,
        record.resource_type,
        record.key,
        describe_resource(known, record.resource_type.partition(":")[2], record.key),
        None,
        existing,
        record=known,
        stored_key=stored.key if stored.key != record.key else "",
    )
    versions = existing.states()
    if any(item.setup_by_user for item in versions):
        change.kind = ChangeKind.USER_MANAGED
        change.forget = True
        change.actions.append(f"forget {change.title} (it is yours and stays as it is)")
        return change
    if known is not None:
        missing = _missing_auth(known, record.key, versions)
        if missing:
            reason = f"auth entry {missing!r} is not registered; call coco.add_auth_entry({missing!r}, ...)"
    if reason:
        change.kind = ChangeKind.UNKNOWN
        change.notes.append(f"cannot be dropped: {reason}")
        return change
    change.actions.append(f"drop {change.title}")
    change.destructive = True
    if rows:
        change.notes.append(f"{rows} rows there are deleted")
    return change


def _missing_auth(record: Any, key: str, versions: Sequence[TargetState]) -> str | None:
    """Return the key of an auth entry that a drop needs and that is not registered."""
    found: list[str] = []
    try:
        found += auth_keys(rebuild_key(record, key))
        for version in versions:
            found += auth_keys(rebuild_state(record, version.connector))
    except (TypeError, ValueError, KeyError):  # the drop reports it
        pass
    return next((item for item in found if item not in default_registry()), None)


def diff_flow_state(
    sources: Sequence[DesiredSource],
    existing: FlowState | None,
    new_ids: Sequence[int] = (),
    defined: tuple[str, str] | None = None,
    home: str = "",
) -> tuple[FlowState, bool]:
    """Return the record of the flow itself after setup, and whether it changes. Ids of new sources are 0 until then."""
    before = existing or FlowState()
    ids = iter(new_ids)
    records: dict[str, SourceRecord] = {}
    for item in sources:
        known = before.sources.get(item.name)
        if known is not None and known.key_fields == item.key_fields:
            records[item.name] = SourceRecord(known.source_id, item.kind, item.key_fields, known.identity)
        else:
            records[item.name] = SourceRecord(next(ids, 0), item.kind, item.key_fields, item.identity)
    kept = {item.source_id for item in records.values()}
    former = [item.source_id for item in before.sources.values() if item.source_id not in kept]
    removed = tuple(dict.fromkeys((*before.removed, *former)))
    after = FlowState(records, removed, defined or before.defined, home or before.home)
    return after, existing is None or after != before


def diff_flow(
    flow: str,
    version: int,
    records: Sequence[SetupRecord],
    targets: Sequence[DesiredTarget],
    sources: Sequence[DesiredSource],
    row_counts: Mapping[int, int],
    defined: tuple[str, str] | None = None,
    home: str = "",
) -> FlowChange:
    """Return the setup of one flow. defined, home: its place, as in ``FlowState``."""
    existing = _flow_state(records)
    changes = []
    wanted = {(item.resource_type, item.key) for item in targets}
    was_in = existing.home if existing is not None else ""
    moved = Moved.of(records, was_in, home, wanted)
    left = [item for item in moved.records if item.resource_type != FLOW_RESOURCE]
    for target in targets:
        same = [item for item in left if item.resource_type == target.resource_type and _is_key(target, item)]
        left = [item for item in left if item not in same]
        same.sort(key=lambda item: item.key != target.key)  # today's form first
        former = None if same else _under_former_key(target, left, wanted)
        if former is not None:
            left.remove(former)
            changes.append(_diff_renamed(target, former, row_counts))
            continue
        changes.append(_diff_recorded(target, same[0] if same else None, row_counts))
        changes += [_forgotten(target, item) for item in same[1:]]
    for record in left:
        changes.append(diff_deleted(record, _rows(record, row_counts)))
    moved.note(changes)
    state, changed = diff_flow_state(sources, existing, defined=defined, home=home)
    status = "EXISTING" if existing is not None else "NEW"
    note = "; ".join((*_redefined(flow, existing, defined), *moved.words(flow, was_in, home)))
    return FlowChange(flow, status, version, changes, state, changed, note=note)


def _flow_state(records: Sequence[SetupRecord]) -> FlowState | None:
    found = next((item.state for item in records if item.resource_type == FLOW_RESOURCE), None)
    return FlowState.from_json(found) if found else None


def _redefined(flow: str, known: FlowState | None, defined: tuple[str, str] | None) -> Sequence[str]:
    """Return a remark if another definition of the flow has run before; empty text otherwise."""
    if known is None or known.defined is None or defined is None or known.defined == defined:
        return ()
    before, now = (f"{name} in {file}" for file, name in (known.defined, defined))
    text = (
        f"flow '{flow}' was defined by {before} until now, and is now by {now}. If you moved it, ignore this. If these are "
        "two apps, each uses the state and the targets of the other: give one of them another flow name, another "
        "namespace (COCO_APP_NAMESPACE) or another state (COCO_STATE_URL)"
    )
    return (text,)


def _is_key(target: DesiredTarget, record: SetupRecord) -> bool:
    return target.key in (record.key, respelled(record, target.record).key)


def _diff_recorded(
    target: DesiredTarget, stored: SetupRecord | None, row_counts: Mapping[int, int]
) -> ResourceChange:
    """Return the change of a wanted resource that is on record, possibly in an old form."""
    if stored is None:
        return diff_target(target, CombinedState(None), 0)
    record = respelled(stored, target.record)
    change = diff_target(target, CombinedState.of(record), _rows(record, row_counts))
    change.stored_key = stored.key if stored.key != record.key else ""
    if change.existing.undecided:  # it may have been interrupted before it renamed
        change.former_keys = target.former_keys
    if record != stored and change.state is None and record.state is not None and not change.pending:
        change.state = TargetState.from_json(record.state)  # the record changes without a confirmation
    return change


def _under_former_key(
    target: DesiredTarget, left: Sequence[SetupRecord], wanted: Collection[tuple[str, str]]
) -> SetupRecord | None:
    """Return the record of a resource that an earlier release of the connector created under another name."""
    for record in left:
        if record.resource_type != target.resource_type or (record.resource_type, record.key) in wanted:
            continue
        if respelled(record, target.record).key not in target.former_keys:
            continue
        if not any(item.setup_by_user for item in CombinedState.of(record).states()):
            return record
    return None


def _diff_renamed(
    target: DesiredTarget, stored: SetupRecord, row_counts: Mapping[int, int]
) -> ResourceChange:
    """Return the change of a resource that is also renamed. Its rows stay."""
    record = respelled(stored, target.record)
    change = diff_target(target, CombinedState.of(record), _rows(record, row_counts))
    if change.kind is ChangeKind.NONE:
        change.kind = ChangeKind.UPDATE
        change.state = _with_ids(target, change.existing.states(), bump=False)
    former = describe_resource(target.record, target.resource_type.partition(":")[2], record.key)
    change.actions.insert(0, f"rename {former} to {change.title}")
    change.stored_key = stored.key
    change.former_keys = (record.key,)
    return change


def _forgotten(target: DesiredTarget, record: SetupRecord) -> ResourceChange:
    """Return the change that deletes a second record of a resource, in an old form, and keeps the resource."""
    title = describe_resource(target.record, target.resource_type.partition(":")[2], target.key)
    return ResourceChange(
        ChangeKind.NONE,
        record.resource_type,
        record.key,
        f"{title} (an old record of it)",
        None,
        CombinedState.of(record),
        record=target.record,
        forget=True,
    )


def diff_drop(
    flow: str,
    version: int,
    records: Sequence[SetupRecord],
    row_counts: Mapping[int, int],
    defined: tuple[str, str] | None = None,
    home: str = "",
) -> FlowChange:
    """Return the drop of one flow, from its records only. ``defined``: the place of its definition, if there is one."""
    known = _flow_state(records)
    was_in = known.home if known is not None else ""
    moved = Moved.of(records, was_in, home)
    found = [item for item in moved.records if item.resource_type != FLOW_RESOURCE]
    changes = [diff_deleted(item, _rows(item, row_counts)) for item in found]
    moved.note(changes)
    note = "; ".join((*_redefined(flow, known, defined), *moved.words(flow, was_in, home)))
    status = "DELETED" if records else "NONE"
    return FlowChange(flow, status, version, changes, None, bool(records), drop=True, note=note)


def _rows(record: SetupRecord | None, counts: Mapping[int, int]) -> int:
    if record is None or record.state is None:
        return 0
    return counts.get(record.state.get("target_id", 0), 0)


def forget_unknown(change: FlowChange) -> None:
    """Make a plan remove resources from the state that this process cannot drop. The resources stay."""
    for item in change.left:
        item.forget = True
        item.actions = [f"forget {item.title} (it stays as it is)"]


__all__ = [
    "ChangeKind",
    "FlowChange",
    "ResourceChange",
    "diff_deleted",
    "diff_drop",
    "diff_flow",
    "diff_flow_state",
    "diff_target",
    "forget_unknown",
    "worst_compatibility",
]
