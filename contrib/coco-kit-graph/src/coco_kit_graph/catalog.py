"""The list, kept in the graph itself, of what coco made there and for whom.

Several flows share a graph: a label that one exports may be declared by others, and goes with the last of them and
the last relationship type that ends in it (TG-Graph-24).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from coco.engine_object import dump_engine_object, load_engine_object
from coco_kit_graph.schema import GraphKey, GraphState, Kind


@dataclass(frozen=True)
class Entry:
    """A label or relationship type. ``state``: what it is made of now. ``owners``: see ``owner_of``."""

    kind: Kind
    name: str
    state: GraphState
    owners: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return entry_id(self.kind, self.name)

    @property
    def exporters(self) -> list[str]:
        """Flows that export it."""
        return [item for item in self.owners if not item.endswith(_DECLARED)]

    def owned_by(self, state: GraphState) -> Entry:
        """The same with one more owner."""
        owner = owner_of(state)
        return self if owner in self.owners else replace(self, owners=(*self.owners, owner))

    def given_up_by(self, state: GraphState) -> Entry:
        """The same without an owner."""
        owner = owner_of(state)
        return replace(self, owners=tuple(item for item in self.owners if item != owner))


_DECLARED = " (declared)"


def entry_id(kind: Kind, name: str) -> str:
    """Key of an entry."""
    return f"{kind}:{name}"


def owner_of(state: GraphState) -> str:
    """The flow, and whether it only declares."""
    return state.owner + (_DECLARED if state.declared else "")


def users_of(label: str, entries: Iterable[Entry]) -> list[str]:
    """Relationship types that end in a label."""
    return [
        item.name
        for item in entries
        if item.kind == "relationship" and any(end.label == label for end in item.state.ends)
    ]


def problem_with(entry: Entry, key: GraphKey, desired: GraphState) -> str | None:
    """Why something that is in the catalog must not be made for another owner. None if all is well."""
    mine = {desired.owner, desired.owner + _DECLARED}
    others = [item for item in entry.owners if item not in mine]
    if entry.state.key != desired.key and (others or (entry.exporters and not desired.declared)):
        return (
            f"{key.title} have the key {_shown(entry.state)}, not {_shown(desired)}, for {_whom(entry.owners)}. Use "
            "another name, or bring the flows to one key"
        )
    if desired.declared or not entry.exporters:
        return None
    return (
        f"{key.title} were made by coco, but for another flow or with another state store "
        f"({_whom(entry.exporters)}). Use another name, or drop them where they were made"
    )


def _whom(owners: Iterable[str]) -> str:
    return ", ".join(f"flow '{item}'" if item else "a flow without a name" for item in owners)


def _shown(state: GraphState) -> str:
    return ", ".join(item.name for item in state.key)


def dump_state(state: GraphState) -> str:
    """A state as text."""
    return json.dumps(dump_engine_object(state), ensure_ascii=False)


def load_entry(kind: Any, name: str, owners: Iterable[str], state: str) -> Entry:
    """An entry from what the graph holds."""
    return Entry(kind, name, load_engine_object(GraphState, json.loads(state)), tuple(owners))
