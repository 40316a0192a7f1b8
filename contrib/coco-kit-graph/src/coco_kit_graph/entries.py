"""Rows of exports as elements of a graph, and batches in an order that keeps shared nodes right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from coco.op import MutationColumns
from coco.typing import FieldSchema
from coco_kit_graph.analysis import own_values
from coco_kit_graph.mapping import NodeFromFields, Relationships
from coco_kit_graph.schema import LabelSchema

Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass
class Work(Generic[T]):
    """What is to be done for one export: upserts by key, and keys to delete. ``place``: the prepared object.

    changed: for some upserts, positions of the value fields that differ from what the target holds.
    """

    place: T
    upserts: dict[Row, Row] = field(default_factory=dict)
    deletes: dict[Row, None] = field(default_factory=dict)
    changed: dict[Row, tuple[int, ...]] = field(default_factory=dict)


def net_work(batches: Iterable[tuple[T, MutationColumns]]) -> list[Work[T]]:
    """One piece of work per export; what comes later wins, as if batches were applied in turn."""
    found: dict[int, Work[T]] = {}
    for place, columns in batches:
        work = found.setdefault(id(place), Work(place))
        for key in columns.delete_keys:
            work.upserts.pop(key, None)
            work.changed.pop(key, None)
            work.deletes[key] = None
        changed = columns.changed or [None] * len(columns.upsert_keys)
        for key, row, some in zip(columns.upsert_keys, columns.upsert_rows, changed, strict=True):
            if some and key not in work.upserts and key not in work.deletes:
                work.changed[key] = some
            else:
                work.changed.pop(key, None)
            work.deletes.pop(key, None)
            work.upserts[key] = row
    return [item for item in found.values() if item.upserts or item.deletes]


@dataclass(frozen=True)
class Step(Generic[T]):
    """One of the phases of a call: either upserts or deletes. ``changed``: see ``Work``."""

    place: T
    upserts: dict[Row, Row] = field(default_factory=dict)
    deletes: Sequence[Row] = ()
    changed: dict[Row, tuple[int, ...]] = field(default_factory=dict)


def ordered(work: Iterable[Work[T]], is_node: Callable[[T], bool]) -> list[Step[T]]:
    """Nodes are upserted first and deleted last, so that no relationship of the call lacks an end meanwhile."""
    items = list(work)
    nodes = [item for item in items if is_node(item.place)]
    others = [item for item in items if not is_node(item.place)]
    steps = [
        Step(item.place, upserts=item.upserts, changed=item.changed)
        for item in (*nodes, *others)
        if item.upserts
    ]
    steps += [Step(item.place, deletes=list(item.deletes)) for item in (*others, *nodes) if item.deletes]
    return steps


def steps_by_graph(
    batches: Iterable[tuple[T, MutationColumns]], is_node: Callable[[T], bool], graph_of: Callable[[T], Any]
) -> list[list[Step[T]]]:
    """The ordered steps of a call, one list per open graph, each for a transaction of its own."""
    graphs: dict[int, list[Step[T]]] = {}
    for step in ordered(net_work(batches), is_node):
        graphs.setdefault(id(graph_of(step.place)), []).append(step)
    return list(graphs.values())


@dataclass
class EndRows:
    """Nodes at one end: their values by key, each once; the last row wins."""

    keys: list[Row] = field(default_factory=list)
    nodes: dict[Row, Row] = field(default_factory=dict)


@dataclass
class RelationshipRows:
    """Aligned: key, own properties and the keys of both ends. ``refused``: rows without an end, with the reason."""

    keys: list[Row] = field(default_factory=list)
    values: list[Row] = field(default_factory=list)
    source: EndRows = field(default_factory=EndRows)
    target: EndRows = field(default_factory=EndRows)
    refused: dict[Row, str] = field(default_factory=dict)


class _End:
    def __init__(self, end: NodeFromFields, label: LabelSchema, positions: dict[str, int]) -> None:
        by_name = {item.property_name: positions[item.source] for item in end.fields}
        self.label = label
        self.key = [by_name[item.name] for item in label.key]
        self.values = [by_name[item.name] for item in label.values]


class RelationshipSplit:
    """Takes rows of one export apart.

    own: value fields that are properties of the relationship, with their place in a row in ``own_positions``.
    """

    def __init__(
        self,
        mapping: Relationships,
        source: LabelSchema,
        target: LabelSchema,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        positions = {item.name: place for place, item in enumerate((*key_fields, *value_fields))}
        self.own = own_values(mapping, value_fields)
        names = [item.name for item in value_fields]
        self.own_positions = [names.index(item.name) for item in self.own]
        self._key_size = len(key_fields)
        self._source = _End(mapping.source, source, positions)
        self._target = _End(mapping.target, target, positions)
        self._assembled = {
            place - self._key_size: (side, number)
            for side, end in (("source", self._source), ("target", self._target))
            for number, place in enumerate(end.key)
            if place >= self._key_size
        }

    def rows(self, upserts: dict[Row, Row]) -> RelationshipRows:
        """The elements of some rows."""
        found = RelationshipRows()
        for key, row in upserts.items():
            whole = key + row
            ends = [tuple([whole[place] for place in end.key]) for end in (self._source, self._target)]
            if any(part is None for end in ends for part in end):
                found.refused[key] = "a key property of an end is null: a relationship needs both ends"
                continue
            found.keys.append(key)
            found.values.append(tuple([row[place] for place in self.own_positions]))
            for rows, end, end_key in zip(
                (found.source, found.target), (self._source, self._target), ends, strict=True
            ):
                rows.keys.append(end_key)
                rows.nodes[end_key] = tuple([whole[place] for place in end.values])
        return found

    def assembled(self, own: Row, source: Row, target: Row, size: int) -> Row:
        """A value row from what the graph holds; ``...`` for values of ends, which others may have written."""
        row: list[Any] = [...] * size
        for place, value in zip(self.own_positions, own, strict=True):
            row[place] = value
        for place, (side, number) in self._assembled.items():
            row[place] = (source if side == "source" else target)[number]
        return tuple(row)
