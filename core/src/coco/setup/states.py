"""Setup states: the desired, the recorded, and the possible states of a resource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field, structs

from coco.state.protocol import SetupRecord

FLOW_RESOURCE = "Flow"
TARGET_PREFIX = "Target:"
DECLARATION_PREFIX = "Declaration:"


SavedAttachment = list[Any]
"""Kind and stored spec of an attachment, as on record."""
Attached = dict[str, list[SavedAttachment]]
"""By name, every version of an attachment that is or may be attached."""


def encode_key(key: Any) -> str:
    """Return a persistent key as canonical JSON text."""
    return json.dumps(key, sort_keys=True, separators=(",", ":"))


class TargetState(Struct, frozen=True):
    """The state of an export's resource.

    connector: the stored form of the connector's state. attachments: name -> (kind, stored spec). export: name of the
    export, for messages. Ids are never used again.
    """

    target_id: int
    schema_version: int
    max_schema_version: int
    setup_by_user: bool
    export: str
    key_fields: list[Any]
    value_fields: list[Any]
    connector: Any
    attachments: dict[str, list[Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return structs.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TargetState:
        known = {name: data[name] for name in cls.__struct_fields__ if name in data}
        known.setdefault("attachments", {})
        return cls(**known)


class SourceRecord(Struct, frozen=True):
    """A source on record. identity: digest of its stored spec. If it changes, the next run does not rely on ordinals."""

    source_id: int
    kind: str
    key_fields: list[Any]
    identity: str


class FlowState(Struct, frozen=True):
    """The record of the flow itself.

    removed: ids of sources whose rows the next update deletes from the targets. defined: file and qualified name of the flow
    function that ran last; None if it was in no file. A file in the folder of the state, or below, is recorded relative to
    it, so that a project can be moved as a whole. home: the folder of the project; empty if the state is not a file.
    """

    sources: dict[str, SourceRecord] = field(default_factory=dict)
    removed: tuple[int, ...] = ()
    defined: tuple[str, str] | None = None
    home: str = ""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "sources": {name: structs.asdict(item) for name, item in self.sources.items()},
            "removed": list(self.removed),
        }
        if self.defined is not None:
            data["defined"] = list(self.defined)
        if self.home:
            data["home"] = self.home
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FlowState:
        sources = {
            name: SourceRecord(item["source_id"], item["kind"], item["key_fields"], item.get("identity", ""))
            for name, item in data.get("sources", {}).items()
        }
        defined = data.get("defined")
        place = None if defined is None else (defined[0], defined[1])
        return cls(sources, tuple(data.get("removed", ())), place, data.get("home", ""))


class Staged(Struct, frozen=True):
    """A change that was started. ``state`` None means a deletion."""

    state: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return {"delete": True} if self.state is None else {"upsert": self.state}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Staged:
        return cls(None if data.get("delete") else data["upsert"])


ATTACHED = "attached"
"""Marks the record of attachments among the staged records of a change."""


class CombinedState(Struct, frozen=True):
    """The record of a resource: the state that was confirmed last, and states that may have been applied since.

    attached: the attachments after the last attempt; None if there was none, or if an older release made it. doubt: names
    of attachments whose set-up was interrupted.
    """

    current: dict[str, Any] | None
    staging: tuple[Staged, ...] = ()
    attached: Attached | None = None
    doubt: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: SetupRecord | None) -> CombinedState:
        if record is None:
            return cls(None)
        staged = tuple(Staged.from_json(item) for item in record.staging if ATTACHED not in item)
        for item in record.staging:
            if ATTACHED in item:
                return cls(record.state, staged, item[ATTACHED], tuple(item.get("doubt", ())))
        return cls(record.state, staged)

    def attachments(self) -> Attached:
        """The attachments that are or may be attached."""
        if self.attached is not None:
            return self.attached
        found: Attached = {}
        for state in self.states():
            for name, saved in ({} if state.setup_by_user else state.attachments).items():
                versions = found.setdefault(name, [])
                if saved not in versions:
                    versions.append(saved)
        return found

    def possible_versions(self) -> Iterator[dict[str, Any]]:
        """Every state that the resource may have, newest last."""
        if self.current is not None:
            yield self.current
        for item in self.staging:
            if item.state is not None:
                yield item.state

    def states(self) -> list[TargetState]:
        """The possible versions of a target's resource, each once: the confirmed one, then the staged ones."""
        found: list[TargetState] = []
        for data in self.possible_versions():
            state = TargetState.from_json(data)
            if state not in found:
                found.append(state)
        return found

    @property
    def always_exists(self) -> bool:
        """Whether the resource exists in every possible state."""
        return self.current is not None and all(item.state is not None for item in self.staging)

    @property
    def undecided(self) -> bool:
        """Whether a change was staged and not confirmed."""
        return bool(self.staging)

    @property
    def known(self) -> bool:
        """Whether there is any record of the resource."""
        return self.current is not None or bool(self.staging)
