"""Index definitions that an export hands to its target."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = [
    "FtsIndexDef",
    "HnswVectorIndexMethod",
    "IndexOptions",
    "IvfFlatVectorIndexMethod",
    "VectorIndexDef",
    "VectorIndexMethod",
    "VectorSimilarityMetric",
]


class VectorSimilarityMetric(enum.Enum):
    """How two vectors are compared.

    ``COSINE_SIMILARITY`` and ``INNER_PRODUCT``: larger is closer; ``L2_DISTANCE``: smaller is closer.
    """

    COSINE_SIMILARITY = "CosineSimilarity"
    L2_DISTANCE = "L2Distance"
    INNER_PRODUCT = "InnerProduct"


@dataclass(frozen=True)
class HnswVectorIndexMethod:
    """Graph index. ``m`` and ``ef_construction``: ``None`` leaves the backend's default."""

    m: int | None = None
    ef_construction: int | None = None
    kind: Literal["Hnsw"] = "Hnsw"


@dataclass(frozen=True)
class IvfFlatVectorIndexMethod:
    """Inverted-file index. ``lists``: ``None`` leaves the backend's default."""

    lists: int | None = None
    kind: Literal["IvfFlat"] = "IvfFlat"


VectorIndexMethod: TypeAlias = HnswVectorIndexMethod | IvfFlatVectorIndexMethod


@dataclass(frozen=True)
class VectorIndexDef:
    """A vector index on one collected field. ``method=None`` takes the target's default."""

    field_name: str
    metric: VectorSimilarityMetric
    method: VectorIndexMethod | None = None


@dataclass(frozen=True)
class FtsIndexDef:
    """A full-text index on one collected text field; ``parameters`` are the target's own."""

    field_name: str
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True)
class IndexOptions:
    """What a target connector learns about keys and indexes."""

    primary_key_fields: Sequence[str]
    vector_indexes: Sequence[VectorIndexDef] = ()
    fts_indexes: Sequence[FtsIndexDef] = ()
