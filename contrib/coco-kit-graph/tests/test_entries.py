"""Batches: what remains of several, and in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema
from coco_kit_graph.entries import RelationshipSplit, net_work, ordered
from coco_kit_graph.mapping import NodeFromFields, Relationships, TargetFieldMapping
from coco_kit_graph.schema import LabelSchema, properties

Batch = tuple[dict[int, int], list[int]]


def columns(batch: Batch) -> MutationColumns:
    upserts, deletes = batch
    return MutationColumns(
        [], [], [(key,) for key in upserts], [(row,) for row in upserts.values()], [(key,) for key in deletes]
    )


keys = st.integers(0, 4)
batches = st.lists(st.tuples(st.dictionaries(keys, st.integers()), st.lists(keys, unique=True)), max_size=6)


@given(batches)
def test_what_remains_is_what_batches_in_turn_would_leave(several: list[Batch]) -> None:
    place = object()
    wanted: dict[int, int] = {0: -1, 3: -1}
    found = dict(wanted)
    for upserts, deletes in several:
        for key in deletes:
            if key not in upserts:
                wanted.pop(key, None)
        wanted |= upserts
    for work in net_work((place, columns(batch)) for batch in several):
        assert not set(work.upserts) & set(work.deletes)
        found |= {key[0]: row[0] for key, row in work.upserts.items()}
        for gone in work.deletes:
            found.pop(gone[0], None)
    assert found == wanted


def test_partial_rows_stay_partial_only_on_their_own() -> None:
    def partial(**changed: tuple[int, ...] | None) -> MutationColumns:
        rows = [(key,) for key in changed]
        return MutationColumns([], [], rows, rows, [], list(changed.values()))

    place = object()
    gone = MutationColumns([], [], [], [], [("c",)])
    (work,) = net_work(
        [(place, gone), (place, partial(a=(0,), b=(0,), c=(0,), d=None)), (place, partial(b=(1,), d=(1,)))]
    )
    assert work.changed == {("a",): (0,)}
    assert set(work.upserts) == {("a",), ("b",), ("c",), ("d",)}
    assert ordered([work], lambda _: True)[0].changed == work.changed


def test_nodes_come_first_and_go_last() -> None:
    work = net_work([("relationships", columns(({1: 1}, [2]))), ("nodes", columns(({1: 1}, [2])))])
    steps = ordered(work, lambda place: place == "nodes")
    assert [(step.place, bool(step.deletes)) for step in steps] == [
        ("nodes", False),
        ("relationships", False),
        ("relationships", True),
        ("nodes", True),
    ]


def field(name: str) -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(BasicValueType("Str"), nullable=True))


def test_rows_are_taken_apart() -> None:
    mapping = Relationships(
        "R",
        NodeFromFields("A", [TargetFieldMapping("id", "key")]),
        NodeFromFields("B", [TargetFieldMapping("b", "name"), TargetFieldMapping("size")]),
    )
    source = LabelSchema("A", properties([field("key")]))
    target = LabelSchema("B", properties([field("name")]), properties([field("size")]))
    split = RelationshipSplit(
        mapping, source, target, [field("id")], [field("b"), field("size"), field("note")]
    )
    rows: dict[Any, Any] = {
        ("1",): ("x", "big", "n1"),
        ("2",): ("x", "small", "n2"),
        ("3",): (None, "small", "n3"),
    }
    found = split.rows(rows)
    assert found.keys == [("1",), ("2",)]
    assert found.values == [("n1",), ("n2",)]
    assert found.source.keys == [("1",), ("2",)]
    assert found.target.nodes == {("x",): ("small",)}
    assert list(found.refused) == [("3",)]
    assert split.assembled(("n1",), ("1",), ("x",), 3) == ("x", ..., "n1")
