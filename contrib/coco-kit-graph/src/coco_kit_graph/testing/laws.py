"""People, towns and what joins them: any sequence of writes leaves the graph that the rules of shared nodes say."""

from __future__ import annotations

from typing import Any

from coco.errors import MutationError
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.reference import ReferenceGraph
from coco_kit_graph.testing.exports import Export, GraphAccess, field, set_up_all, write
from coco_kit_graph.testing.flows import PREFIX

P, T = f"{PREFIX}Person", f"{PREFIX}Town"
KNOWS_TYPE, LIVES_TYPE = f"{PREFIX}_KNOWS", f"{PREFIX} LIVES IN"
PERSON = Nodes(label=P)
KNOWS = Relationships(
    rel_type=KNOWS_TYPE,
    source=NodeFromFields(label=P, fields=[TargetFieldMapping("who", "name")]),
    target=NodeFromFields(label=P, fields=[TargetFieldMapping("whom", "name")]),
)
LIVES = Relationships(
    rel_type=LIVES_TYPE,
    source=NodeFromFields(label=P, fields=[TargetFieldMapping("who", "name")]),
    target=NodeFromFields(
        label=T,
        fields=[
            TargetFieldMapping("town", "name"),
            TargetFieldMapping("part"),
            TargetFieldMapping("size"),
        ],
    ),
)
Actions = list[tuple[Any, ...]]
Contents = tuple[dict[Any, Any], dict[Any, Any]]
"""Nodes and relationships by kind and key."""


def batches() -> Any:
    """A strategy of hypothesis: lists of lists of ``Actions``."""
    from hypothesis import strategies as st

    names, small = st.sampled_from("ABCD"), st.integers(0, 2)
    actions = st.one_of(
        st.tuples(st.just("person"), names, st.none() | small),
        st.tuples(st.just("no person"), names),
        st.tuples(st.just("knows"), small, names, names, small),
        st.tuples(st.just("no knows"), small),
        st.tuples(st.just("lives"), names, st.sampled_from("XY"), small, small),
        st.tuples(st.just("no lives"), names, st.sampled_from("XY")),
    )
    return st.lists(st.lists(actions, max_size=6), max_size=6)


class World:
    """People exported, towns declared, two kinds of relationships."""

    def __init__(self, access: GraphAccess) -> None:
        self.access = access

        def export(mapping: Nodes | Relationships, key: dict[str, str], values: dict[str, str]) -> Export:
            fields = ([field(*item) for item in part.items()] for part in (key, values))
            return Export(access.product, access.entry, mapping, *fields)

        self.people = export(PERSON, {"name": "Str"}, {"age": "Int64"})
        self.knows = export(KNOWS, {"id": "Int64"}, {"who": "Str", "whom": "Str", "since": "Int64"})
        self.lives = export(
            LIVES, {"who": "Str", "town": "Str"}, {"part": "Int64", "size": "Int64", "rent": "Float64"}
        )
        set_up_all([self.people, self.knows, self.lives], declared={T: ["name", "part"]})

    def state(self) -> Contents:
        """Nodes and relationships as another road than the target's shows them."""
        query = self.access.query
        people = query(f"MATCH (n:{P}) RETURN n.name, n._coco, n.age")
        towns = query(f"MATCH (n:{T}) RETURN n.name, n.part, n._coco, n.size")
        knows = query(
            f"MATCH (a)-[r:{KNOWS_TYPE}]->(b) WHERE r._coco = 'exported' RETURN r.id, a.name, b.name, r.since"
        )
        lives = query(
            f"MATCH (a)-[r:`{LIVES_TYPE}`]->(b) RETURN r.who, r.town, a.name, b.name, b.part, r.rent"
        )
        nodes = {("Person", name): (mark, age) for name, mark, age in people}
        nodes |= {("Town", (name, part)): (mark, size) for name, part, mark, size in towns}
        found: dict[Any, Any] = {
            ("KNOWS", id_): (("Person", a), ("Person", b), since) for id_, a, b, since in knows
        }
        found |= {
            ("LIVES IN", (who, town)): (("Person", a), ("Town", (b, part)), rent)
            for who, town, a, b, part, rent in lives
        }
        assert len(nodes) + len(found) == len(people) + len(towns) + len(knows) + len(lives)
        return nodes, found


def check_rules(world: World, batches: list[Actions], foreign: bool) -> None:
    """After each batch the graph is what the reference says. foreign: there are nodes of a user."""
    model = ReferenceGraph()
    if foreign:
        world.access.query(
            f"CREATE (:{P} {{name: 'A', age: 70}})-[:{KNOWS_TYPE} {{since: 1}}]->(:{P} {{name: 'E'}})"
        )
        model.upsert_node(("Person", "A"), {"age": 70})
        model.upsert_node(("Person", "E"), {})
        model.nodes[("Person", "A")].mark = model.nodes[("Person", "E")].mark = None
        model.foreign.append((("Person", "A"), ("Person", "E")))
    for batch in batches:
        _perform(world, model, batch)
        found = world.state()
        assert found == _one_of_equals(found, _expected(model))


