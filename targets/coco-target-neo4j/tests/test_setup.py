"""Constraints and the catalog made, altered and dropped; labels that several flows share."""

from __future__ import annotations

from typing import Any

import pytest
from neo4j_test_support import PREFIX, Export, Graph, field, rows_of, write

from coco.errors import DriftError, TargetError
from coco.index import IndexOptions
from coco.ops.targets import ExportView, FlowView, TargetStateCompatibility
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphKey
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4jConnector, Neo4jDeclaration, Neo4jDeclarationConnector

PEOPLE, TOPIC = f"{PREFIX}Person", f"{PREFIX}Topic"
LIKES, HATES = f"{PREFIX}_LIKES", f"{PREFIX}_HATES"


PERSON = Nodes(label=PEOPLE)


def likes(rel_type: str = LIKES, *, source: str = PEOPLE, target: str = TOPIC) -> Relationships:
    return Relationships(
        rel_type=rel_type,
        source=NodeFromFields(label=source, fields=[TargetFieldMapping("who", "name")]),
        target=NodeFromFields(label=target, fields=[TargetFieldMapping("what", "name")]),
    )


def liking(graph: Graph, rel_type: str = LIKES, **ends: str) -> Export:
    return Export(graph, likes(rel_type, **ends), [field("who", "Str"), field("what", "Str")], [])


def people(graph: Graph, kind: str = "Str") -> Export:
    return Export(graph, PERSON, [field("name", kind)], [field("age", "Int64")])


def made(place: Neo4jConnection) -> set[str]:
    """Labels and types of the catalog, which are those that have a constraint or an index."""
    indexed = {row[0] for row in rows_of(place, "SHOW INDEXES YIELD labelsOrTypes RETURN labelsOrTypes[0]")}
    listed = {row[0] for row in rows_of(place, "MATCH (n:CocoElements) RETURN n._coco_name")}
    assert {name for name in indexed if name and name.startswith(PREFIX)} == listed
    return listed


def drop(export: Export) -> None:
    Neo4jConnector.apply_setup_changes([(key_of(export), export.state, None)])


def key_of(export: Export) -> GraphKey:
    return Neo4jConnector.get_persistent_key(export.spec, "")


def drop_declaration(spec: Neo4jDeclaration) -> None:
    state = Neo4jDeclarationConnector.get_setup_state(spec)
    Neo4jDeclarationConnector.apply_setup_changes(
        [(Neo4jDeclarationConnector.get_persistent_key(spec), state, None)]
    )


def test_nothing_is_left_whatever_is_dropped_first(graph: Graph, place: Neo4jConnection) -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        person, liked = people(graph), liking(graph)
        (topic,) = Export.set_up_all([person, liked], declared={TOPIC: ["name"]})
        assert made(place) == {PEOPLE, TOPIC, LIKES}
        write([(person, {("A",): (1,)}, []), (liked, {("A", "x"): (), ("B", "x"): ()}, [])])
        steps: list[Any] = [
            lambda p=person: drop(p),
            lambda r=liked: drop(r),
            lambda t=topic: drop_declaration(t),
        ]
        for at in order:
            steps[at]()
        assert made(place) == set(), order


def test_a_label_stays_while_another_flow_wants_it(graph: Graph, place: Neo4jConnection) -> None:
    person, liked = people(graph), liking(graph)
    Export.set_up_all([person, liked], declared={TOPIC: ["name"]}, flow="one")
    other = liking(graph, HATES)
    declared = Export.set_up_all([other], declared={TOPIC: ["name"], PEOPLE: ["name"]}, flow="two")
    write(
        [
            (person, {("A",): (1,), ("B",): (2,)}, []),
            (liked, {("A", "x"): ()}, []),
            (other, {("B", "x"): ()}, []),
        ]
    )
    drop(liked)
    drop(person)
    assert made(place) == {PEOPLE, TOPIC, HATES}
    assert rows_of(place, f"MATCH (n:{PEOPLE}) RETURN n.name, n._coco, n.age") == [["B", "referenced", None]]
    drop(other)
    for item in declared:
        drop_declaration(item)
    assert made(place) == {TOPIC}  # flow one declares it still


