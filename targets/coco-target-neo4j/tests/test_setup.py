"""Constraints and the catalog made, altered and dropped; what users have in the graph."""

from __future__ import annotations

import pytest
from neo4j_test_support import PREFIX, rows_of

from coco.errors import DriftError, TargetError
from coco_kit_graph.testing.exports import GraphAccess, set_up_all, write
from coco_kit_graph.testing.setup_checks import (
    HATES,
    LIKES,
    PEOPLE,
    TOPIC,
    SetupChecks,
    drop,
    drop_declaration,
    liking,
    people,
)
from coco_target_neo4j.settings import Neo4jConnection


class TestSetup(SetupChecks):
    """On Neo4j."""


def made(place: Neo4jConnection) -> set[str]:
    """Labels and types of the catalog, which are those that have a constraint or an index."""
    indexed = {row[0] for row in rows_of(place, "SHOW INDEXES YIELD labelsOrTypes RETURN labelsOrTypes[0]")}
    listed = {row[0] for row in rows_of(place, "MATCH (n:CocoElements) RETURN n._coco_name")}
    assert {name for name in indexed if name and name.startswith(PREFIX)} == listed
    return listed


def test_nodes_of_the_user_survive_a_drop(access: GraphAccess, place: Neo4jConnection) -> None:
    rows_of(
        place,
        f"CREATE (a:{PEOPLE} {{name: 'mine', age: 3, note: 'x'}})-[:{LIKES} {{mine: true}}]->(:{PEOPLE} {{name: 'B'}})",
    )
    person, liked = people(access), liking(access, target=PEOPLE)
    set_up_all([person, liked])
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


def test_keys_are_unique_for_everyone(access: GraphAccess, place: Neo4jConnection) -> None:
    set_up_all([people(access)])
    rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}})")
    with pytest.raises(Exception, match=r"(?i)constraint|duplicate"):
        rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}})")


def test_a_label_with_equal_keys_is_not_taken(access: GraphAccess, place: Neo4jConnection) -> None:
    rows_of(place, f"CREATE (:{PEOPLE} {{name: 'A'}}), (:{PEOPLE} {{name: 'A'}})")
    with pytest.raises(TargetError, match=r"(?i)constraint|duplicate"):
        set_up_all([people(access)])
    assert rows_of(place, "MATCH (n:CocoElements) RETURN n") == []


def test_a_lost_constraint_is_drift(access: GraphAccess, place: Neo4jConnection) -> None:
    person = people(access)
    set_up_all([person])
    for (name,) in rows_of(place, "SHOW CONSTRAINTS YIELD name, labelsOrTypes RETURN name"):
        rows_of(place, f"DROP CONSTRAINT {name} IF EXISTS")
    with pytest.raises(DriftError, match="no uniqueness constraint"), person.opened():
        pass


def test_a_declaration_without_relationships_makes_nothing_yet(
    access: GraphAccess, place: Neo4jConnection
) -> None:
    person = people(access)
    (topic,) = set_up_all([person], declared={TOPIC: ["name"]})
    liked = liking(access)
    set_up_all([person, liked], declared={TOPIC: ["name"]})
    assert made(place) == {PEOPLE, TOPIC, LIKES}
    drop(liked)
    drop(person)
    drop_declaration(access, topic)
    assert made(place) == set()


def test_the_types_of_a_declared_key_may_come_from_another_flow(
    access: GraphAccess, place: Neo4jConnection
) -> None:
    set_up_all([people(access)], declared={TOPIC: ["name"]}, flow="one")
    other = liking(access, HATES)
    set_up_all([other], declared={TOPIC: ["name"], PEOPLE: ["name"]}, flow="two")
    write([(other, {("A", "x"): ()}, [])])
    assert rows_of(place, f"MATCH (n:{TOPIC}) RETURN n.name") == [["x"]]
