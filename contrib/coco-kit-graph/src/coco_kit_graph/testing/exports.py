"""Exports without a flow: set up and written as a flow and the engine do it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from coco.index import IndexOptions
from coco.op import ExportView, FlowView, MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.schema import GraphState

Row = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Product:
    """The classes of a target: specs of exports and of declared nodes, and their connectors."""

    target: Any
    connector: Any
    declaration: Any
    declaration_connector: Any


@dataclasses.dataclass(frozen=True)
class GraphAccess:
    """An empty graph in the hands of a test.

    entry: the auth entry of the graph. query: rows that a Cypher query gives, by another road than the target's.
    traces: names of whatever tests have left there.
    """

    product: Product
    entry: Any
    query: Callable[[str], list[list[Any]]]
    traces: Callable[[], list[str]]


def field(name: str, kind: str, *, nullable: bool = True) -> FieldSchema:
    """A field of a scalar type."""
    return FieldSchema(name, EnrichedValueType(BasicValueType(kind), nullable))


@dataclasses.dataclass
class Export:
    """One export into the graph of an auth entry."""

    product: Product
    graph: Any
    mapping: Nodes | Relationships
    key: list[FieldSchema]
    values: list[FieldSchema]
    spec: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.product.target(connection=self.graph, mapping=self.mapping)

    @property
    def state(self) -> GraphState:
        """What setup remembers."""
        found: GraphState = self.product.connector.get_setup_state(
            self.spec, self.key, self.values, IndexOptions([])
        )
        return found

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """What the data methods work on."""
        place = self.product.connector.prepare(self.spec, self.key, self.values)
        try:
            yield place
        finally:
            place.close()


def set_up_all(
    exports: Sequence[Export], declared: Mapping[str, list[str]] | None = None, flow: str = "test"
) -> list[Any]:
    """As a flow that has these exports and declarations (label to key fields) does; completes their specs.

    Returns the completed declarations.
    """
    product, graph = exports[0].product, exports[0].graph
    connector, declaring = product.connector, product.declaration_connector
    declarations = [
        product.declaration(connection=graph, nodes_label=label, primary_key_fields=keys)
        for label, keys in (declared or {}).items()
    ]
    views = [
        ExportView(str(at), item.spec, tuple(item.key), tuple(item.values), IndexOptions([]))
        for at, item in enumerate(exports)
    ]
    view = FlowView(flow, tuple(views), tuple(declarations))
    for item in exports:
        item.spec = connector.with_flow(item.spec, view)
    completed = [declaring.with_flow(item, view) for item in declarations]
    connector.apply_setup_changes(
        [(connector.get_persistent_key(item.spec, ""), None, item.state) for item in exports]
    )
    declaring.apply_setup_changes(
        [(declaring.get_persistent_key(item), None, declaring.get_setup_state(item)) for item in completed]
    )
    return completed


def write(batches: Sequence[tuple[Export, Mapping[Row, Row], Sequence[Row]]]) -> None:
    """One call with a batch, rows to write and keys to delete, for each export."""
    with contextlib.ExitStack() as stack:
        parts = []
        for export, upserts, deletes in batches:
            rows = [tuple(row) for row in upserts.values()]
            columns = MutationColumns(export.key, export.values, list(upserts), rows, list(deletes))
            parts.append((stack.enter_context(export.opened()), columns))
        batches[0][0].product.connector.mutate_columns(*parts)


__all__ = ["Export", "GraphAccess", "Product", "Row", "field", "set_up_all", "write"]
