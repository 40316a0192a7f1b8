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
    """How two vectors are compared."""

    COSINE_SIMILARITY = "CosineSimilarity"
    """Larger is closer."""
    L2_DISTANCE = "L2Distance"
    """Smaller is closer."""
    INNER_PRODUCT = "InnerProduct"
    """Larger is closer."""


@dataclass(frozen=True)
class HnswVectorIndexMethod:
    """A graph index (HNSW)."""

    m: int | None = None
    """Neighbours of each node. None: the default of the target."""
    ef_construction: int | None = None
    """Candidates that are compared while the index is built. None: the default of the target."""
    kind: Literal["Hnsw"] = "Hnsw"
    """The name in stored setup states."""


@dataclass(frozen=True)
class IvfFlatVectorIndexMethod:
    """An inverted-file index (IVFFlat)."""

    lists: int | None = None
    """Lists that the vectors are divided into. None: the default of the target."""
    kind: Literal["IvfFlat"] = "IvfFlat"
    """The name in stored setup states."""


VectorIndexMethod: TypeAlias = HnswVectorIndexMethod | IvfFlatVectorIndexMethod


@dataclass(frozen=True)
class VectorIndexDef:
    """A vector index on one collected field."""

    field_name: str
    """The collected field. Its type must be a vector of numbers with a fixed dimension."""
    metric: VectorSimilarityMetric
    """How the index compares vectors."""
    method: VectorIndexMethod | None = None
    """The kind of index. None: the default of the target."""


@dataclass(frozen=True)
class FtsIndexDef:
    """A full-text index on one collected field."""

    field_name: str
    """The collected field. Its type must be text."""
    parameters: dict[str, Any] | None = None
    """Parameters that the target defines, by name. None: its defaults."""


@dataclass(frozen=True)
class IndexOptions:
    """The key and the indexes of an export, for its target connector."""

    primary_key_fields: Sequence[str]
    """The collected fields that identify a row, in the order of the key."""
    vector_indexes: Sequence[VectorIndexDef] = ()
    """The vector indexes that the export asks for."""
    fts_indexes: Sequence[FtsIndexDef] = ()
    """The full-text indexes that the export asks for."""
