"""How rows become elements of a graph; the same for every graph target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TargetFieldMapping:
    """A collected field as a property of a node.

    source: name of the collected field. target: name of the property; by default the same.
    """

    source: str
    target: str | None = None

    @property
    def property_name(self) -> str:
        """Name of the node's property."""
        return self.source if self.target is None else self.target


@dataclass(frozen=True)
class NodeFromFields:
    """An end of a relationship: the node of ``label`` that these fields identify.

    All key properties of the label must be mapped. Other properties may be: they are the node's values as long
    as no export of the label gives it any.
    """

    label: str
    fields: Sequence[TargetFieldMapping]


@dataclass(frozen=True)
class Nodes:
    """One node per collected row; every field is a property."""

    label: str
    kind: Literal["Node"] = "Node"


@dataclass(frozen=True)
class Relationships:
    """One relationship per collected row.

    Fields that feed neither end, and those of the primary key, are properties of the relationship.
    """

    rel_type: str
    source: NodeFromFields
    target: NodeFromFields
    kind: Literal["Relationship"] = "Relationship"


Mapping = Nodes | Relationships

NodeMapping, RelationshipMapping, NodeReferenceMapping = Nodes, Relationships, NodeFromFields
"""Older names, of CocoIndex v0."""
