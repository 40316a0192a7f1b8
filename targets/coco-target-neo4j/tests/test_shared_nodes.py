"""Any sequence of writes leaves the graph that the rules of shared nodes say, whatever the order and the batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from neo4j_test_support import access_to, clean

from coco_kit_graph.testing.laws import Actions, NodeChecks, World, batches, check_rules
from coco_target_neo4j.connection import acquire, release
from coco_target_neo4j.settings import Neo4jConnection


@contextlib.contextmanager
def world_in(place: Neo4jConnection) -> Iterator[World]:
    clean(place)
    access = access_to(place)
    handle = acquire(access.entry)  # stays open, for speed
    yield World(access)
    release(handle)
    clean(place)


@pytest.fixture
def world(place: Neo4jConnection) -> Iterator[World]:
    with world_in(place) as made:
        yield made


@settings(
    max_examples=examples(20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(written=batches(), foreign=st.booleans())
def test_the_graph_follows_the_rules(place: Neo4jConnection, written: list[Actions], foreign: bool) -> None:
    with world_in(place) as world:
        check_rules(world, written, foreign)


class TestSharedNodes(NodeChecks):
    """On Neo4j."""
