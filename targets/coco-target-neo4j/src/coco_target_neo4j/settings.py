"""The auth entry of a graph; by itself, so that defining a flow does not load the driver."""

from __future__ import annotations

from dataclasses import dataclass, field

from coco.kit.secrets import mask_url
from coco.typing import Secret


@dataclass(frozen=True)
class Neo4jConnection:
    """The address of a graph, and the user.

    uri: ``bolt://host:7687`` or ``neo4j://host:7687``, with ``+s`` for TLS. db: the database; None: the server's default.
    uri, user and password may be references, ``coco.secret("env:NEO4J_PASSWORD")``.
    """

    uri: Secret
    user: Secret
    password: Secret = field(repr=False)
    db: str | None = None

    def __repr__(self) -> str:
        return f"Neo4jConnection(uri={mask_url(self.uri)!r}, user={self.user!r}, db={self.db!r})"


Neo4jConnectionSpec = Neo4jConnection
"""An older name."""
