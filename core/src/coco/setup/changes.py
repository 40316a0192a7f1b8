"""The records of a change plan: the change of one resource, and of one flow."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from coco.engine_object import load_engine_object
from coco.ops.calls import call_blocking
from coco.setup.desired import DesiredTarget
from coco.setup.states import CombinedState, FlowState, TargetState
from coco.state.protocol import SetupWrite


class ChangeKind(enum.Enum):
    """What setup will do to a resource. A plan shows the value."""

    NONE = "READY"
    CREATE = "TO CREATE"
    UPDATE = "TO UPDATE"
    REBUILD = "TO REBUILD"
    DELETE = "TO DELETE"
    INVALID = "INVALID"
    USER_MANAGED = "USER MANAGED"
    UNKNOWN = "UNKNOWN"


_TOUCHING = (
    ChangeKind.CREATE,
    ChangeKind.UPDATE,
    ChangeKind.REBUILD,
    ChangeKind.DELETE,
    ChangeKind.INVALID,
)


class ResourceChange(Struct):
    """The change of one resource.

    destructive: whether data is deleted, which has to be computed again. lossy: whether rows have to be written again.
    lost_fields: fields that are removed from the resource, with their values. only_adds: whether the change only adds
    fields or touches no row, so that a lossy change loses nothing. state: what will be on record afterwards; None if the
    record does not change or is deleted. forget: whether the record is deleted and the resource stays, because it is the
    user's or its plugin is not installed. stored_key: the key in the form of an earlier release; empty if it equals
    ``key``. adopted: whether the resource exists, was not made by coco, and is taken over.
    """

    kind: ChangeKind
    resource_type: str
    key: str
    title: str
    desired: DesiredTarget | None
    existing: CombinedState
    record: Any = None
    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    destructive: bool = False
    lossy: bool = False
    lost_fields: Sequence[str] = ()
    only_adds: bool = False
    state: TargetState | None = None
    forget: bool = False
    stored_key: str = ""
    adopted: bool = False
    former_keys: tuple[str, ...] = ()
    """Keys that the resource may still have; setup renames it to ``key``."""

    @property
    def loses(self) -> bool:
        """Whether values in the resource are deleted, even if the next update writes them again."""
        return bool(self.lost_fields) or (self.lossy and not self.only_adds)

    @property
    def pending(self) -> bool:
        """Whether there is a change, of the resource or of its record."""
        return self.kind in _TOUCHING or self.silent

    @property
    def silent(self) -> bool:
        """Whether only the record changes, which needs no confirmation."""
        return self.kind not in _TOUCHING and (self.state is not None or self.forget)

    @property
    def final(self) -> TargetState | None:
        """The record after the change; None if there is none."""
        return None if self.kind is ChangeKind.DELETE or self.forget else self.state

    def writes(self, state: dict[str, Any] | None, staging: Sequence[Any] = ()) -> list[SetupWrite]:
        """The writes that change the record to ``state`` and delete a record in an old form."""
        found = [SetupWrite(self.resource_type, self.key, state, tuple(staging))]
        if self.stored_key:
            found.insert(0, SetupWrite(self.resource_type, self.stored_key, None))
        return found

    def obsolete_ids(self) -> list[int]:
        """Target ids whose row counts and owners are obsolete after the change."""
        final = self.final
        kept = final.target_id if final is not None else 0
        return sorted({item.target_id for item in self.existing.states() if item.target_id != kept} - {0})


class FlowChange(Struct):
    """All that setup or drop will do for one flow.

    note: a remark about the flow as a whole. keep_results: whether a drop keeps the results of cached functions.
    """

    flow: str
    status: str
    version: int
    resources: list[ResourceChange]
    flow_state: FlowState | None
    flow_state_changed: bool
    drop: bool = False
    note: str = ""
    keep_results: bool = False

    @property
    def left(self) -> list[ResourceChange]:
        """The changes that this process cannot apply, since the plugin is not installed or a credential is missing."""
        return [item for item in self.resources if item.kind is ChangeKind.UNKNOWN and not item.forget]

    @property
    def up_to_date(self) -> bool:
        """Whether there is no change of a resource. Changes of coco's own records need no confirmation."""
        touching = any(item.pending and not item.silent for item in self.resources)
        return not touching and not (self.drop and self.status != "NONE")

    @property
    def silent(self) -> bool:
        """Whether only coco's own records have to change."""
        return self.up_to_date and (self.flow_state_changed or any(item.silent for item in self.resources))

    @property
    def destructive(self) -> bool:
        return any(item.destructive for item in self.resources if item.pending)

    @property
    def lossy(self) -> bool:
        return any(item.loses for item in self.resources if item.pending)

    def within(self, described: FlowChange) -> bool:
        """Return whether this plan holds no change that ``described`` lacks."""
        shown = {(item.resource_type, item.key): item for item in described.resources if item.pending}
        for item in self.resources:
            before = shown.get((item.resource_type, item.key))
            if item.silent or not item.pending:
                continue
            if (
                before is None
                or before.kind is not item.kind
                or (item.destructive and not before.destructive)
                or (item.loses and not before.loses)
                or set(item.lost_fields) - set(before.lost_fields)
                or (item.adopted and not before.adopted)
            ):
                return False
        return self.drop == described.drop


def rebuild_key(record: Any, key: str) -> Any:
    """Return the persistent key in its declared class, from any form that the connector can read."""
    upgrade = record.method("upgrade_key")
    data = json.loads(key)
    return load_engine_object(
        record.persistent_key_type or Any, data if upgrade is None else call_blocking(upgrade, data)
    )


def rebuild_state(record: Any, data: Any) -> Any:
    """Return a stored connector state in its declared class. Unknown fields are ignored; missing ones have defaults."""
    upgrade = record.method("upgrade_state")
    return load_engine_object(
        record.setup_state_cls or record.spec_cls, data if upgrade is None else call_blocking(upgrade, data)
    )


def describe_resource(record: Any, kind: str, key: str) -> str:
    """Return the connector's description of a resource, or else its kind and key."""
    describe = record.method("describe") if record is not None else None
    if describe is not None:
        try:
            return str(describe(rebuild_key(record, key)))
        except Exception as error:  # an error in a description must not stop a plan
            return f"{kind} {key} ({error})"
    return f"{kind} {key}"
