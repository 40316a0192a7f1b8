"""Setup of labels and relationship types in the order that they need, whatever the store.

What to do follows from the catalog in the graph, not from what was recorded elsewhere: running a change again, or
after a crash, ends in the same graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from coco.errors import TargetError
from coco_kit_graph.catalog import Entry, users_of
from coco_kit_graph.schema import GraphKey, GraphState, LabelSchema, Property

Change = tuple[GraphKey, GraphState | None, GraphState | None]
"""Key, previous state, current state."""


class Store(Protocol):
    """What a graph store gives to setup. Every method may be repeated, and finds things done already."""

    def entries(self) -> dict[str, Entry]:
        """The catalog by id."""

    def put(self, entry: Entry) -> None:
        """Write an entry."""

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""

    def make(self, entry: Entry) -> None:
        """Make the label or relationship type."""

    def alter(self, before: Entry, after: Entry) -> None:
        """Bring properties and indexes of ``before`` to those of ``after``; the key stays. Makes what is lost."""

    def release(self, entry: Entry) -> None:
        """Delete exported nodes that nothing refers to; the others are only referenced from now on."""

    def drop(self, entry: Entry) -> None:
        """Delete coco's elements of the label or type, nodes without an owner at its ends, and what was made."""


def apply_changes(store: Store, changes: Iterable[Change]) -> None:
    """Drop relationships, then nodes; make nodes, then relationships. Raises ``TargetError``."""
    for key, previous, current in sorted(changes, key=_phase):
        if current is None:
            _drop(store, key, previous)
        elif key.kind == "node":
            _label(store, key, current)
        else:
            _relationship(store, key, current)


def _phase(change: Change) -> int:
    key, _, current = change
    if current is None:
        return 0 if key.kind == "relationship" else 1
    return 2 if key.kind == "node" else 3


def _drop(store: Store, key: GraphKey, previous: GraphState | None) -> None:
    entries = store.entries()
    entry = entries.get(f"{key.kind}:{key.name}")
    if entry is None:
        return
    left = entry if previous is None else entry.given_up_by(previous)
    if key.kind == "relationship":
        store.drop(entry)
        store.remove(entry)
        for end in entry.state.ends:
            _drop_if_unused(store, end.label)
        return
    if entry.exporters and not left.exporters:
        store.release(entry)
    store.put(left)
    _drop_if_unused(store, key.name)


def _drop_if_unused(store: Store, label: str) -> None:
    entries = store.entries()
    entry = entries.get(f"node:{label}")
    if entry is not None and not entry.owners and not users_of(label, entries.values()):
        store.drop(entry)
        store.remove(entry)


def _label(store: Store, key: GraphKey, state: GraphState) -> None:
    if any(not item.type for item in state.key) and state.declared:
        known = store.entries().get(f"node:{key.name}")
        if known is not None:  # the types are those of other flows
            store.put(known.owned_by(state))
        return
    _bring(store, Entry("node", key.name, state).owned_by(state), shrink=True)


def _relationship(store: Store, key: GraphKey, state: GraphState) -> None:
    for end in state.ends:
        ensure_label(store, end, state.owner)
    entry = store.entries().get(f"relationship:{key.name}")
    wanted = Entry("relationship", key.name, state).owned_by(state)
    if entry is not None and (entry.state.key != state.key or _shape(entry.state) != _shape(state)):
        store.drop(entry)
        store.remove(entry)
        entry = None
    if entry is None:
        store.make(wanted)
    else:
        store.alter(entry, wanted)
    store.put(wanted)


def _shape(state: GraphState) -> list[tuple[str, list[Property]]]:
    return [(item.label, item.key) for item in state.ends]


def ensure_label(store: Store, end: LabelSchema, flow: str) -> None:
    """Make a label that relationships need, unless it is there; add properties that it lacks."""
    state = GraphState(flow, end.key, end.values, declared=True)
    _bring(store, Entry("node", end.label, state), shrink=False)


def _bring(store: Store, wanted: Entry, *, shrink: bool) -> None:
    """shrink: whether the wanted properties are all there shall be."""
    entries = store.entries()
    entry = entries.get(wanted.id)
    flow = wanted.state.owner
    if entry is not None and entry.state.key != wanted.state.key:
        others = [item for item in entry.owners if item not in (flow, f"{flow} (declared)")]
        users = users_of(wanted.name, entries.values())
        if others or users:
            raise TargetError(
                f"nodes {wanted.name!r} cannot get another key: in use by "
                f"{', '.join([*others, *(f'relationships {item}' for item in users)])}. Change or drop these first"
            )
        store.drop(entry)
        store.remove(entry)
        entry = None
    if entry is None:
        store.make(wanted)
        store.put(wanted)
        return
    owners = tuple(dict.fromkeys((*entry.owners, *wanted.owners)))
    alone = set(owners) <= set(wanted.owners)
    state = wanted.state if shrink and alone else _united(entry.state, wanted.state, owns=shrink)
    after = replace(wanted, owners=owners, state=state)
    store.alter(entry, after)  # even if nothing differs: what was made may be lost
    if after != entry:
        store.put(after)


def _united(old: GraphState, new: GraphState, *, owns: bool) -> GraphState:
    """Properties and indexes of both; of two types for one property the newer."""
    values = {item.name: item for item in (*old.values, *new.values)}
    indexes = {(item.field, item.metric): item for item in (*old.vector_indexes, *new.vector_indexes)}
    base = new if owns else old
    return replace(base, values=list(values.values()), vector_indexes=list(indexes.values()))
