"""What every graph target does at setup: labels that several flows share, keys that change, what goes when."""

from __future__ import annotations

from functools import partial
from typing import Any

from coco.errors import TargetError
from coco.index import IndexOptions
from coco.op import ExportView, FlowView, TargetStateCompatibility
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphKey
from coco_kit_graph.testing.exports import Export, GraphAccess, field, set_up_all, write
from coco_kit_graph.testing.flows import PREFIX

PEOPLE, TOPIC = f"{PREFIX}Person", f"{PREFIX}Topic"
LIKES, HATES = f"{PREFIX}_LIKES", f"{PREFIX}_HATES"


def likes(rel_type: str = LIKES, *, source: str = PEOPLE, target: str = TOPIC) -> Relationships:
    """Relationships from people to topics that they like."""
    return Relationships(
        rel_type=rel_type,
        source=NodeFromFields(label=source, fields=[TargetFieldMapping("who", "name")]),
        target=NodeFromFields(label=target, fields=[TargetFieldMapping("what", "name")]),
    )


def liking(access: GraphAccess, rel_type: str = LIKES, *, kind: str = "Str", **ends: str) -> Export:
    """An export of ``likes``; kind: of the keys."""
    fields = [field("who", kind), field("what", kind)]
    return Export(access.product, access.entry, likes(rel_type, **ends), fields, [])


def people(access: GraphAccess, kind: str = "Str") -> Export:
    """An export of people; kind: of their names."""
    return Export(
        access.product, access.entry, Nodes(label=PEOPLE), [field("name", kind)], [field("age", "Int64")]
    )


def key_of(export: Export) -> GraphKey:
    """The persistent key."""
    found: GraphKey = export.product.connector.get_persistent_key(export.spec, "")
    return found


def drop(export: Export) -> None:
    """As a flow without the export does."""
    export.product.connector.apply_setup_changes([(key_of(export), export.state, None)])


def drop_declaration(access: GraphAccess, spec: Any) -> None:
    """As a flow without the declaration does."""
    connector = access.product.declaration_connector
    connector.apply_setup_changes(
        [(connector.get_persistent_key(spec), connector.get_setup_state(spec), None)]
    )


def made(access: GraphAccess) -> set[str]:
    """Labels and types that the graph has, apart from the catalog's own."""
    return set(access.traces()) - {"CocoElements"}


