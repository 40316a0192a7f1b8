"""What every graph target does with flows, from definition to drop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from coco.errors import DefinitionError
from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flows import (
    ENTITY,
    MENTIONS,
    PAGE,
    RELATES,
    SHELF,
    knowledge,
    prices,
    without_keys,
)


def entities(access: GraphAccess) -> set[str]:
    """Names of the entities in the graph."""
    return {row[0] for row in access.query(f"MATCH (n:{ENTITY}) RETURN n.name")}


def relations(access: GraphAccess) -> set[tuple[str, ...]]:
    """Subject, verb and object."""
    found = access.query(f"MATCH (a:{ENTITY})-[r:{RELATES}]->(b:{ENTITY}) RETURN a.name, r.verb, b.name")
    return set(map(tuple, found))


def mentions(access: GraphAccess) -> set[tuple[str, ...]]:
    """Title of the page, name of the entity."""
    return set(
        map(tuple, access.query(f"MATCH (a:{PAGE})-[:{MENTIONS}]->(b:{ENTITY}) RETURN a.title, b.name"))
    )


@contextlib.contextmanager
def refused(words: str) -> Iterator[None]:
    """The definition of the block's flow is refused in these words."""
    try:
        yield
    except DefinitionError as error:
        told = str(error)
    else:
        raise AssertionError(f"nothing was refused; expected: {words}")
    assert words in told, f"{words!r} is not in: {told}"


class FlowChecks:
    """Subclass it as ``TestSomething``. Needs the fixture ``access``: a ``GraphAccess``; ``SHELF`` is empty."""

    def test_shared_nodes_follow_the_pages(self, access: GraphAccess) -> None:
        SHELF.update(one="cat eats mouse\ndog chases cat", two="cat drinks milk")
        flow = knowledge(access)
        flow.setup()
        flow.update()
        assert entities(access) == {"cat", "mouse", "dog", "milk"}
        assert relations(access) == {
            ("cat", "eats", "mouse"),
            ("dog", "chases", "cat"),
            ("cat", "drinks", "milk"),
        }
        SHELF["one"] = "cat eats fish"
        flow.update()
        assert entities(access) == {"cat", "fish", "milk"}
        assert mentions(access) == {("one", "cat"), ("one", "fish"), ("two", "cat"), ("two", "milk")}
        del SHELF["two"]
        flow.update()
        assert entities(access) == {"cat", "fish"}
        assert access.query(f"MATCH (n:{PAGE}) RETURN n.title, n.text") == [["one", "cat eats fish"]]
        assert not flow.update().total.has_any_change
        flow.drop()
        assert access.traces() == []

    def test_edits_by_hand_are_found_and_undone(self, access: GraphAccess) -> None:
        SHELF.update(one="cat eats fish", two="cat drinks milk")
        flow = knowledge(access)
        flow.setup()
        flow.update()
        report = flow.verify()
        assert report.ok, report.render()
        access.query(f"MATCH (:{PAGE})-[r:{MENTIONS}]->(:{ENTITY} {{name: 'cat'}}) DELETE r")
        access.query(f"MATCH (n:{PAGE}) SET n.text = 'by hand'")
        assert not flow.verify().ok
        flow.verify(repair=True)
        report = flow.verify()
        assert report.ok, report.render()
        assert mentions(access) == {("one", "cat"), ("one", "fish"), ("two", "cat"), ("two", "milk")}
        assert dict(map(tuple, access.query(f"MATCH (n:{PAGE}) RETURN n.title, n.text"))) == SHELF

    def test_two_flows_share_entities(self, access: GraphAccess) -> None:
        SHELF["one"] = "cat eats mouse"
        first, second = knowledge(access), prices(access)
        for flow in (first, second):
            flow.setup()
            flow.update()
        assert entities(access) == {"cat", "mouse", "eats"}
        first.drop()
        assert entities(access) == {"mouse", "eats"}
        second.drop()
        assert access.traces() == []

    def test_two_exports_of_one_label_are_refused(self, access: GraphAccess) -> None:
        with refused("exported as 'pages' and declared too"):
            _ = knowledge(access, label=PAGE).graph

    def test_a_flow_that_maps_no_key_is_refused(self, access: GraphAccess) -> None:
        with refused("nothing says what the key of nodes 'Nobody' is"):
            _ = without_keys(access).graph
