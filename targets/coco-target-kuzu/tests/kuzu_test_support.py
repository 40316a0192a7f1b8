"""Graphs to work on, and a way to read them that is not the target's."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any, Literal, cast

import coco
from coco.auth_registry import AuthEntryReference
from coco.typing import FieldSchema
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.testing import exports as testing
from coco_kit_graph.testing.exports import GraphAccess, Product, field, write
from coco_target_kuzu.connection import KuzuConnection, exists, open_database
from coco_target_kuzu.spec import Kuzu, KuzuConnector, KuzuDeclaration, KuzuDeclarationConnector

_numbers = itertools.count()
Graph = AuthEntryReference[KuzuConnection]


def engine() -> Literal["kuzu", "ladybug"]:
    return cast(Literal["kuzu", "ladybug"], os.environ.get("COCO_TEST_KUZU_ENGINE", "ladybug"))


def graph_at(path: Path) -> Graph:
    """An auth entry for a graph of its own."""
    return coco.add_auth_entry(
        f"graph-{next(_numbers)}", KuzuConnection(database_path=str(path), engine=engine())
    )


def rows_of(graph: Graph, query: str, missing: str | None = None) -> list[list[Any]] | None:
    """Answer of the engine's own client. missing: None is given if there is no such table."""
    if not exists(graph):
        return None
    with open_database(graph) as connection:
        if missing is not None:
            tables = connection.execute("CALL show_tables() RETURN name").get_all()
            if [missing] not in tables:
                return None
        return cast("list[list[Any]]", connection.execute(query).get_all())


PRODUCT = Product(Kuzu, KuzuConnector, KuzuDeclaration, KuzuDeclarationConnector)


class Export(testing.Export):
    """An export without a flow."""

    set_up_all = staticmethod(testing.set_up_all)

    def __init__(
        self, graph: Graph, mapping: Nodes | Relationships, key: list[FieldSchema], values: list[FieldSchema]
    ) -> None:
        super().__init__(PRODUCT, graph, mapping, key, values)


def access_to(graph: Graph) -> GraphAccess:
    """For the checks that all graph targets share."""

    def traces() -> list[str]:
        found = rows_of(graph, "CALL show_tables() RETURN name") or []
        return [table for (table,) in found if table != "CocoElements"]

    return GraphAccess(PRODUCT, graph, lambda query: rows_of(graph, query) or [], traces)


__all__ = ["Export", "Graph", "access_to", "engine", "field", "graph_at", "rows_of", "write"]
