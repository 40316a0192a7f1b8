"""Relationships whose ends and keys have types and names that servers find hard."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from neo4j_test_support import PREFIX, Export, Graph, field, rows_of, write

from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_target_neo4j.settings import Neo4jConnection

THING = f"{PREFIX} `Thing`"
QUOTED = "`" + THING.replace("`", "``") + "`"
LINK = f"{PREFIX} leads to"
DAY = 86_400_000_000


def mapping() -> Relationships:
    return Relationships(
        rel_type=LINK,
        source=NodeFromFields(label=THING, fields=[TargetFieldMapping("from here", "the id")]),
        target=NodeFromFields(label=THING, fields=[TargetFieldMapping("to", "the id")]),
    )


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("Str", ("", "a'b\"c`d\\e$1", "ä", "e\u0301", "é")),
        ("Bytes", (b"", b"\x00\xff", b"a", b"A", b"\x00")),
        ("Bool", (True, False)),
        ("Int64", (0, -1, 2**63 - 1, -(2**63), 2**53 + 1)),
        ("Uuid", tuple(uuid.UUID(int=number).bytes for number in range(5))),
        ("Date", (1, 719_163, 3_652_059)),
        ("Time", (0, 1, DAY - 1)),
        ("LocalDateTime", (0, -1, 253_402_300_799_999_999)),
        ("OffsetDateTime", ((0, 0), (-1, 0), (1_709_161_323_000_004, 0))),
        ("TimeDelta", (0, -1, 10**15)),
        ("Range", ((0, 5), (0, 6), (5, 5))),
    ],
)
def test_ends_and_keys_of_every_type(graph: Graph, place: Neo4jConnection, kind: str, ids: Any) -> None:
    things = Export(graph, Nodes(label=THING), [field("the id", kind)], [field("note", "Str")])
    links = Export(graph, mapping(), [field("from here", kind), field("to", kind)], [field("note", "Str")])
    single = Export(
        graph,
        Relationships(f"{LINK} alone", mapping().source, mapping().target),
        [field("from here", kind)],
        [field("to", kind)],
    )
    Export.set_up_all([things, links, single])
    pairs = {
        (one, other): (f"{number} {place}",)
        for number, one in enumerate(ids)
        for place, other in enumerate(ids)
    }
    ring = {(one,): (ids[(place + 1) % len(ids)],) for place, one in enumerate(ids)}
    write([(links, pairs, []), (single, ring, []), (things, {(ids[0],): ("first",)}, [])])
    count = f"MATCH (n:{QUOTED}) RETURN n._coco, count(*) ORDER BY n._coco"
    assert rows_of(place, count) == [["exported", 1], ["referenced", len(ids) - 1]]
    with links.opened() as opened, single.opened() as alone, things.opened() as nodes:
        assert {key for batch in opened.list_keys() for key in batch} == pairs.keys()
        assert opened.read_rows(list(pairs)) == pairs
        assert alone.read_rows(list(ring)) == ring
        assert nodes.read_rows([(item,) for item in ids]) == {(ids[0],): ("first",)}
    moved = {(one,): (one,) for one in ids}
    write([(links, {}, list(pairs)), (single, moved, [])])
    with single.opened() as alone:
        assert alone.read_rows(list(moved)) == moved
        assert alone.count() == len(ids)
    write([(single, {}, list(moved)[1:])])
    assert rows_of(place, count) == [["exported", 1]]
    write([(things, {}, [(ids[0],)])])
    assert rows_of(place, count) == [["referenced", 1]]
    write([(single, {}, list(moved))])
    assert rows_of(place, count) == []


def test_a_relationship_s_key_of_one_text_is_its_property(graph: Graph, place: Neo4jConnection) -> None:
    links = Export(graph, mapping(), [field("id", "Uuid")], [field("from here", "Str"), field("to", "Str")])
    Export.set_up_all([links], declared={THING: ["the id"]})
    id_ = uuid.UUID(int=77)
    write([(links, {(id_.bytes,): ("a", "b")}, [])])
    assert rows_of(place, f"MATCH ()-[r:`{LINK}`]->() RETURN properties(r)") == [
        [{"id": str(id_), "_coco": "exported"}]
    ]
    write([(links, {(id_.bytes,): ("a", "c")}, [])])
    assert rows_of(place, f"MATCH (a)-[r:`{LINK}`]->(b) RETURN r.id, a.`the id`, b.`the id`") == [
        [str(id_), "a", "c"]
    ]


def test_a_value_that_becomes_null_is_no_property(graph: Graph, place: Neo4jConnection) -> None:
    links = Export(
        graph,
        mapping(),
        [field("id", "Str")],
        [field("from here", "Str"), field("to", "Str"), field("note", "Str")],
    )
    Export.set_up_all([links], declared={THING: ["the id"]})
    for note in ("x", None):
        write([(links, {("1",): ("a", "b", note)}, [])])
    assert rows_of(place, f"MATCH ()-[r:`{LINK}`]->() RETURN keys(r)") in (
        [[["id", "_coco"]]],
        [[["_coco", "id"]]],
    )
