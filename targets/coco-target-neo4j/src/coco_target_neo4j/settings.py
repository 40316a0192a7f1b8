"""The auth entry of a graph; by itself, so that defining a flow does not load the driver."""

from __future__ import annotations

from dataclasses import dataclass, field

from coco.kit.secrets import mask_url
from coco.typing import Secret


@dataclass(frozen=True)
class Neo4jConnection:
    """The address of a graph, and the user.

    ``uri``, ``user`` and ``password`` may be references, ``coco.secret("env:NEO4J_PASSWORD")``.
    """

    uri: Secret
    """``bolt://host:7687`` or ``neo4j://host:7687``, with ``+s`` for TLS."""
    user: Secret
    """Name of the user."""
    password: Secret = field(repr=False)
    """coco never shows, logs or stores it."""
    db: str | None = None
    """The database. None: the server's default."""

    def __repr__(self) -> str:
        return f"Neo4jConnection(uri={mask_url(self.uri)!r}, user={self.user!r}, db={self.db!r})"


Neo4jConnectionSpec = Neo4jConnection
"""An older name."""
