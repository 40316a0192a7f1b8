"""Writing relationships: which are there, which move, which nodes go with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coco_kit_graph.entries import RelationshipRows, Row

Id = Any
"""What identifies an element in the store: a value that the store gives back as it got it."""


@dataclass(frozen=True)
class Edges:
    """Some relationships, aligned: identity, key, own values, identities of both ends."""

    ids: Sequence[Id]
    keys: Sequence[Row]
    values: Sequence[Row]
    sources: Sequence[Id]
    targets: Sequence[Id]

    def some(self, places: Sequence[int]) -> Edges:
        """Those at the given places."""
        columns = (self.ids, self.keys, self.values, self.sources, self.targets)
        return Edges(*([column[place] for place in places] for column in columns))


class RelationshipStore(Protocol):
    """What a graph store gives; all within one transaction. Never called for nothing."""

    def identify(self, rows: RelationshipRows) -> Edges:
        """Rows with the identities that the store uses."""

    def ensure_nodes(self, rows: RelationshipRows) -> None:
        """Make both ends where they are missing, and give values to those that no export fills."""

    def ends_of(self, ids: Sequence[Id]) -> dict[Id, tuple[Id, Id]]:
        """The ends of coco's relationships that are there."""

    def remove(self, ids: Sequence[Id]) -> None:
        """Delete relationships."""

    def change(self, edges: Edges) -> None:
        """Set the values of relationships that are there."""

    def create(self, edges: Edges) -> None:
        """Make relationships between nodes that are there."""

    def drop_lonely(self, ends: Iterable[tuple[Id, Id]]) -> None:
        """Delete those of the nodes that only relationships led to, and none does any more."""


def upsert(store: RelationshipStore, rows: RelationshipRows) -> None:
    """Write rows. A known key with other ends moves the relationship."""
    if not rows.keys:
        return
    store.ensure_nodes(rows)
    edges = store.identify(rows)
    there = store.ends_of(edges.ids)
    same, fresh, moved = [], [], []
    for place, id_ in enumerate(edges.ids):
        ends = there.get(id_)
        if ends == (edges.sources[place], edges.targets[place]):
            same.append(place)
            continue
        fresh.append(place)
        if ends is not None:
            moved.append(id_)
    if moved:
        store.remove(moved)
    if same:
        store.change(edges.some(same))
    if fresh:
        store.create(edges.some(fresh))
    if moved:
        store.drop_lonely(there[id_] for id_ in moved)


def delete(store: RelationshipStore, ids: Sequence[Id]) -> None:
    """Remove relationships; missing ones are fine."""
    there = store.ends_of(ids)
    if there:
        store.remove(list(there))
        store.drop_lonely(there.values())
