"""The list, kept in the graph itself, of what coco made there and for which flows.

Several flows share a graph: a label that one exports may be declared by others, and goes with the last of them and
the last relationship type that ends in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coco.kit.plain import from_plain, to_plain
from coco_kit_graph.marks import CATALOG
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


# -- in the graph ---------------------------------------------------------------------------------
EPOCH = "epoch"
"""Kind of the nodes that hold which run of a flow wrote last into a label or type."""

READ = (
    f"MATCH (n:{CATALOG}) WHERE n._coco_kind <> '{EPOCH}' "
    "RETURN n._coco_kind, n._coco_name, n._coco_owners, n._coco_state"
)
"""Cypher for the rows of ``entries_of``."""

PUT = (
    f"MERGE (n:{CATALOG} {{_coco_id: $id}}) SET n._coco_kind = $kind, n._coco_name = $name, "
    "n._coco_owners = $owners, n._coco_state = $state"
)
"""Cypher that writes an entry, with the parameters of ``parameters_of``."""

REMOVE = f"MATCH (n:{CATALOG}) WHERE n._coco_id = $id OR (n._coco_kind = '{EPOCH}' AND n._coco_name = $id) DELETE n"
"""Cypher that removes one, with the marks of runs; ``id``: the entry's."""

READ_EPOCH = f"MATCH (n:{CATALOG} {{_coco_id: $id}}) RETURN n._coco_state"
"""Cypher for the mark of the last run that wrote; ``id``: that of ``epoch_parameters``."""


def epoch_parameters(entry: str, flow: str, epoch: str = "") -> dict[str, Any]:
    """A mark as the graph holds it, for ``PUT``. entry: id of the label or type."""
    return {"id": f"{EPOCH}:{entry}:{flow}", "kind": EPOCH, "name": entry, "owners": "[]", "state": epoch}


def parameters_of(entry: Entry) -> dict[str, Any]:
    """An entry as the graph holds it."""
    return {
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "owners": json.dumps(entry.owners, ensure_ascii=False),
        "state": json.dumps(to_plain(entry.state), ensure_ascii=False),
    }


def entries_of(rows: Iterable[Sequence[Any]]) -> dict[str, Entry]:
    """Entries by id, from what the graph holds."""
    found = [
        Entry(kind, name, from_plain(GraphState, json.loads(state)), tuple(json.loads(owners)))
        for kind, name, owners, state in rows
    ]
    return {item.id: item for item in found}