def test_a_declared_label_may_be_exported_later(graph: Graph, place: Neo4jConnection) -> None:
    liked = liking(graph)
    declared = Export.set_up_all([liked], declared={TOPIC: ["name"], PEOPLE: ["name"]})
    write([(liked, {("A", "x"): ()}, [])])
    person = people(graph)
    assert Neo4jConnector.check_existing(key_of(person), person.state) is None
    Export.set_up_all([person, liked], declared={TOPIC: ["name"]})
    drop_declaration(next(item for item in declared if item.nodes_label == PEOPLE))
    write([(person, {("A",): (7,)}, [])])
    assert rows_of(place, f"MATCH (n:{PEOPLE}) RETURN n.name, n._coco, n.age") == [["A", "exported", 7]]
    assert rows_of(place, f"MATCH (a)-[r:{LIKES}]->(b) RETURN a.name, b.name") == [["A", "x"]]


def test_another_key_for_a_label_makes_its_relationships_anew(graph: Graph, place: Neo4jConnection) -> None:
    person, liked = people(graph), liking(graph, target=PEOPLE)
    Export.set_up_all([person, liked])
    write([(liked, {("A", "B"): ()}, [])])
    old = [person.state, liked.state]
    changed = people(graph, "Int64")
    numbers = Export(graph, likes(target=PEOPLE), [field("who", "Int64"), field("what", "Int64")], [])
    fresh = [changed, numbers]
    view = FlowView(
        "test",
        tuple(
            ExportView("", item.spec, tuple(item.key), tuple(item.values), IndexOptions([])) for item in fresh
        ),
    )
    for item in fresh:
        item.spec = Neo4jConnector.with_flow(item.spec, view)
    for item, before in zip(fresh, old, strict=True):
        answer = Neo4jConnector.check_state_compatibility(item.state, before)
        assert answer is TargetStateCompatibility.NOT_COMPATIBLE
    steps = [(key_of(item), before, None) for item, before in zip(fresh, old, strict=True)]
    Neo4jConnector.apply_setup_changes([*steps, *((key_of(item), None, item.state) for item in fresh)])
    write([(numbers, {(1, 2): ()}, [])])
    assert rows_of(place, f"MATCH (a)-[r:{LIKES}]->(b) RETURN a.name, b.name") == [[1, 2]]


def test_another_flow_s_relationships_keep_a_label_s_key(graph: Graph, place: Neo4jConnection) -> None:
    person = people(graph)
    Export.set_up_all([person], flow="one")
    Export.set_up_all([liking(graph, target=PEOPLE)], declared={PEOPLE: ["name"]}, flow="two")
    changed = people(graph, "Int64")
    Neo4jConnector.apply_setup_changes([(key_of(person), person.state, None)])
    with pytest.raises(TargetError, match=f"relationships {LIKES}"):
        Neo4jConnector.apply_setup_changes([(key_of(changed), None, changed.state)])
    assert PEOPLE in made(place)


def test_a_retyped_property_loses_its_values_and_the_others_keep_theirs(
    graph: Graph, place: Neo4jConnection
) -> None:
    person = Export(graph, PERSON, [field("name", "Str")], [field("age", "Int64"), field("town", "Str")])
    Export.set_up_all([person])
    write([(person, {("A",): (1, "x")}, [])])
    before = person.state
    person.values = [field("age", "Str"), field("town", "Str")]
    assert Neo4jConnector.describe_change(key_of(person), before, person.state) == [
        "remove property age (Int64) and add it as (Str)"
    ]
    Neo4jConnector.apply_setup_changes([(key_of(person), before, person.state)])
    write([(person, {("B",): ("old", "y")}, [])])
    assert rows_of(place, f"MATCH (n:{PEOPLE}) RETURN n.name, n.age, n.town ORDER BY n.name") == [
        ["A", None, "x"],
        ["B", "old", "y"],
    ]


