"""Flows from definition to graph, as with all graph targets, and what Kuzu refuses."""

from __future__ import annotations

import coco
from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flow_checks import FlowChecks, refused
from coco_kit_graph.testing.flows import vectors


class TestFlows(FlowChecks):
    """On Kuzu."""


def test_vector_indexes_are_refused(access: GraphAccess) -> None:
    index = coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.COSINE_SIMILARITY)
    with refused("Kuzu makes no vector indexes"):
        _ = vectors(access, index).graph
