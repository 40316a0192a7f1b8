"""The rules of shared nodes on plain dictionaries: what a graph must hold after any writes.

Targets are tested against it; nothing of it runs in a flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from coco_kit_graph.marks import ADOPTED, EXPORTED, REFERENCED

NodeId = tuple[str, Any]
"""Label and key."""


@dataclass
class ReferenceNode:
    """``mark``: None for a node that coco did not make."""

    mark: str | None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class ReferenceGraph:
    """Nodes by label and key; relationships by type and key, with both ends and values; foreign ones by their ends."""

    nodes: dict[NodeId, ReferenceNode] = field(default_factory=dict)
    relationships: dict[tuple[str, Any], tuple[NodeId, NodeId, dict[str, Any]]] = field(default_factory=dict)
    foreign: list[tuple[NodeId, NodeId]] = field(default_factory=list)

    def upsert_node(self, node: NodeId, values: dict[str, Any]) -> None:
        """A row of an export of nodes."""
        known = self.nodes.get(node)
        theirs = known is not None and known.mark in (None, ADOPTED)
        self.nodes[node] = ReferenceNode(ADOPTED if theirs else EXPORTED, values)

    def delete_node(self, node: NodeId) -> None:
        """Its row was deleted."""
        known = self.nodes.get(node)
        if known is None or known.mark not in (EXPORTED, ADOPTED):
            return
        if known.mark == ADOPTED:
            self.nodes[node] = ReferenceNode(None)
        elif self._is_used(node):
            self.nodes[node] = ReferenceNode(REFERENCED)
        else:
            del self.nodes[node]

    def upsert_relationship(
        self,
        id_: tuple[str, Any],
        source: NodeId,
        target: NodeId,
        values: dict[str, Any],
        end_values: Iterable[tuple[NodeId, dict[str, Any]]] = (),
    ) -> None:
        """A row of an export of relationships."""
        for node in (source, target):
            self.nodes.setdefault(node, ReferenceNode(REFERENCED))
        for node, given in end_values:
            if self.nodes[node].mark == REFERENCED:
                self.nodes[node].values = given
        before = self.relationships.get(id_)
        self.relationships[id_] = (source, target, values)
        if before is not None:
            self._drop_lonely(before[:2])

    def delete_relationship(self, id_: tuple[str, Any]) -> None:
        """Its row was deleted."""
        before = self.relationships.pop(id_, None)
        if before is not None:
            self._drop_lonely(before[:2])

    def _drop_lonely(self, nodes: Iterable[NodeId]) -> None:
        for node in nodes:
            known = self.nodes.get(node)
            if known is not None and known.mark == REFERENCED and not self._is_used(node):
                del self.nodes[node]

    def _is_used(self, node: NodeId) -> bool:
        ours = any(node in (source, target) for source, target, _ in self.relationships.values())
        return ours or any(node in pair for pair in self.foreign)
