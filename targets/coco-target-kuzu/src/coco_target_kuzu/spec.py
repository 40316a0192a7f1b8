"""The target ``Kuzu`` and its declaration: specs, and connectors that only delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from coco import op
from coco.auth_registry import AuthEntryReference
from coco.errors import DefinitionError
from coco.index import IndexOptions
from coco.op import FlowView, MutationColumns, TargetStateCompatibility
from coco.typing import FieldSchema
from coco_kit_graph import analysis, schema
from coco_kit_graph.analysis import Links
from coco_kit_graph.connector import Change, GraphConnector
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphKey, GraphState
from coco_target_kuzu.connection import KuzuConnection, LadybugConnection, check_place, local_paths

if TYPE_CHECKING:
    from coco_target_kuzu.mutate import Place

__all__ = [
    "Kuzu",
    "KuzuConnection",
    "KuzuDeclaration",
    "Ladybug",
    "LadybugConnection",
    "LadybugDeclaration",
    "NodeFromFields",
    "Nodes",
    "Relationships",
    "TargetFieldMapping",
]


class Kuzu(op.TargetSpec):
    """Nodes or relationships of a Kuzu or Ladybug graph, one per exported entry."""

    connection: AuthEntryReference[KuzuConnection]
    """Auth entry of a ``KuzuConnection``."""
    mapping: Nodes | Relationships
    """The kind of element that a row becomes."""
    links: Links | None = None
    """Leave it out: coco sets it when the flow is defined."""


class KuzuDeclaration(op.DeclarationSpec):
    """A node label that no export of this flow fills: only relationships lead to it, or another flow exports it."""

    kind: ClassVar[str] = "Ladybug"

    connection: AuthEntryReference[KuzuConnection]
    """Auth entry of a ``KuzuConnection``."""
    nodes_label: str
    """The label."""
    primary_key_fields: Sequence[str]
    """Names of the properties that identify a node."""
    links: Links | None = None
    """Leave it out: coco sets it when the flow is defined."""


Ladybug, LadybugDeclaration = Kuzu, KuzuDeclaration
"""The same by the name of the fork, as in CocoIndex v0."""


def apply_all(changes: Sequence[Change]) -> None:
    """Apply setup changes, graph by graph."""
    from coco_target_kuzu.setup import apply_changes

    apply_changes(changes)


@op.target_connector(spec_cls=Kuzu, persistent_key_type=GraphKey, setup_state_cls=GraphState)
class KuzuConnector(GraphConnector):
    """Setup in ``setup``, rows in ``mutate``, columns in ``types``."""

    partial_update = True

    # -- definition -------------------------------------------------------------------------------
    @staticmethod
    def validate(
        spec: Kuzu,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        check_place(spec.connection)
        if index_options.vector_indexes:
            raise DefinitionError("Kuzu makes no vector indexes; leave vector_indexes out")
        fields = (*key_fields, *value_fields)
        analysis.check_mapping(spec.mapping, fields, kind="Kuzu", options=index_options)
        mapping = spec.mapping
        _check_names([mapping.label if isinstance(mapping, Nodes) else mapping.rel_type])
        _check_names([item.name for item in fields])

    @staticmethod
    def with_flow(spec: Kuzu, flow: FlowView) -> Kuzu:
        completed: Kuzu = analysis.complete_export(spec, flow, Kuzu, KuzuDeclaration)
        if completed.links is not None:
            for end in (completed.links.source, completed.links.target):
                if end is not None:
                    _check_names([end.label])
                    _check_names(schema.names([*end.key, *end.values]))
        return completed

    # -- setup ------------------------------------------------------------------------------------
    @staticmethod
    def get_setup_state(
        spec: Kuzu,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> GraphState:
        return analysis.state_of(spec, key_fields, value_fields)

    @staticmethod
    def check_state_compatibility(desired: GraphState, existing: GraphState) -> TargetStateCompatibility:
        return schema.compatibility(desired, existing, typed=True)

    @staticmethod
    def describe(key: GraphKey) -> str:
        return f"Kuzu {key.title}"

    @staticmethod
    def local_paths(key: GraphKey) -> list[str]:
        return local_paths(key.connection)

    @staticmethod
    def check_existing(key: GraphKey, desired_state: GraphState) -> str | None:
        from coco_target_kuzu.setup import problem

        return problem(key, desired_state)

    @staticmethod
    def apply_setup_change(key: GraphKey, previous: GraphState | None, current: GraphState | None) -> None:
        apply_all([(key, previous, current)])

    @staticmethod
    def apply_setup_changes(changes: Sequence[Change]) -> None:
        apply_all(changes)

    # -- rows -------------------------------------------------------------------------------------
    @staticmethod
    def prepare(spec: Kuzu, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]) -> Place:
        from coco_target_kuzu.mutate import open_place

        return open_place(spec.connection, spec.mapping, spec.links, key_fields, value_fields)

    @staticmethod
    def mutate_columns(*batches: tuple[Place, MutationColumns]) -> None:
        from coco_target_kuzu.mutate import mutate

        mutate(batches)


@op.declaration_connector(spec_cls=KuzuDeclaration, persistent_key_type=GraphKey, setup_state_cls=GraphState)
class KuzuDeclarationConnector:
    """The label's table is made with the first relationships that need it: these know the types of its key."""

    @staticmethod
    def with_flow(spec: KuzuDeclaration, flow: FlowView) -> KuzuDeclaration:
        check_place(spec.connection)
        analysis.check_names(spec.nodes_label, spec.primary_key_fields)
        _check_names([spec.nodes_label])
        completed: KuzuDeclaration = analysis.complete_declaration(spec, flow, Kuzu, KuzuDeclaration)
        return completed

    @staticmethod
    def get_persistent_key(spec: KuzuDeclaration) -> GraphKey:
        return GraphKey(spec.connection, "node", spec.nodes_label)

    @staticmethod
    def get_setup_state(spec: KuzuDeclaration) -> GraphState:
        return analysis.declared_state(spec)

    check_state_compatibility = staticmethod(KuzuConnector.check_state_compatibility)
    check_existing = staticmethod(KuzuConnector.check_existing)
    local_paths = staticmethod(KuzuConnector.local_paths)
    describe_change = staticmethod(KuzuConnector.describe_change)
    apply_setup_change = staticmethod(KuzuConnector.apply_setup_change)
    apply_setup_changes = staticmethod(KuzuConnector.apply_setup_changes)

    @staticmethod
    def describe(key: GraphKey) -> str:
        return f"Kuzu {key.title} (declared)"


_TAKEN = frozenset({"_id", "_label", "_src", "_dst", "_offset"})


def _check_names(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise DefinitionError(f"Kuzu: {other!r} and {name!r} are one name: Kuzu ignores case")
        if name.lower() in _TAKEN:
            raise DefinitionError(f"Kuzu: {name!r} cannot be a name: it is reserved in Kuzu")
        if "`" in name:
            raise DefinitionError(f"Kuzu: {name!r} cannot be a name: Kuzu has no way to write `")
