"""How rows become elements of a graph; the same for every graph target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TargetFieldMapping:
    """A collected field as a property of a node."""

    source: str
    """Name of the collected field."""
    target: str | None = None
    """Name of the property. None: the same."""

    @property
    def property_name(self) -> str:
        """Name of the node's property."""
        return self.source if self.target is None else self.target


@dataclass(frozen=True)
class NodeFromFields:
    """An end of a relationship: the node of ``label`` that these fields identify.

    All key properties of the label must be mapped. Other properties may be mapped too; they are the node's values as long as
    no export of the label gives it any.
    """

    label: str
    """The label of the node."""
    fields: Sequence[TargetFieldMapping]
    """The fields, each with its property."""


@dataclass(frozen=True)
class Nodes:
    """One node per collected row; every field is a property."""

    label: str
    """The label of the nodes."""
    kind: Literal["Node"] = "Node"
    """Always ``Node``."""


@dataclass(frozen=True)
class Relationships:
    """One relationship per collected row.

    Fields that are not mapped to an end, and those of the primary key, are properties of the relationship.
    """

    rel_type: str
    """The type of the relationships."""
    source: NodeFromFields
    """The node at which they start."""
    target: NodeFromFields
    """The node at which they end."""
    kind: Literal["Relationship"] = "Relationship"
    """Always ``Relationship``."""


Mapping = Nodes | Relationships

NodeMapping, RelationshipMapping, NodeReferenceMapping = Nodes, Relationships, NodeFromFields
"""Older names, of CocoIndex v0."""
