"""Graphs to work on, and a way to read them that is not the target's."""

from __future__ import annotations

from typing import Any

import neo4j

import coco
from coco.auth_registry import AuthEntryReference
from coco.typing import FieldSchema
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.testing import exports as testing
from coco_kit_graph.testing.exports import GraphAccess, Product, field, write
from coco_kit_graph.testing.flows import PREFIX
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4j, Neo4jConnector, Neo4jDeclaration, Neo4jDeclarationConnector

Graph = AuthEntryReference[Neo4jConnection]


def refer(place: Neo4jConnection) -> Graph:
    """An auth entry for the server."""
    return coco.add_auth_entry("test graph", place, replace=True)


def rows_of(place: Neo4jConnection, query: str, **parameters: Any) -> list[list[Any]]:
    """Answer to a driver of its own."""
    with (
        neo4j.GraphDatabase.driver(place.uri, auth=(place.user, place.password)) as driver,
        driver.session(database=place.db) as session,
        session.begin_transaction() as tx,
    ):
        found = [list(record.values()) for record in tx.run(query, parameters)]
        tx.commit()
        return found


def clean(place: Neo4jConnection) -> None:
    """Remove what tests made, and nothing else of a user's graph."""
    rows_of(
        place,
        f"MATCH (n) WHERE any(label IN labels(n) WHERE label STARTS WITH '{PREFIX}' OR label = 'CocoElements') "
        "DETACH DELETE n",
    )
    for name, labels in rows_of(
        place, "SHOW CONSTRAINTS YIELD name, labelsOrTypes RETURN name, labelsOrTypes"
    ):
        if any(label.startswith(PREFIX) for label in labels):
            rows_of(place, f"DROP CONSTRAINT `{name}` IF EXISTS")
    for name, labels in rows_of(place, "SHOW INDEXES YIELD name, labelsOrTypes RETURN name, labelsOrTypes"):
        if any(label.startswith(PREFIX) for label in labels or []):
            rows_of(place, f"DROP INDEX `{name}` IF EXISTS")


PRODUCT = Product(Neo4j, Neo4jConnector, Neo4jDeclaration, Neo4jDeclarationConnector)


class Export(testing.Export):
    """An export without a flow."""

    set_up_all = staticmethod(testing.set_up_all)

    def __init__(
        self, graph: Graph, mapping: Nodes | Relationships, key: list[FieldSchema], values: list[FieldSchema]
    ) -> None:
        super().__init__(PRODUCT, graph, mapping, key, values)


def access_to(place: Neo4jConnection) -> GraphAccess:
    """For the checks that all graph targets share."""

    def traces() -> list[str]:
        found = rows_of(place, "MATCH (n) UNWIND labels(n) AS label RETURN DISTINCT label")
        found += rows_of(place, "SHOW INDEXES YIELD labelsOrTypes RETURN labelsOrTypes[0]")
        found += rows_of(place, "MATCH (n:CocoElements) RETURN n._coco_name")
        return [name for (name,) in found if name and (name.startswith(PREFIX) or name == "CocoElements")]

    return GraphAccess(PRODUCT, refer(place), lambda query: rows_of(place, query), traces)


__all__ = ["PREFIX", "Export", "Graph", "access_to", "clean", "field", "refer", "rows_of", "write"]
