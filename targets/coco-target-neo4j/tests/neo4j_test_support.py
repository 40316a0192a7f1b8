"""Graphs to work on, and a way to read them that is not the target's."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import neo4j

import coco
from coco.auth_registry import AuthEntryReference
from coco.index import IndexOptions
from coco.ops.targets import ExportView, FlowView, MutationColumns
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.schema import GraphState
from coco_target_neo4j.mutate import Place
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4j, Neo4jConnector, Neo4jDeclaration, Neo4jDeclarationConnector

Graph = AuthEntryReference[Neo4jConnection]
Row = tuple[Any, ...]
PREFIX = "CocoTest"
"""Labels and types of tests start with this."""


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


def field(name: str, kind: str, *, nullable: bool = True) -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(BasicValueType(kind), nullable))


@dataclasses.dataclass
class Export:
    """An export without a flow."""

    graph: Graph
    mapping: Nodes | Relationships
    key: list[FieldSchema]
    values: list[FieldSchema]
    spec: Neo4j = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.spec = Neo4j(connection=self.graph, mapping=self.mapping)

    @staticmethod
    def set_up_all(
        exports: Sequence[Export], declared: Mapping[str, list[str]] | None = None, flow: str = "test"
    ) -> list[Neo4jDeclaration]:
        """As a flow that has these exports and declarations does; completes their specs."""
        graph = exports[0].graph
        declarations = [
            Neo4jDeclaration(connection=graph, nodes_label=label, primary_key_fields=keys)
            for label, keys in (declared or {}).items()
        ]
        views = [
            ExportView(str(at), item.spec, tuple(item.key), tuple(item.values), IndexOptions([]))
            for at, item in enumerate(exports)
        ]
        view = FlowView(flow, tuple(views), tuple(declarations))
        for item in exports:
            item.spec = Neo4jConnector.with_flow(item.spec, view)
        completed = [Neo4jDeclarationConnector.with_flow(item, view) for item in declarations]
        changes: list[Any] = [
            (Neo4jConnector.get_persistent_key(item.spec, ""), None, item.state) for item in exports
        ]
        Neo4jConnector.apply_setup_changes(changes)
        Neo4jDeclarationConnector.apply_setup_changes(
            [
                (
                    Neo4jDeclarationConnector.get_persistent_key(item),
                    None,
                    Neo4jDeclarationConnector.get_setup_state(item),
                )
                for item in completed
            ]
        )
        return completed

    @property
    def state(self) -> GraphState:
        return Neo4jConnector.get_setup_state(self.spec, self.key, self.values, IndexOptions([]))

    @contextlib.contextmanager
    def opened(self) -> Iterator[Place]:
        place = Neo4jConnector.prepare(self.spec, self.key, self.values)
        try:
            yield place
        finally:
            place.close()


def write(batches: Sequence[tuple[Export, Mapping[Row, Row], Sequence[Row]]]) -> None:
    """One call with a batch for each export."""
    with contextlib.ExitStack() as stack:
        Neo4jConnector.mutate_columns(
            *(
                (
                    stack.enter_context(export.opened()),
                    MutationColumns(
                        export.key,
                        export.values,
                        list(upserts),
                        [tuple(row) for row in upserts.values()],
                        list(deletes),
                    ),
                )
                for export, upserts, deletes in batches
            )
        )
