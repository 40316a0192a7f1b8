"""Setup states: what a resource should be, was, or may be."""

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
"""Kind and dumped spec, as on record."""
Attached = dict[str, list[SavedAttachment]]
"""By name, every version of an attachment that is attached or may be."""


def encode_key(key: Any) -> str:
    """Persistent keys as canonical JSON text."""
    return json.dumps(key, sort_keys=True, separators=(",", ":"))


class TargetState(Struct, frozen=True):
    """One export's resource. ``connector``: the connector's own state, dumped. Ids are never reused.

    ``attachments``: name -> (kind, dumped spec). ``export``: name of the export, for messages.
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
    """``identity``: digest of the dumped spec; when it moves, ordinals are not trusted for one pass."""

    source_id: int
    kind: str
    key_fields: list[Any]
    identity: str


class FlowState(Struct, frozen=True):
    """The flow's own record. ``removed``: ids of sources whose rows the next update takes out of the targets.

    ``defined``: file and qualified name of the flow function that was last at work; None if it was in no file. A file
    beside the state or below is noted relative to it, so that a project may move as a whole. ``home``: the folder of the
    project, "" if state is in no file.
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
    """A change that was begun: ``state`` None is a deletion."""

    state: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return {"delete": True} if self.state is None else {"upsert": self.state}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Staged:
        return cls(None if data.get("delete") else data["upsert"])


ATTACHED = "attached"
"""Marks what is attached among the records of a change that was begun."""


class CombinedState(Struct, frozen=True):
    """A resource as far as state knows it: last applied, and what may have been applied since.

    ``attached``: what the last attempt left attached; None if there was none, or an older release made it. ``doubt``: names
    of attachments in the middle of whose set-up the process died.
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
        """What is attached, or may be."""
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
        """Every state the resource may be in, newest last."""
        if self.current is not None:
            yield self.current
        for item in self.staging:
            if item.state is not None:
                yield item.state

    def states(self) -> list[TargetState]:
        """The possible versions of a target's resource, each once: the confirmed one, then those begun."""
        found: list[TargetState] = []
        for data in self.possible_versions():
            state = TargetState.from_json(data)
            if state not in found:
                found.append(state)
        return found

    @property
    def always_exists(self) -> bool:
        """Whether the resource is there whatever happened."""
        return self.current is not None and all(item.state is not None for item in self.staging)

    @property
    def undecided(self) -> bool:
        """Whether a change was begun and not confirmed."""
        return bool(self.staging)

    @property
    def known(self) -> bool:
        """Whether there is any record of the resource."""
        return self.current is not None or bool(self.staging)
