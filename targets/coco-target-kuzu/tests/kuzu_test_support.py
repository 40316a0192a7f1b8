"""Graphs to work on, and a way to read them that is not the target's."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import coco
from coco.auth_registry import AuthEntryReference
from coco.index import IndexOptions
from coco.ops.targets import ExportView, FlowView, MutationColumns
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.schema import GraphState
from coco_target_kuzu.connection import KuzuConnection, exists, open_database
from coco_target_kuzu.mutate import Place
from coco_target_kuzu.spec import Kuzu, KuzuConnector, KuzuDeclaration, KuzuDeclarationConnector

_numbers = itertools.count()
Graph = AuthEntryReference[KuzuConnection]
Row = tuple[Any, ...]


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


def field(name: str, kind: str, *, nullable: bool = True) -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(BasicValueType(kind), nullable))


@dataclasses.dataclass
class Export:
    """An export without a flow."""

    graph: Graph
    mapping: Nodes | Relationships
    key: list[FieldSchema]
    values: list[FieldSchema]
    spec: Kuzu = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.spec = Kuzu(connection=self.graph, mapping=self.mapping)

    @staticmethod
    def set_up_all(
        exports: Sequence[Export], declared: Mapping[str, list[str]] | None = None, flow: str = "test"
    ) -> list[KuzuDeclaration]:
        """As a flow that has these exports and declarations does; completes their specs."""
        graph = exports[0].graph
        declarations = [
            KuzuDeclaration(connection=graph, nodes_label=label, primary_key_fields=keys)
            for label, keys in (declared or {}).items()
        ]
        views = [
            ExportView(str(at), item.spec, tuple(item.key), tuple(item.values), IndexOptions([]))
            for at, item in enumerate(exports)
        ]
        view = FlowView(flow, tuple(views), tuple(declarations))
        for item in exports:
            item.spec = KuzuConnector.with_flow(item.spec, view)
        completed = [KuzuDeclarationConnector.with_flow(item, view) for item in declarations]
        changes: list[Any] = [
            (KuzuConnector.get_persistent_key(item.spec, ""), None, item.state) for item in exports
        ]
        KuzuConnector.apply_setup_changes(changes)
        KuzuDeclarationConnector.apply_setup_changes(
            [
                (
                    KuzuDeclarationConnector.get_persistent_key(item),
                    None,
                    KuzuDeclarationConnector.get_setup_state(item),
                )
                for item in completed
            ]
        )
        return completed

    @property
    def state(self) -> GraphState:
        return KuzuConnector.get_setup_state(self.spec, self.key, self.values, IndexOptions([]))

    @contextlib.contextmanager
    def opened(self) -> Iterator[Place]:
        place = KuzuConnector.prepare(self.spec, self.key, self.values)
        try:
            yield place
        finally:
            place.close()


def write(batches: Sequence[tuple[Export, Mapping[Row, Row], Sequence[Row]]]) -> None:
    """One call with a batch for each export."""
    with contextlib.ExitStack() as stack:
        KuzuConnector.mutate_columns(
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
