"""Any sequence of writes leaves the graph that the rules of shared nodes say, whatever the order and the batches."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from kuzu_test_support import Export, Graph, access_to, field, graph_at, rows_of, write

from coco_kit_graph.mapping import NodeFromFields, Relationships, TargetFieldMapping
from coco_kit_graph.testing.laws import Actions, NodeChecks, World, batches, check_rules
from coco_target_kuzu.connection import acquire, release

places = itertools.count()


@contextlib.contextmanager
def world_in(graph: Graph) -> Iterator[World]:
    handle = acquire(graph, "test")  # stays open, for speed
    yield World(access_to(graph))
    release(handle)


@pytest.fixture
def world(graph: Graph) -> Iterator[World]:
    with world_in(graph) as made:
        yield made


@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(written=batches(), foreign=st.booleans())
def test_the_graph_follows_the_rules(tmp_path: Path, written: list[Actions], foreign: bool) -> None:
    with world_in(graph_at(tmp_path / f"graph{next(places)}")) as world:
        check_rules(world, written, foreign)


class TestSharedNodes(NodeChecks):
    """On Kuzu."""


def test_new_relationships_keep_no_node_of_another_label(graph: Graph) -> None:
    """Kuzu mixes up nodes of two labels that are stored at the same place, where a pattern names no table."""
    end = NodeFromFields(label="Entity", fields=[TargetFieldMapping("entity", "name")])
    page = NodeFromFields(label="Page", fields=[TargetFieldMapping("page", "name")])
    other = NodeFromFields(label="Entity", fields=[TargetFieldMapping("other", "name")])
    names = Export(
        graph, Relationships("NAMES", page, end), [field("page", "Str"), field("entity", "Str")], []
    )
    relates = Export(
        graph, Relationships("RELATES", end, other), [field("entity", "Str"), field("other", "Str")], []
    )
    Export.set_up_all([names, relates], declared={"Page": ["name"], "Entity": ["name"]})
    pages = [str(number) for number in range(20)]
    write([(names, {(item, f"of {item}"): () for item in pages}, [])])
    write([(names, {(item, "new"): () for item in pages}, [(item, f"of {item}") for item in pages])])
    assert rows_of(graph, "MATCH (n:Entity) RETURN n.name") == [["new"]]