def test_another_flow_s_labels_are_refused(graph: Graph, place: Neo4jConnection) -> None:
    Export.set_up_all([people(graph)], flow="one")
    person = people(graph)
    problem = Neo4jConnector.check_existing(key_of(person), person.state)
    assert problem is not None
    assert "flow 'one'" in problem


def test_nodes_of_the_user_survive_a_drop(graph: Graph, place: Neo4jConnection) -> None:
    rows_of(
        place,
        f"CREATE (a:{PEOPLE} {{name: 'mine', age: 3, note: 'x'}})-[:{LIKES} {{mine: true}}]->(:{PEOPLE} {{name: 'B'}})",
    )
    person, liked = people(graph), liking(graph, target=PEOPLE)
    Export.set_up_all([person, liked])
    write([(person, {("A",): (1,), ("mine",): (4,)}, []), (liked, {("mine", "C"): (), ("A", "B"): ()}, [])])
    query = f"MATCH (n:{PEOPLE}) RETURN n.name, n.age, n.note, n._coco ORDER BY n.name"
    assert rows_of(place, query) == [
        ["A", 1, None, "exported"],
        ["B", None, None, None],
        ["C", None, None, "referenced"],
        ["mine", 4, "x", "adopted"],
    ]
    drop(person)
    drop(liked)
    assert rows_of(place, query) == [["B", None, None, None], ["mine", None, "x", None]]
    assert rows_of(place, f"MATCH (a)-[r:{LIKES}]->(b) RETURN a.name, b.name, r.mine") == [
        ["mine", "B", True]
    ]
    assert made(place) == set()


def test_keys_are_unique_for_everyone(graph: Graph, place: Neo4jConnection) -> None:
    Export.set_up_all([people(graph)])
    rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}})")
    with pytest.raises(Exception, match=r"(?i)constraint|duplicate"):
        rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}})")


def test_a_label_with_equal_keys_is_not_taken(graph: Graph, place: Neo4jConnection) -> None:
    rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}}), (:{PEOPLE} {{name: 'A'}})")
    with pytest.raises(TargetError, match=r"(?i)constraint|duplicate"):
        Export.set_up_all([people(graph)])
    assert rows_of(place, "MATCH (n:CocoElements) RETURN n") == []


def test_a_lost_constraint_is_drift(graph: Graph, place: Neo4jConnection) -> None:
    person = people(graph)
    Export.set_up_all([person])
    for (name,) in rows_of(place, "SHOW CONSTRAINTS YIELD name, labelsOrTypes RETURN name"):
        rows_of(place, f"DROP CONSTRAINT {name} IF EXISTS")
    with pytest.raises(DriftError, match="no uniqueness constraint"), person.opened():
        pass


def test_a_declaration_without_relationships_makes_nothing_yet(graph: Graph, place: Neo4jConnection) -> None:
    person = people(graph)
    (topic,) = Export.set_up_all([person], declared={TOPIC: ["name"]})
    liked = liking(graph)
    Export.set_up_all([person, liked], declared={TOPIC: ["name"]})
    assert made(place) == {PEOPLE, TOPIC, LIKES}
    drop(liked)
    drop(person)
    drop_declaration(topic)
    assert made(place) == set()


def test_the_types_of_a_declared_key_may_come_from_another_flow(graph: Graph, place: Neo4jConnection) -> None:
    Export.set_up_all([people(graph)], declared={TOPIC: ["name"]}, flow="one")
    other = liking(graph, HATES)
    Export.set_up_all([other], declared={TOPIC: ["name"], PEOPLE: ["name"]}, flow="two")
    write([(other, {("A", "x"): ()}, [])])
    assert rows_of(place, f"MATCH (n:{TOPIC}) RETURN n.name") == [["x"]]
