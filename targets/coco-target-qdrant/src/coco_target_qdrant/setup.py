"""Making, altering and dropping collections, from whatever state a crash may have left them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coco.errors import TargetError
from coco_target_qdrant.address import FIRST_CONTACT, address_of
from coco_target_qdrant.state import QdrantKey, QdrantState
from coco_target_qdrant.wire import CollectionFacts, RefusedRequestError, Wire


@contextmanager
def connected(key: QdrantKey) -> Iterator[Wire]:
    """A connection for a setup step: with little patience."""
    wire = address_of(key.connection, key.title, FIRST_CONTACT).connect()
    try:
        yield wire
    finally:
        wire.close()


def apply_change(key: QdrantKey, previous: QdrantState | None, current: QdrantState | None) -> None:
    """Bring the collection into a state, or drop it (None)."""
    with connected(key) as wire:
        if current is None:
            wire.drop(key.collection)
            return
        facts = wire.facts(key.collection) or _create(wire, key, current)
        missing = missing_vectors(facts, current)
        if missing:
            raise TargetError(
                f"{key.title} exists, but not as coco made it: {'; '.join(missing)}. Drop it with `coco drop`, or by "
                "hand, then `coco setup` and `coco update`"
            )
        changed = {name: item for name, item in current.vectors.items() if facts.vectors[name] != item}
        if changed:
            wire.tune(key.collection, changed)
        _bring_indexes(wire, key, facts, previous, current)


def _create(wire: Wire, key: QdrantKey, state: QdrantState) -> CollectionFacts:
    try:
        wire.create(key.collection, state.vectors)
    except RefusedRequestError:
        # A creation that was retried because its answer was lost.
        facts = wire.facts(key.collection)
        if facts is None:
            raise
        return facts
    return CollectionFacts(dict(state.vectors), {})


def _bring_indexes(
    wire: Wire, key: QdrantKey, facts: CollectionFacts, previous: QdrantState | None, current: QdrantState
) -> None:
    before = previous.indexes if previous is not None else {}
    for name, kind in facts.indexes.items():
        ours = name in before or name in current.indexes
        if ours and current.indexes.get(name) != kind:
            wire.drop_index(key.collection, name)
    for name, kind in current.indexes.items():
        if facts.indexes.get(name) != kind:
            wire.create_index(key.collection, name, kind)


def missing_vectors(facts: CollectionFacts, state: QdrantState) -> list[str]:
    """What a collection lacks for an export. More vectors than that do no harm."""
    found = []
    for name, wanted in state.vectors.items():
        there = facts.vectors.get(name)
        if there is None:
            found.append(f"it has no vector {name!r} ({wanted.title})")
        elif there.shape != wanted.shape:
            found.append(f"its vector {name!r} has {there.title} instead of {wanted.title}")
    return found