def _perform(world: World, model: ReferenceGraph, batch: Actions) -> None:
    """One call; each key once in it, as the engine does."""
    upserts: dict[str, dict[Any, Any]] = {"person": {}, "knows": {}, "lives": {}}
    deletes: dict[str, list[Any]] = {"person": [], "knows": [], "lives": []}
    for action in batch:
        kind = action[0].removeprefix("no ")
        size = 2 if kind == "lives" else 1
        key = action[1 : 1 + size]
        if key in upserts[kind] or key in deletes[kind]:
            continue
        if action[0].startswith("no "):
            deletes[kind].append(key)
        else:
            upserts[kind][key] = action[1 + size :]
    lives = {key: (part, part_size, 0.5) for key, (part, part_size) in upserts["lives"].items()}
    write(
        [
            (world.lives, lives, deletes["lives"]),
            (world.knows, upserts["knows"], deletes["knows"]),
            (world.people, upserts["person"], deletes["person"]),
        ]
    )
    for (name,), (age,) in upserts["person"].items():
        model.upsert_node(("Person", name), {"age": age})
    for (who, town), (part, part_size, rent) in lives.items():
        there = ("Town", (town, part))
        model.upsert_relationship(
            ("LIVES IN", (who, town)),
            ("Person", who),
            there,
            {"rent": rent},
            [(there, {"size": part_size})],
        )
    for (id_,), (who, whom, since) in upserts["knows"].items():
        model.upsert_relationship(("KNOWS", id_), ("Person", who), ("Person", whom), {"since": since})
    for key in deletes["lives"]:
        model.delete_relationship(("LIVES IN", key))
    for (id_,) in deletes["knows"]:
        model.delete_relationship(("KNOWS", id_))
    for (name,) in deletes["person"]:
        model.delete_node(("Person", name))


def _expected(model: ReferenceGraph) -> Contents:
    value = {"Person": "age", "Town": "size"}
    nodes = {id_: (node.mark, node.values.get(value[id_[0]])) for id_, node in model.nodes.items()}
    found = {
        id_: (source, target, values.get("since", values.get("rent")))
        for id_, (source, target, values) in model.relationships.items()
    }
    return nodes, found


def _one_of_equals(found: Contents, wanted: Contents) -> Contents:
    """Where several rows of a call give a town its size, any of them may win."""
    nodes = {
        id_: (mark, found[0].get(id_, (None, None))[1] if id_[0] == "Town" else value)
        for id_, (mark, value) in wanted[0].items()
    }
    return nodes, wanted[1]


class NodeChecks:
    """Subclass it as ``TestSomething``. Needs the fixture ``world``: a ``World`` in an empty graph."""

    def test_values_of_ends_are_written_and_yield_to_an_export(self, world: World) -> None:
        write([(world.lives, {("A", "X"): (1, 7, 0.5)}, [])])
        nodes, _ = world.state()
        assert nodes == {("Person", "A"): ("referenced", None), ("Town", ("X", 1)): ("referenced", 7)}
        write([(world.people, {("A",): (40,)}, [])])
        write([(world.lives, {("A", "X"): (1, 8, 0.5)}, [])])
        nodes, _ = world.state()
        assert nodes == {("Person", "A"): ("exported", 40), ("Town", ("X", 1)): ("referenced", 8)}

    def test_a_row_without_an_end_is_refused_alone(self, world: World) -> None:
        failed: list[Any] = []
        try:
            write([(world.knows, {(1,): ("A", "B", 1), (2,): ("A", None, 1)}, [])])
        except MutationError as error:
            failed += error.failed_keys
        assert failed == [(2,)]
        assert list(world.state()[1]) == [("KNOWS", 1)]

    def test_a_moved_relationship_takes_its_lonely_end_along(self, world: World) -> None:
        write([(world.knows, {(1,): ("A", "B", 1)}, [])])
        write([(world.knows, {(1,): ("A", "C", 1)}, [])])
        nodes, found = world.state()
        assert set(nodes) == {("Person", "A"), ("Person", "C")}
        assert found == {("KNOWS", 1): (("Person", "A"), ("Person", "C"), 1)}

    def test_rows_read_back_as_far_as_they_are_there(self, world: World) -> None:
        write([(world.lives, {("A", "X"): (1, 7, 0.5)}, [])])
        with world.lives.opened() as place:
            assert place.count() == 1
            assert list(place.list_keys()) == [[("A", "X")]]
            assert place.read_rows([("A", "X"), ("B", "X")]) == {("A", "X"): (1, ..., 0.5)}
