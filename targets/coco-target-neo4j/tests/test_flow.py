"""Flows from definition to graph, as with all graph targets, and what is special to a server."""

from __future__ import annotations

from typing import Any

import pytest
from neo4j_test_support import clean

import coco
from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flow_checks import FlowChecks, mentions, refused, relations
from coco_kit_graph.testing.flows import SHELF, knowledge, vectors
from coco_target_neo4j.settings import Neo4jConnection


class TestFlows(FlowChecks):
    """On Neo4j."""


def test_nodes_deleted_by_another_program_are_recreated(access: GraphAccess, place: Neo4jConnection) -> None:
    SHELF.update(one="cat eats fish")
    flow = knowledge(access)
    flow.setup()
    flow.update()
    before = relations(access), mentions(access)
    clean(place)
    assert not flow.verify().ok
    flow.verify(repair=True)
    assert flow.verify().ok
    assert (relations(access), mentions(access)) == before
    flow.drop()
    assert access.traces() == []


@pytest.mark.parametrize(
    ("metric", "method", "words"),
    [
        (coco.VectorSimilarityMetric.INNER_PRODUCT, None, "not by INNER_PRODUCT"),
        (coco.VectorSimilarityMetric.L2_DISTANCE, coco.IvfFlatVectorIndexMethod(lists=4), "no IvfFlat"),
    ],
)
def test_vector_indexes_that_neo4j_lacks_are_refused(
    access: GraphAccess, metric: coco.VectorSimilarityMetric, method: Any, words: str
) -> None:
    with refused(words):
        _ = vectors(access, coco.VectorIndexDef("vector", metric, method)).graph
