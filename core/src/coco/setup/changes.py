"""The records of a change plan: what will be done to one resource, and to one flow."""

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
    """What setup will do to a resource; the value is what a plan shows."""

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
    """One resource's change.

    destructive: data is lost for good unless it can be computed again; lossy: rows are written again.
    lost_fields: fields that leave the resource, with what they hold.
    only_adds: the fields are those of before and further ones, or setup touches no row, so that a lossy change loses
    nothing.
    state: what will be on record afterwards; None where the record stays as it is, or goes.
    forget: the record goes and the resource stays, because it is the user's, or its plugin is not installed.
    stored_key: the key as an earlier release spelled it on record; empty if it is ``key``.
    adopted: the resource is there already, made by someone else, and is taken over as it is.
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
    """Keys under which the resource may stand until it is renamed to ``key``."""

    @property
    def loses(self) -> bool:
        """Whether values that the resource holds go, be it until the next update writes them again."""
        return bool(self.lost_fields) or (self.lossy and not self.only_adds)

    @property
    def pending(self) -> bool:
        """Whether there is something to do, be it to our own record only."""
        return self.kind in _TOUCHING or self.silent

    @property
    def silent(self) -> bool:
        """Whether only our own record changes, which needs nobody's consent."""
        return self.kind not in _TOUCHING and (self.state is not None or self.forget)

    @property
    def final(self) -> TargetState | None:
        """What is on record when this is done; None if nothing is."""
        return None if self.kind is ChangeKind.DELETE or self.forget else self.state

    def writes(self, state: dict[str, Any] | None, staging: Sequence[Any] = ()) -> list[SetupWrite]:
        """What brings the record to ``state``; one in an old spelling goes at the same time."""
        found = [SetupWrite(self.resource_type, self.key, state, tuple(staging))]
        if self.stored_key:
            found.insert(0, SetupWrite(self.resource_type, self.stored_key, None))
        return found

    def dead_ids(self) -> list[int]:
        """Ids whose rows and owners mean nothing any more when this is done."""
        final = self.final
        kept = final.target_id if final is not None else 0
        return sorted({item.target_id for item in self.existing.states() if item.target_id != kept} - {0})


class FlowChange(Struct):
    """Everything setup or drop will do for one flow. ``note``: what to say of the flow as a whole.

    ``keep_results``: a drop leaves the results of cached functions.
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
        """What nobody can drop: its plugin is not installed, or a credential is missing."""
        return [item for item in self.resources if item.kind is ChangeKind.UNKNOWN and not item.forget]

    @property
    def up_to_date(self) -> bool:
        """Nothing to decide (changes of the engine's own records alone are no decision)."""
        touching = any(item.pending and not item.silent for item in self.resources)
        return not touching and not (self.drop and self.status != "NONE")

    @property
    def silent(self) -> bool:
        """Whether the engine's own records have to follow, though nothing has to be decided."""
        return self.up_to_date and (self.flow_state_changed or any(item.silent for item in self.resources))

    @property
    def destructive(self) -> bool:
        return any(item.destructive for item in self.resources if item.pending)

    @property
    def lossy(self) -> bool:
        return any(item.loses for item in self.resources if item.pending)

    def within(self, described: FlowChange) -> bool:
        """Whether this does nothing that ``described`` did not show."""
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
    """The persistent key in its declared class, from any spelling that the connector knows."""
    upgrade = record.method("upgrade_key")
    data = json.loads(key)
    return load_engine_object(
        record.persistent_key_type or Any, data if upgrade is None else call_blocking(upgrade, data)
    )


def rebuild_state(record: Any, data: Any) -> Any:
    """A stored connector state in its declared class; unknown fields are ignored, missing take defaults."""
    upgrade = record.method("upgrade_state")
    return load_engine_object(
        record.setup_state_cls or record.spec_cls, data if upgrade is None else call_blocking(upgrade, data)
    )


def describe_resource(record: Any, kind: str, key: str) -> str:
    """The connector's own name for a resource, else kind and key."""
    describe = record.method("describe") if record is not None else None
    if describe is not None:
        try:
            return str(describe(rebuild_key(record, key)))
        except Exception as error:  # a description must never stop a plan
            return f"{kind} {key} ({error})"
    return f"{kind} {key}"
