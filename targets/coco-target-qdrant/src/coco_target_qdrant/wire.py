"""What a connection to Qdrant can do, whichever way it speaks: gRPC, REST, or the client's local mode.

Points, payloads and vectors pass as plain data: JSON, and packed 32-bit floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from coco.errors import ClientError, DriftError, TargetError
from coco_target_qdrant.ids import PointId
from coco_target_qdrant.state import VectorState

VectorData: TypeAlias = bytes | list[bytes]
"""Packed 32-bit floats, little-endian; a list of them for a multi-vector."""

SCROLL_POINTS = 1_000


def path_of(name: str) -> str | None:
    """A payload field as a path of Qdrant's, in which dots and brackets mean something; None if it has none."""
    plain = name.replace("_", "a").replace("-", "a")
    if plain.isascii() and plain.isalnum():
        return name
    return None if '"' in name else f'"{name}"'


@dataclass(slots=True)
class Point:
    """A point. ``vectors``: those it has, by name."""

    id: PointId
    payload: dict[str, Any]
    vectors: Mapping[str, VectorData] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectionFacts:
    """A collection as it is. ``vectors``: named ones. ``indexes``: payload field -> kind."""

    vectors: dict[str, VectorState]
    indexes: dict[str, str]


class TransientError(TargetError):
    """A fault that passes. ``retry_after``: seconds that the server asks for."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MissingError(DriftError):
    """No such collection, or no such point: setup had made it."""


class RefusedRequestError(ClientError):
    """The server does not take what it was given; other rows may be fine."""


class Wire(Protocol):
    """A connection. Raises only the errors above, ``TargetError``, and ``ApiError`` where access is denied.

    keeps_units: a vector of unit length comes back bit for bit where it is compared by cosine.
    """

    keeps_units: bool

    def facts(self, collection: str) -> CollectionFacts | None: ...

    def create(self, collection: str, vectors: Mapping[str, VectorState]) -> None: ...

    def tune(self, collection: str, vectors: Mapping[str, VectorState]) -> None:
        """Change HNSW parameters."""

    def drop(self, collection: str) -> None: ...

    def aliases(self, collection: str) -> list[str]:
        """Other names of a collection."""

    def exchange_aliases(self, collection: str, old: Sequence[str], new: str) -> None:
        """Give a collection another name in place of some that it has; all at once."""

    def create_index(self, collection: str, name: str, kind: str) -> None: ...

    def drop_index(self, collection: str, name: str) -> None: ...

    def upsert(self, collection: str, batches: Iterable[Sequence[Point]]) -> None:
        """Write points whole. When it returns, they are there."""

    def set_payloads(self, collection: str, points: Sequence[Point]) -> None:
        """Replace payloads. Raises ``MissingError`` if a point is not there."""

    def set_vectors(self, collection: str, points: Sequence[Point]) -> None:
        """Replace the vectors given. Raises ``MissingError`` if a point is not there."""

    def delete(self, collection: str, ids: Sequence[PointId]) -> None: ...

    def count(self, collection: str) -> int: ...

    def first(self, collection: str, limit: int) -> list[Point]:
        """Some points, without their vectors."""

    def payloads(self, collection: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Some fields of all points, in bounded lists."""

    def read(self, collection: str, ids: Sequence[PointId]) -> list[Point]:
        """The points that are there."""

    def close(self) -> None: ...
