"""Which vector indexes Neo4j has; by itself, so that defining a flow does not load the driver."""

from __future__ import annotations

from collections.abc import Sequence

from coco.errors import DefinitionError
from coco.index import VectorIndexDef, VectorSimilarityMetric

SIMILARITY = {
    VectorSimilarityMetric.COSINE_SIMILARITY.value: "cosine",
    VectorSimilarityMetric.L2_DISTANCE.value: "euclidean",
}


def check_vector_indexes(indexes: Sequence[VectorIndexDef]) -> None:
    """Raise ``DefinitionError`` for what Neo4j has no index for."""
    names = [index.field_name for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(
                f"vector indexes on {name!r}: Neo4j takes one for a property; drop all but one, or collect the vector "
                "under another name too"
            )
    for index in indexes:
        _check(index)


def _check(index: VectorIndexDef) -> None:
    if index.metric.value not in SIMILARITY:
        raise DefinitionError(
            f"vector index on {index.field_name!r}: Neo4j compares by cosine similarity or L2 distance, not by "
            f"{index.metric.name}"
        )
    if index.method is not None and index.method.kind != "Hnsw":
        raise DefinitionError(
            f"vector index on {index.field_name!r}: Neo4j has no {index.method.kind}; leave `method` out"
        )