class SetupChecks:
    """Subclass it as ``TestSomething``. Needs the fixture ``access``: a ``GraphAccess``."""

    def test_nothing_is_left_whatever_is_dropped_first(self, access: GraphAccess) -> None:
        for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
            person, liked = people(access), liking(access)
            (topic,) = set_up_all([person, liked], declared={TOPIC: ["name"]})
            assert made(access) == {PEOPLE, TOPIC, LIKES}
            write([(person, {("A",): (1,)}, []), (liked, {("A", "x"): (), ("B", "x"): ()}, [])])
            steps = [partial(drop, person), partial(drop, liked), partial(drop_declaration, access, topic)]
            for at in order:
                steps[at]()
            assert made(access) == set(), order

    def test_a_label_stays_while_another_flow_wants_it(self, access: GraphAccess) -> None:
        person, liked = people(access), liking(access)
        set_up_all([person, liked], declared={TOPIC: ["name"]}, flow="one")
        other = liking(access, HATES)
        declared = set_up_all([other], declared={TOPIC: ["name"], PEOPLE: ["name"]}, flow="two")
        write(
            [
                (person, {("A",): (1,), ("B",): (2,)}, []),
                (liked, {("A", "x"): ()}, []),
                (other, {("B", "x"): ()}, []),
            ]
        )
        drop(liked)
        drop(person)
        assert made(access) == {PEOPLE, TOPIC, HATES}
        found = access.query(f"MATCH (n:{PEOPLE}) RETURN n.name, n._coco, n.age")
        assert found == [["B", "referenced", None]]
        drop(other)
        for item in declared:
            drop_declaration(access, item)
        assert made(access) == {TOPIC}  # flow one declares it still

    def test_a_declared_label_may_be_exported_later(self, access: GraphAccess) -> None:
        liked = liking(access)
        declared = set_up_all([liked], declared={TOPIC: ["name"], PEOPLE: ["name"]})
        write([(liked, {("A", "x"): ()}, [])])
        person = people(access)
        assert access.product.connector.check_existing(key_of(person), person.state) is None
        set_up_all([person, liked], declared={TOPIC: ["name"]})
        drop_declaration(access, next(item for item in declared if item.nodes_label == PEOPLE))
        write([(person, {("A",): (7,)}, [])])
        found = access.query(f"MATCH (n:{PEOPLE}) RETURN n.name, n._coco, n.age")
        assert found == [["A", "exported", 7]]
        assert access.query(f"MATCH (a)-[r:{LIKES}]->(b) RETURN a.name, b.name") == [["A", "x"]]

    def test_another_key_for_a_label_makes_its_relationships_anew(self, access: GraphAccess) -> None:
        connector = access.product.connector
        person, liked = people(access), liking(access, target=PEOPLE)
        set_up_all([person, liked])
        write([(liked, {("A", "B"): ()}, [])])
        old = [person.state, liked.state]
        fresh = [people(access, "Int64"), liking(access, kind="Int64", target=PEOPLE)]
        options = IndexOptions([])
        views = [ExportView("", item.spec, tuple(item.key), tuple(item.values), options) for item in fresh]
        for item in fresh:
            item.spec = connector.with_flow(item.spec, FlowView("test", tuple(views)))
        for item, before in zip(fresh, old, strict=True):
            answer = connector.check_state_compatibility(item.state, before)
            assert answer is TargetStateCompatibility.NOT_COMPATIBLE
        steps = [(key_of(item), before, None) for item, before in zip(fresh, old, strict=True)]
        connector.apply_setup_changes([*steps, *((key_of(item), None, item.state) for item in fresh)])
        write([(fresh[1], {(1, 2): ()}, [])])
        assert access.query(f"MATCH (a)-[r:{LIKES}]->(b) RETURN a.name, b.name") == [[1, 2]]

    def test_another_flow_s_relationships_keep_a_label_s_key(self, access: GraphAccess) -> None:
        connector = access.product.connector
        person = people(access)
        set_up_all([person], flow="one")
        set_up_all([liking(access, target=PEOPLE)], declared={PEOPLE: ["name"]}, flow="two")
        changed = people(access, "Int64")
        connector.apply_setup_changes([(key_of(person), person.state, None)])
        try:
            connector.apply_setup_changes([(key_of(changed), None, changed.state)])
        except TargetError as error:
            told = str(error)
        else:
            raise AssertionError("the label's key changed under the other flow's relationships")
        assert f"relationships {LIKES}" in told
        assert PEOPLE in made(access)

    def test_a_retyped_property_loses_its_values_and_the_others_keep_theirs(
        self, access: GraphAccess
    ) -> None:
        connector = access.product.connector
        person = people(access)
        person.values = [field("age", "Int64"), field("town", "Str")]
        set_up_all([person])
        write([(person, {("A",): (1, "x")}, [])])
        before = person.state
        person.values = [field("age", "Str"), field("town", "Str")]
        assert connector.describe_change(key_of(person), before, person.state) == [
            "remove property age (Int64) and add it as (Str)"
        ]
        connector.apply_setup_changes([(key_of(person), before, person.state)])
        write([(person, {("B",): ("old", "y")}, [])])
        found = access.query(f"MATCH (n:{PEOPLE}) RETURN n.name, n.age, n.town ORDER BY n.name")
        assert found == [["A", None, "x"], ["B", "old", "y"]]

    def test_another_flow_s_labels_are_refused(self, access: GraphAccess) -> None:
        set_up_all([people(access)], flow="one")
        person = people(access)
        problem = access.product.connector.check_existing(key_of(person), person.state)
        assert problem is not None
        assert "flow 'one'" in problem
