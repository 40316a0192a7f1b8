"""What setup remembers of a node label or a relationship type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from coco.auth_registry import AuthEntryReference
from coco.kit.state_diff import type_data
from coco.op import TargetStateCompatibility
from coco.typing import FieldSchema, ValueType, decode_engine_value_type

Kind = Literal["node", "relationship"]


@dataclass(frozen=True)
class GraphKey:
    """Which element of which graph; the auth entry's key stands for the graph. ``name``: label or type."""

    connection: AuthEntryReference[Any]
    kind: Kind
    name: str

    @property
    def title(self) -> str:
        """For plans and errors."""
        word = "nodes" if self.kind == "node" else "relationships"
        return f"{word} {self.name} of graph {self.connection.key!r}"


@dataclass(frozen=True)
class Property:
    """``type``: the engine type as plain data, without what never alters values; empty if it is not known."""

    name: str
    type: dict[str, Any] = field(default_factory=dict)

    @property
    def value_type(self) -> ValueType:
        return decode_engine_value_type(self.type)


@dataclass(frozen=True)
class LabelSchema:
    """A node label, as far as someone uses it."""

    label: str
    key: list[Property]
    values: list[Property] = field(default_factory=list)


@dataclass(frozen=True)
class VectorIndex:
    """``metric``: a value of ``VectorSimilarityMetric``; ``m``, ``ef_construction``: None leaves the default."""

    field: str
    metric: str
    dimension: int
    m: int | None = None
    ef_construction: int | None = None


@dataclass(frozen=True)
class GraphState:
    """What a label or relationship type is made of.

    owner: full name of the flow. values: without those that feed the ends alone. source, target: the ends of a
    relationship with the properties it gives them. declared: by a declaration, not an export.
    """

    owner: str
    key: list[Property]
    values: list[Property] = field(default_factory=list)
    vector_indexes: list[VectorIndex] = field(default_factory=list)
    source: LabelSchema | None = None
    target: LabelSchema | None = None
    declared: bool = False

    @property
    def ends(self) -> list[LabelSchema]:
        return [item for item in (self.source, self.target) if item is not None]


def properties(fields: Iterable[FieldSchema]) -> list[Property]:
    """Fields as properties."""
    return [Property(item.name, type_data(item.value_type.type)) for item in fields]


def compatibility(desired: GraphState, existing: GraphState, *, typed: bool) -> TargetStateCompatibility:
    """Keys and ends make a new resource; retyped properties make rows be written again, as do new ones if ``typed``.

    typed: whether the store has columns, so that a new property begins as null.
    """
    if desired.key != existing.key or _ends(desired) != _ends(existing):
        return TargetStateCompatibility.NOT_COMPATIBLE
    pairs = [(desired.values, existing.values)]
    pairs += [(new.values, old.values) for new, old in zip(desired.ends, existing.ends, strict=True)]
    for new, old in pairs:
        before = {item.name: item.type for item in old}
        if any(before.get(item.name, None if typed else item.type) != item.type for item in new):
            return TargetStateCompatibility.PARTIALLY_COMPATIBLE
    return TargetStateCompatibility.COMPATIBLE


def _ends(state: GraphState) -> list[tuple[str, list[Property]]]:
    return [(item.label, item.key) for item in state.ends]


def change_lines(previous: GraphState | None, current: GraphState) -> list[str]:
    """One line per step, for the plan."""
    if previous is None:
        return []
    before = {item.name: item for item in previous.values}
    after = {item.name: item for item in current.values}
    lines = [f"remove property {name}" for name in before if name not in after]
    for name, item in after.items():
        if name not in before:
            lines.append(f"add property {name}{_typed(item)}")
        elif before[name].type != item.type:
            lines.append(
                f"remove property {name}{_typed(before[name])} and add it as{_typed(item) or ' new'}"
            )
    old, new = previous.vector_indexes, current.vector_indexes
    lines += [f"drop vector index on {item.field} ({item.metric})" for item in old if item not in new]
    lines += [f"create vector index on {item.field} ({item.metric})" for item in new if item not in old]
    return lines


def _typed(item: Property) -> str:
    return f" ({item.value_type})" if item.type else ""


def names(items: Sequence[Property]) -> list[str]:
    """Names of properties."""
    return [item.name for item in items]
