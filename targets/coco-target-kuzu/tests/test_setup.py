"""Tables made, altered and dropped; labels that several flows share; databases that cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from kuzu_test_support import Export, Graph, engine, field, graph_at, rows_of, write

import coco
from coco.errors import ClientError, TargetError
from coco.index import IndexOptions
from coco.ops.targets import ExportView, FlowView, TargetStateCompatibility
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphKey
from coco_target_kuzu.connection import KuzuConnection, acquire, release
from coco_target_kuzu.spec import KuzuConnector, KuzuDeclaration, KuzuDeclarationConnector

PERSON = Nodes(label="Person")


def likes(rel_type: str = "LIKES", *, source: str = "Person", target: str = "Topic") -> Relationships:
    return Relationships(
        rel_type=rel_type,
        source=NodeFromFields(label=source, fields=[TargetFieldMapping("who", "name")]),
        target=NodeFromFields(label=target, fields=[TargetFieldMapping("what", "name")]),
    )


def liking(graph: Graph, rel_type: str = "LIKES", **ends: str) -> Export:
    return Export(graph, likes(rel_type, **ends), [field("who", "Str"), field("what", "Str")], [])


def people(graph: Graph, kind: str = "Str") -> Export:
    return Export(graph, PERSON, [field("name", kind)], [field("age", "Int64")])


def tables(graph: Graph) -> set[str]:
    return {row[0] for row in rows_of(graph, "CALL show_tables() RETURN name") or []} - {"CocoElements"}


def drop(export: Export) -> None:
    KuzuConnector.apply_setup_changes([(key_of(export), export.state, None)])


def key_of(export: Export) -> GraphKey:
    return KuzuConnector.get_persistent_key(export.spec, "")


def drop_declaration(spec: KuzuDeclaration) -> None:
    state = KuzuDeclarationConnector.get_setup_state(spec)
    KuzuDeclarationConnector.apply_setup_changes(
        [(KuzuDeclarationConnector.get_persistent_key(spec), state, None)]
    )


def test_nothing_is_left_whatever_is_dropped_first(graph: Graph) -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        person, liked = people(graph), liking(graph)
        (topic,) = Export.set_up_all([person, liked], declared={"Topic": ["name"]})
        assert tables(graph) == {"Person", "Topic", "LIKES"}
        write([(person, {("A",): (1,)}, []), (liked, {("A", "x"): (), ("B", "x"): ()}, [])])
        steps: list[Any] = [
            lambda p=person: drop(p),
            lambda r=liked: drop(r),
            lambda t=topic: drop_declaration(t),
        ]
        for at in order:
            steps[at]()
        assert tables(graph) == set(), order


def test_a_label_stays_while_another_flow_wants_it(graph: Graph) -> None:
    person, liked = people(graph), liking(graph)
    Export.set_up_all([person, liked], declared={"Topic": ["name"]}, flow="one")
    other = liking(graph, "HATES")
    declared = Export.set_up_all([other], declared={"Topic": ["name"], "Person": ["name"]}, flow="two")
    write(
        [
            (person, {("A",): (1,), ("B",): (2,)}, []),
            (liked, {("A", "x"): ()}, []),
            (other, {("B", "x"): ()}, []),
        ]
    )
    drop(liked)
    drop(person)
    assert tables(graph) == {"Person", "Topic", "HATES"}
    assert rows_of(graph, "MATCH (n:Person) RETURN n.name, n._coco, n.age") == [["B", "referenced", None]]
    drop(other)
    for item in declared:
        drop_declaration(item)
    assert tables(graph) == {"Topic"}  # flow one declares it still


def test_a_declared_label_may_be_exported_later(graph: Graph) -> None:
    liked = liking(graph)
    declared = Export.set_up_all([liked], declared={"Topic": ["name"], "Person": ["name"]})
    write([(liked, {("A", "x"): ()}, [])])
    person = people(graph)
    assert KuzuConnector.check_existing(key_of(person), person.state) is None
    Export.set_up_all([person, liked], declared={"Topic": ["name"]})
    drop_declaration(next(item for item in declared if item.nodes_label == "Person"))
    write([(person, {("A",): (7,)}, [])])
    assert rows_of(graph, "MATCH (n:Person) RETURN n.name, n._coco, n.age") == [["A", "exported", 7]]
    assert rows_of(graph, "MATCH (a)-[r:LIKES]->(b) RETURN a.name, b.name") == [["A", "x"]]


def test_another_key_for_a_label_makes_its_relationships_anew(graph: Graph) -> None:
    person, liked = people(graph), liking(graph, target="Person")
    Export.set_up_all([person, liked])
    write([(liked, {("A", "B"): ()}, [])])
    old = [person.state, liked.state]
    changed = people(graph, "Int64")
    numbers = Export(graph, likes(target="Person"), [field("who", "Int64"), field("what", "Int64")], [])
    fresh = [changed, numbers]
    view = FlowView(
        "test",
        tuple(
            ExportView("", item.spec, tuple(item.key), tuple(item.values), IndexOptions([])) for item in fresh
        ),
    )
    for item in fresh:
        item.spec = KuzuConnector.with_flow(item.spec, view)
    for item, before in zip(fresh, old, strict=True):
        answer = KuzuConnector.check_state_compatibility(item.state, before)
        assert answer is TargetStateCompatibility.NOT_COMPATIBLE
    steps = [(key_of(item), before, None) for item, before in zip(fresh, old, strict=True)]
    KuzuConnector.apply_setup_changes([*steps, *((key_of(item), None, item.state) for item in fresh)])
    write([(numbers, {(1, 2): ()}, [])])
    assert rows_of(graph, "MATCH (a)-[r:LIKES]->(b) RETURN a.name, b.name") == [[1, 2]]


def test_another_flow_s_relationships_keep_a_label_s_key(graph: Graph) -> None:
    person = people(graph)
    Export.set_up_all([person], flow="one")
    Export.set_up_all([liking(graph, target="Person")], declared={"Person": ["name"]}, flow="two")
    changed = people(graph, "Int64")
    KuzuConnector.apply_setup_changes([(key_of(person), person.state, None)])
    with pytest.raises(TargetError, match="relationships LIKES"):
        KuzuConnector.apply_setup_changes([(key_of(changed), None, changed.state)])
    assert "Person" in tables(graph)


def test_a_retyped_property_loses_its_values_and_the_others_keep_theirs(graph: Graph) -> None:
    person = Export(graph, PERSON, [field("name", "Str")], [field("age", "Int64"), field("town", "Str")])
    Export.set_up_all([person])
    write([(person, {("A",): (1, "x")}, [])])
    before = person.state
    person.values = [field("age", "Str"), field("town", "Str")]
    assert KuzuConnector.describe_change(key_of(person), before, person.state) == [
        "remove property age (Int64) and add it as (Str)"
    ]
    KuzuConnector.apply_setup_changes([(key_of(person), before, person.state)])
    write([(person, {("B",): ("old", "y")}, [])])
    assert rows_of(graph, "MATCH (n:Person) RETURN n.name, n.age, n.town ORDER BY n.name") == [
        ["A", None, "x"],
        ["B", "old", "y"],
    ]


def test_what_coco_did_not_make_is_refused(graph: Graph) -> None:
    Export.set_up_all([people(graph)], flow="one")
    rows_of(graph, "CREATE NODE TABLE Mine(id STRING, PRIMARY KEY(id))")
    mine = Export(graph, Nodes(label="Mine"), [field("id", "Str")], [])
    problem = KuzuConnector.check_existing(key_of(mine), mine.state)
    assert problem is not None
    assert "that coco did not make" in problem
    person = people(graph)
    problem = KuzuConnector.check_existing(key_of(person), person.state)
    assert problem is not None
    assert "flow 'one'" in problem


def test_nodes_of_the_user_survive_a_drop(graph: Graph) -> None:
    person = people(graph)
    Export.set_up_all([person])
    write([(person, {("A",): (1,)}, [])])
    rows_of(graph, "CREATE (:Person {name: 'mine', age: 3})")
    drop(person)
    assert rows_of(graph, "MATCH (n:Person) RETURN n.name, n.age") == [["mine", 3]]


def test_a_database_that_another_process_has_open(graph: Graph, tmp_path: Path) -> None:
    Export.set_up_all([people(graph)])
    script = (
        f"import importlib.util, sys, {engine()} as k; db = k.Database({str(tmp_path / 'graph')!r}); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(TargetError, match="open in another process"):
            acquire(graph, "test")
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    release(acquire(graph, "test"))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (KuzuConnection(), "must name a file"),
        (KuzuConnection(database_path=":memory:"), "must name a file"),
        (KuzuConnection(api_server_url="http://127.0.0.1:1"), "not supported"),
        (KuzuConnection(database_path="a", engine="other"), "ladybug or kuzu"),  # type: ignore[arg-type]
    ],
)
def test_connections_that_cannot_be(place: KuzuConnection, words: str) -> None:
    reference = coco.add_auth_entry("odd graph", place, replace=True)
    with pytest.raises(ClientError, match=words):
        acquire(reference, "test")


def test_two_engines_in_one_process_are_refused_before_they_crash(tmp_path: Path) -> None:
    release(acquire(graph_at(tmp_path / "graph"), "test"))
    other: Literal["kuzu", "ladybug"] = "ladybug" if engine() == "kuzu" else "kuzu"
    reference = coco.add_auth_entry(
        "other engine", KuzuConnection(str(tmp_path / "other"), engine=other), replace=True
    )
    with pytest.raises(TargetError, match="beside it would crash"):
        acquire(reference, "test")
