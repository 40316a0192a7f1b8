"""The target ``Neo4j`` and its declaration: specs, and connectors that only delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from coco import op
from coco.auth_registry import AuthEntryReference
from coco.index import IndexOptions, VectorIndexDef
from coco.op import FlowView, MutationColumns, TargetStateCompatibility
from coco.typing import FieldSchema
from coco_kit_graph import analysis, schema
from coco_kit_graph.analysis import Links
from coco_kit_graph.connector import Change, GraphConnector
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphKey, GraphState
from coco_target_neo4j.settings import Neo4jConnection, Neo4jConnectionSpec
from coco_target_neo4j.vector import check_vector_indexes

if TYPE_CHECKING:
    from coco_target_neo4j.mutate import Place

__all__ = [
    "Neo4j",
    "Neo4jConnection",
    "Neo4jConnectionSpec",
    "Neo4jDeclaration",
    "Neo4jDeclarations",
    "NodeFromFields",
    "Nodes",
    "Relationships",
    "TargetFieldMapping",
]


class Neo4j(op.TargetSpec):
    """Nodes or relationships of a Neo4j graph, one per exported entry."""

    connection: AuthEntryReference[Neo4jConnection]
    """Auth entry of a ``Neo4jConnection``."""
    mapping: Nodes | Relationships
    """The kind of element that a row becomes."""
    links: Links | None = None
    """Leave it out: coco sets it when the flow is defined."""


class Neo4jDeclaration(op.DeclarationSpec):
    """A node label that no export of this flow fills: only relationships lead to it, or another flow exports it."""

    kind: ClassVar[str] = "Neo4j"

    connection: AuthEntryReference[Neo4jConnection]
    """Auth entry of a ``Neo4jConnection``."""
    nodes_label: str
    """The label."""
    primary_key_fields: Sequence[str]
    """Names of the properties that identify a node."""
    vector_indexes: Sequence[VectorIndexDef] = ()
    """On properties that relationships give to such nodes."""
    links: Links | None = None
    """Leave it out: coco sets it when the flow is defined."""


def apply_all(changes: Sequence[Change]) -> None:
    """Apply setup changes, graph by graph."""
    from coco_target_neo4j.setup import apply_changes

    apply_changes(changes)


@op.target_connector(spec_cls=Neo4j, persistent_key_type=GraphKey, setup_state_cls=GraphState)
class Neo4jConnector(GraphConnector):
    """Setup in ``setup``, rows in ``mutate``, properties in ``types``."""

    stays_open = True

    # -- definition -------------------------------------------------------------------------------
    @staticmethod
    def validate(
        spec: Neo4j,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        fields = (*key_fields, *value_fields)
        analysis.check_mapping(spec.mapping, fields, kind="Neo4j", options=index_options)
        check_vector_indexes(index_options.vector_indexes)
        analysis.state_of(spec, key_fields, value_fields, index_options.vector_indexes)

    @staticmethod
    def with_flow(spec: Neo4j, flow: FlowView) -> Neo4j:
        completed: Neo4j = analysis.complete_export(spec, flow, Neo4j, Neo4jDeclaration)
        return completed

    # -- setup ------------------------------------------------------------------------------------
    @staticmethod
    def get_setup_state(
        spec: Neo4j,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> GraphState:
        return analysis.state_of(spec, key_fields, value_fields, index_options.vector_indexes)

    @staticmethod
    def check_state_compatibility(desired: GraphState, existing: GraphState) -> TargetStateCompatibility:
        return schema.compatibility(desired, existing, typed=False)

    @staticmethod
    def describe(key: GraphKey) -> str:
        return f"Neo4j {key.title}"

    @staticmethod
    def check_existing(key: GraphKey, desired_state: GraphState) -> str | None:
        from coco_target_neo4j.setup import problem

        return problem(key, desired_state)

    @staticmethod
    def apply_setup_change(key: GraphKey, previous: GraphState | None, current: GraphState | None) -> None:
        apply_all([(key, previous, current)])

    @staticmethod
    def apply_setup_changes(changes: Sequence[Change]) -> None:
        apply_all(changes)

    # -- rows -------------------------------------------------------------------------------------
    @staticmethod
    def prepare(spec: Neo4j, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]) -> Place:
        from coco_target_neo4j.mutate import open_place

        return open_place(spec.connection, spec.mapping, spec.links, key_fields, value_fields)

    @staticmethod
    def mutate_columns(*batches: tuple[Place, MutationColumns]) -> None:
        from coco_target_neo4j.mutate import mutate

        mutate(batches)


@op.declaration_connector(spec_cls=Neo4jDeclaration, persistent_key_type=GraphKey, setup_state_cls=GraphState)
class Neo4jDeclarationConnector:
    """The label gets its constraint with the first relationships that need it, or with this."""

    @staticmethod
    def with_flow(spec: Neo4jDeclaration, flow: FlowView) -> Neo4jDeclaration:
        analysis.check_names(spec.nodes_label, spec.primary_key_fields)
        check_vector_indexes(spec.vector_indexes)
        completed: Neo4jDeclaration = analysis.complete_declaration(spec, flow, Neo4j, Neo4jDeclaration)
        return completed

    @staticmethod
    def get_persistent_key(spec: Neo4jDeclaration) -> GraphKey:
        return GraphKey(spec.connection, "node", spec.nodes_label)

    @staticmethod
    def get_setup_state(spec: Neo4jDeclaration) -> GraphState:
        return analysis.declared_state(spec, spec.vector_indexes)

    check_state_compatibility = staticmethod(Neo4jConnector.check_state_compatibility)
    check_existing = staticmethod(Neo4jConnector.check_existing)
    describe_change = staticmethod(Neo4jConnector.describe_change)
    apply_setup_change = staticmethod(Neo4jConnector.apply_setup_change)
    apply_setup_changes = staticmethod(Neo4jConnector.apply_setup_changes)

    @staticmethod
    def describe(key: GraphKey) -> str:
        return f"Neo4j {key.title} (declared)"


Neo4jDeclarations = Neo4jDeclaration
"""An older name."""
