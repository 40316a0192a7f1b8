"""Flows from definition to graph, as with all graph targets, and what Kuzu refuses."""

from __future__ import annotations

import coco
from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flow_checks import FlowChecks, mentions, refused, relations
from coco_kit_graph.testing.flows import ENTITY, MENTIONS, PAGE, RELATES, SHELF, knowledge, vectors


class TestFlows(FlowChecks):
    """On Kuzu."""


def test_tables_dropped_by_another_program_are_recreated(access: GraphAccess) -> None:
    """Those of relationships need those of nodes, the declared ones among them."""
    SHELF.update(one="cat eats fish")
    flow = knowledge(access)
    flow.setup()
    flow.update()
    before = relations(access), mentions(access)
    for table in (RELATES, MENTIONS, PAGE, ENTITY):
        access.query(f"DROP TABLE {table}")
    assert not flow.verify().ok
    flow.verify(repair=True)
    report = flow.verify()
    assert report.ok, report.render()
    assert (relations(access), mentions(access)) == before


def test_vector_indexes_are_refused(access: GraphAccess) -> None:
    index = coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.COSINE_SIMILARITY)
    with refused("Kuzu makes no vector indexes"):
        _ = vectors(access, index).graph
