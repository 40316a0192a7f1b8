"""Which graph: an embedded one in a file, or a Neo4j server. All else in this example is the same for both."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import coco


@dataclass(frozen=True)
class Graph:
    """A graph to write to. connection: an auth entry, whose content is never stored."""

    connection: Any
    neo4j: bool = False

    def target(self, mapping: Any) -> Any:
        """The spec of an export."""
        spec = coco.targets.Neo4j if self.neo4j else coco.targets.Kuzu
        return spec(connection=self.connection, mapping=mapping)

    def declaration(self, label: str, key: Sequence[str]) -> Any:
        """The declaration of a label that only relationships lead to."""
        spec = coco.targets.Neo4jDeclaration if self.neo4j else coco.targets.KuzuDeclaration
        return spec(connection=self.connection, nodes_label=label, primary_key_fields=key)

    def query(self, text: str, **parameters: Any) -> list[list[Any]]:
        """Rows of a Cypher query."""
        if self.neo4j:
            return _query_neo4j(text, parameters)
        from coco_target_kuzu.connection import open_database

        with open_database(self.connection) as connection:
            return [list(row) for row in connection.execute(text, parameters).get_all()]


def embedded(path: str, engine: str = "ladybug", name: str = "docs graph") -> Graph:
    """A graph in a file. engine: ``ladybug`` or ``kuzu``."""
    place = coco.targets.KuzuConnection(database_path=path, engine=engine)
    return Graph(coco.add_auth_entry(name, place, replace=True))


def chosen() -> Graph:
    """By the environment: a server if there is ``NEO4J_URI``, else the file ``COCO_EXAMPLE_GRAPH``."""
    if uri := os.environ.get("NEO4J_URI"):
        user, password = os.environ.get("NEO4J_USER", "neo4j"), os.environ["NEO4J_PASSWORD"]
        place = coco.targets.Neo4jConnection(
            uri=uri, user=user, password=password, db=os.environ.get("NEO4J_DATABASE")
        )
        return Graph(coco.add_auth_entry("docs graph server", place, replace=True), neo4j=True)
    return embedded(
        os.environ.get("COCO_EXAMPLE_GRAPH", "docs-graph.kuzu"),
        os.environ.get("COCO_EXAMPLE_ENGINE", "ladybug"),
    )


def _query_neo4j(text: str, parameters: dict[str, Any]) -> list[list[Any]]:
    import neo4j

    auth = (os.environ.get("NEO4J_USER", "neo4j"), os.environ["NEO4J_PASSWORD"])
    with neo4j.GraphDatabase.driver(os.environ["NEO4J_URI"], auth=auth) as driver:
        answer = driver.execute_query(text, parameters, database_=os.environ.get("NEO4J_DATABASE"))
        return [list(record.values()) for record in answer.records]
