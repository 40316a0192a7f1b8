"""Tables made, altered and dropped; what coco did not make; databases that cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from kuzu_test_support import Graph, engine, graph_at

import coco
from coco.errors import ClientError, DefinitionError, TargetError
from coco_kit_graph.mapping import Nodes
from coco_kit_graph.testing.exports import Export, GraphAccess, field, set_up_all, write
from coco_kit_graph.testing.setup_checks import PEOPLE, SetupChecks, drop, key_of, people
from coco_target_kuzu.connection import KuzuConnection, acquire, release
from coco_target_kuzu.spec import KuzuConnector


class TestSetup(SetupChecks):
    """On Kuzu."""


def test_what_coco_did_not_make_is_refused(access: GraphAccess) -> None:
    set_up_all([people(access)])
    access.query("CREATE NODE TABLE Mine(id STRING, PRIMARY KEY(id))")
    mine = Export(access.product, access.entry, Nodes(label="Mine"), [field("id", "Str")], [])
    problem = KuzuConnector.check_existing(key_of(mine), mine.state)
    assert problem is not None
    assert "that coco did not make" in problem


def test_nodes_of_the_user_survive_a_drop(access: GraphAccess) -> None:
    person = people(access)
    set_up_all([person])
    write([(person, {("A",): (1,)}, [])])
    access.query(f"CREATE (:{PEOPLE} {{name: 'mine', age: 3}})")
    drop(person)
    assert access.query(f"MATCH (n:{PEOPLE}) RETURN n.name, n.age") == [["mine", 3]]


def test_a_database_that_another_process_has_open(graph: Graph, access: GraphAccess, tmp_path: Path) -> None:
    set_up_all([people(access)])
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
        (KuzuConnection("http://127.0.0.1:1"), "API server is not supported"),
        (KuzuConnection(database_path="a", engine="other"), "ladybug or kuzu"),  # type: ignore[arg-type]
    ],
)
def test_connections_that_cannot_be(place: KuzuConnection, words: str) -> None:
    reference = coco.add_auth_entry("odd graph", place, replace=True)
    with pytest.raises(ClientError, match=words):
        acquire(reference, "test")
    with pytest.raises(DefinitionError, match=words):
        defined(reference)


def test_a_connection_may_be_registered_after_the_definition() -> None:
    defined(coco.ref_auth_entry("later"))


def defined(reference: coco.AuthEntryReference[KuzuConnection]) -> None:
    """A flow that exports into a graph and declares a label of it is defined; nothing else is done."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        rows = scope.add_collector()
        rows.collect(name="a")
        rows.export(
            "rows",
            coco.targets.Kuzu(connection=reference, mapping=coco.targets.Nodes(label="Page")),
            primary_key_fields=["name"],
        )

    def declare(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.add_declaration(
            coco.targets.KuzuDeclaration(
                connection=reference, nodes_label="Place", primary_key_fields=["name"]
            )
        )

    errors = []
    for function in (define, declare):
        flow = coco.open_flow("Odd", function)
        try:
            flow.internal_flow()
        except DefinitionError as error:
            errors.append(error)
        finally:
            flow.close()
    assert len(errors) != 1, "the export and the declaration are judged alike"
    if errors:
        raise errors[0]


def test_two_engines_in_one_process_are_refused_before_they_crash(tmp_path: Path) -> None:
    release(acquire(graph_at(tmp_path / "graph"), "test"))
    other: Literal["kuzu", "ladybug"] = "ladybug" if engine() == "kuzu" else "kuzu"
    reference = coco.add_auth_entry(
        "other engine", KuzuConnection(str(tmp_path / "other"), engine=other), replace=True
    )
    with pytest.raises(TargetError, match="beside it would crash"):
        acquire(reference, "test")
