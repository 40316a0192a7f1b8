"""Desired against existing: the change plan, with words for what a user confirms (SU-27, SU-36 to SU-42)."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coco.engine_object import load_engine_object
from coco.errors import CocoError
from coco.ops.registry import registry
from coco.ops.targets import TargetStateCompatibility
from coco.setup.desired import DesiredSource, DesiredTarget
from coco.setup.states import (
    DECLARATION_PREFIX,
    FLOW_RESOURCE,
    TARGET_PREFIX,
    CombinedState,
    FlowState,
    SourceRecord,
    TargetState,
)
from coco.spec import OpCategory
from coco.state.protocol import SetupRecord


class ChangeKind(enum.Enum):
    """What setup will do to a resource; the value is what a plan shows."""

    NONE = "READY"
    CREATE = "TO CREATE"
    UPDATE = "TO UPDATE"
    REBUILD = "TO REBUILD"
    DELETE = "TO DELETE"
    INVALID = "INVALID"
    USER_MANAGED = "USER MANAGED"
    UNKNOWN = "UNKNOWN"


@dataclass
class ResourceChange:
    """One resource's change. ``previous``: state to hand to the connector; ``keeps_data``: rows stay trusted.

    ``destructive``: data is lost for good unless it can be computed again; ``lossy``: rows are written again.
    """

    kind: ChangeKind
    resource_type: str
    key: str
    title: str
    desired: DesiredTarget | None
    existing: CombinedState
    previous: dict[str, Any] | None = None
    record: Any = None
    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    destructive: bool = False
    lossy: bool = False
    state: TargetState | None = None

    @property
    def pending(self) -> bool:
        return self.kind not in (ChangeKind.NONE, ChangeKind.USER_MANAGED, ChangeKind.UNKNOWN) or (
            self.kind is ChangeKind.USER_MANAGED and self.state is not None
        )


@dataclass
class FlowChange:
    """Everything setup or drop will do for one flow."""

    flow: str
    status: str
    version: int
    resources: list[ResourceChange]
    flow_state: FlowState | None
    flow_state_changed: bool
    drop: bool = False

    @property
    def up_to_date(self) -> bool:
        """No resource is pending (changes of the engine's own records alone need no decision, SU-45)."""
        return not any(item.pending for item in self.resources) and not (self.drop and self.status != "NONE")

    @property
    def destructive(self) -> bool:
        return any(item.destructive for item in self.resources if item.pending)


def describe_resource(record: Any, kind: str, key: str) -> str:
    """The connector's own name for a resource, else kind and key."""
    describe = record.method("describe") if record is not None else None
    if describe is not None:
        try:
            return str(describe(rebuild_key(record, key)))
        except Exception as error:  # a description must never stop a plan
            return f"{kind} {key} ({error})"
    return f"{kind} {key}"


def rebuild_key(record: Any, key: str) -> Any:
    """The persistent key in its declared class (CT-13)."""
    return load_engine_object(record.persistent_key_type or Any, json.loads(key))


def rebuild_state(record: Any, data: Any) -> Any:
    """A stored connector state in its declared class; unknown fields are ignored, missing take defaults."""
    return load_engine_object(record.setup_state_cls or record.spec_cls, data)


def worst_compatibility(
    record: Any, desired: DesiredTarget, existing: CombinedState
) -> TargetStateCompatibility:
    """The weakest answer over all possible versions."""
    order = [
        TargetStateCompatibility.COMPATIBLE,
        TargetStateCompatibility.PARTIALLY_COMPATIBLE,
        TargetStateCompatibility.NOT_COMPATIBLE,
    ]
    worst = 0
    check = record.method("check_state_compatibility")
    for data in existing.possible_versions():
        state = TargetState.from_json(data)
        if state.key_fields != desired.key_fields:
            return TargetStateCompatibility.NOT_COMPATIBLE
        if state.connector == desired.connector:
            continue
        if check is None:
            answer = TargetStateCompatibility.PARTIALLY_COMPATIBLE
        else:
            try:
                answer = check(desired.state, rebuild_state(record, state.connector))
            except (TypeError, ValueError, KeyError):
                return TargetStateCompatibility.NOT_COMPATIBLE  # written by an older plugin, unreadable now
        worst = max(worst, order.index(answer))
    return order[worst]


def diff_target(desired: DesiredTarget, existing: CombinedState, rows: int) -> ResourceChange:
    """The change of one wanted resource. ``rows``: how many rows state tracks there."""
    record = desired.record
    kind = desired.resource_type.partition(":")[2]
    change = ResourceChange(
        ChangeKind.NONE,
        desired.resource_type,
        desired.key,
        describe_resource(record, kind, desired.key),
        desired,
        existing,
        record=record,
    )
    current = TargetState.from_json(existing.current) if existing.current is not None else None
    if desired.setup_by_user:
        change.kind = ChangeKind.USER_MANAGED
        if current is None or not current.setup_by_user or current.key_fields != desired.key_fields:
            change.state = _fresh(desired)
        elif current.value_fields != desired.value_fields or current.connector != desired.connector:
            change.state = _with_ids(desired, current, bump=False)
        if current is not None and not current.setup_by_user:
            change.notes.append("was managed by coco: it is left alone from now on")
        return change
    if not existing.known:
        change.kind = ChangeKind.CREATE
        change.actions.append(f"create {change.title}")
    elif current is not None and current.setup_by_user:
        change.kind = ChangeKind.CREATE
        change.actions.append(f"take over {change.title}")
    elif not existing.always_exists:
        versions = list(existing.possible_versions())
        newest = TargetState.from_json(versions[-1]) if versions else None
        started = any(item.state is None for item in existing.staging)
        same = (
            newest is not None
            and newest.connector == desired.connector
            and newest.key_fields == desired.key_fields
        )
        if not started and same:
            change.kind = ChangeKind.CREATE
            change.actions.append(f"create {change.title} (continue after an interrupted setup)")
        else:
            change.kind = ChangeKind.REBUILD
            change.previous = versions[-1] if versions else None
            change.actions.append(f"create {change.title} anew (an interrupted setup left it undecided)")
    else:
        _diff_existing(change, desired, existing, rows)
    if change.kind is ChangeKind.NONE:
        return change
    bump = change.lossy
    if change.kind in (ChangeKind.CREATE, ChangeKind.REBUILD):
        change.state = _fresh(desired)
    else:
        assert current is not None
        change.state = _with_ids(desired, current, bump=bump)
    return change


def _diff_existing(
    change: ResourceChange, desired: DesiredTarget, existing: CombinedState, rows: int
) -> None:
    record = desired.record
    versions = [TargetState.from_json(item) for item in existing.possible_versions()]
    undecided = bool(existing.staging)
    if not undecided and all(
        item.connector == desired.connector
        and item.key_fields == desired.key_fields
        and item.attachments == desired.attachments
        for item in versions
    ):
        if any(item.value_fields != desired.value_fields for item in versions):
            # The connector's state does not tell: nothing to alter, rows follow through their logic.
            change.kind = ChangeKind.UPDATE
            change.actions.append(f"note the new fields of {change.title}")
        return
    answer = worst_compatibility(record, desired, existing)
    change.previous = list(existing.possible_versions())[-1]
    lines = record.method("describe_change")
    if lines is not None and answer is not TargetStateCompatibility.NOT_COMPATIBLE:
        previous = TargetState.from_json(change.previous)
        change.actions.extend(
            lines(rebuild_key(record, desired.key), rebuild_state(record, previous.connector), desired.state)
        )
    if answer is TargetStateCompatibility.NOT_COMPATIBLE:
        change.kind = ChangeKind.REBUILD
        change.destructive = True
        change.actions.append(f"drop and create {change.title}")
        change.notes.append(f"{rows} rows there are deleted and written again by the next update")
        return
    change.kind = ChangeKind.UPDATE
    if not change.actions:
        change.actions.append(f"alter {change.title}")
    if undecided:
        change.notes.append("continues after an interrupted setup")
    for name in versions[-1].attachments.keys() - desired.attachments.keys():
        change.actions.append(f"tear down attachment {name}")
    for name, spec in desired.attachments.items():
        if versions[-1].attachments.get(name) != spec:
            change.actions.append(f"set up attachment {name}")
    if answer is TargetStateCompatibility.PARTIALLY_COMPATIBLE:
        change.lossy = True
        change.notes.append(f"{rows} rows there are written again by the next update")


def _fresh(desired: DesiredTarget) -> TargetState:
    """A state whose id is given when it is staged (0 until then)."""
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


def _with_ids(desired: DesiredTarget, current: TargetState, *, bump: bool) -> TargetState:
    version = current.max_schema_version + 1 if bump else current.schema_version
    return TargetState(
        current.target_id,
        version,
        max(version, current.max_schema_version),
        desired.setup_by_user,
        desired.name,
        desired.key_fields,
        desired.value_fields,
        desired.connector,
        desired.attachments,
    )


def diff_deleted(record: SetupRecord, rows: int) -> ResourceChange:
    """A resource that no export names any more (or that is dropped)."""
    prefix, _, kind = record.resource_type.partition(":")
    category = OpCategory.TARGET if prefix + ":" == TARGET_PREFIX else OpCategory.DECLARATION
    existing = CombinedState.of(record)
    known: Any = None
    reason = ""
    try:
        known = registry.get(category, kind)
    except CocoError as error:
        reason = str(error)
    change = ResourceChange(
        ChangeKind.DELETE if known is not None else ChangeKind.UNKNOWN,
        record.resource_type,
        record.key,
        describe_resource(known, kind, record.key),
        None,
        existing,
        record=known,
    )
    versions = list(existing.possible_versions())
    change.previous = versions[-1] if versions else None
    if known is None:
        change.notes.append(f"cannot be dropped: {reason}")
        return change
    if change.previous is not None and TargetState.from_json(change.previous).setup_by_user:
        change.actions.append(f"forget {change.title} (it is yours and stays as it is)")
        return change
    change.actions.append(f"drop {change.title}")
    change.destructive = True
    if rows:
        change.notes.append(f"{rows} rows there are deleted")
    return change


def diff_flow_state(
    sources: Sequence[DesiredSource], existing: FlowState | None, new_ids: Sequence[int] = ()
) -> tuple[FlowState, bool]:
    """The flow's own record after setup, and whether it differs. Ids of new sources are 0 until given."""
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
    gone = [item.source_id for item in before.sources.values() if item.source_id not in kept]
    after = FlowState(records, tuple(dict.fromkeys((*before.removed, *gone))))
    return after, existing is None or after != before


def diff_flow(
    flow: str,
    version: int,
    records: Sequence[SetupRecord],
    targets: Sequence[DesiredTarget],
    sources: Sequence[DesiredSource],
    row_counts: Mapping[int, int],
) -> FlowChange:
    """Setup of one flow."""
    by_key = {(item.resource_type, item.key): item for item in records}
    flow_record = by_key.pop((FLOW_RESOURCE, ""), None)
    existing = (
        FlowState.from_json(flow_record.state) if flow_record is not None and flow_record.state else None
    )
    changes = []
    for target in targets:
        record = by_key.pop((target.resource_type, target.key), None)
        changes.append(diff_target(target, CombinedState.of(record), _rows(record, row_counts)))
    for record in by_key.values():
        changes.append(diff_deleted(record, _rows(record, row_counts)))
    state, changed = diff_flow_state(sources, existing)
    return FlowChange(flow, "EXISTING" if existing is not None else "NEW", version, changes, state, changed)


def diff_drop(
    flow: str, version: int, records: Sequence[SetupRecord], row_counts: Mapping[int, int]
) -> FlowChange:
    """Drop of one flow, from stored records alone (SU-47)."""
    changes = [
        diff_deleted(item, _rows(item, row_counts)) for item in records if item.resource_type != FLOW_RESOURCE
    ]
    return FlowChange(
        flow, "DELETED" if records else "NONE", version, changes, None, bool(records), drop=True
    )


def _rows(record: SetupRecord | None, counts: Mapping[int, int]) -> int:
    if record is None or record.state is None:
        return 0
    return counts.get(record.state.get("target_id", 0), 0)


__all__ = [
    "DECLARATION_PREFIX",
    "ChangeKind",
    "FlowChange",
    "ResourceChange",
    "diff_drop",
    "diff_flow",
]
