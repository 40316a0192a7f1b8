"""What a flow's exports and declarations say together: keys of labels, ends of relationships."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from coco.errors import DefinitionError, TargetError
from coco.index import IndexOptions, VectorIndexDef
from coco.kit.state_diff import type_data
from coco.op import ExportView, FlowView
from coco.typing import KEY_KINDS, BasicValueType, FieldSchema, StructType, ValueType
from coco_kit_graph.mapping import Mapping, NodeFromFields, Nodes, Relationships
from coco_kit_graph.marks import CATALOG, RESERVED
from coco_kit_graph.schema import GraphState, LabelSchema, Property, VectorIndex, properties


@dataclass(frozen=True)
class Links:
    """What the rest of the flow tells about an export or declaration; completes its spec.

    source, target: the ends of a relationship. label: what a declaration declares.
    """

    flow: str = ""
    source: LabelSchema | None = None
    target: LabelSchema | None = None
    label: LabelSchema | None = None


class GraphSpec(Protocol):
    """An export's spec."""

    @property
    def connection(self) -> Any: ...
    @property
    def mapping(self) -> Mapping: ...
    @property
    def links(self) -> Links | None: ...


class GraphDeclaration(Protocol):
    """A declaration's spec."""

    @property
    def connection(self) -> Any: ...
    @property
    def nodes_label(self) -> str: ...
    @property
    def primary_key_fields(self) -> Sequence[str]: ...
    @property
    def links(self) -> Links | None: ...


class Analysis:
    """One graph as a flow sees it. Raises ``DefinitionError`` for what does not fit together."""

    def __init__(
        self, flow: FlowView, connection: str, spec_cls: type[Any], declaration_cls: type[Any]
    ) -> None:
        self._flow = flow.flow
        self._exports = [
            item
            for item in flow.exports
            if isinstance(item.spec, spec_cls) and item.spec.connection.key == connection
        ]
        self._declared: dict[str, GraphDeclaration] = {
            item.nodes_label: item
            for item in flow.declarations
            if isinstance(item, declaration_cls) and item.connection.key == connection
        }
        self._nodes: dict[str, ExportView] = {}
        for item in self._exports:
            if isinstance(item.spec.mapping, Nodes):
                label = item.spec.mapping.label
                if label in self._declared:
                    raise DefinitionError(
                        f"nodes {label!r} are exported as {item.name!r} and declared too; leave the declaration out"
                    )
                self._nodes[label] = item

    def relationship(self, mapping: Relationships, fields: Sequence[FieldSchema]) -> Links:
        """The ends of a relationship. fields: all that is collected for it."""
        return Links(self._flow, self._end(mapping.source, fields), self._end(mapping.target, fields))

    def declaration(self, spec: GraphDeclaration) -> Links:
        """A declared label, with types from the relationships that map it; of unknown type where none does."""
        label = spec.nodes_label
        found: dict[str, tuple[Property, str]] = {}
        for export in self._exports:
            mapping = export.spec.mapping
            if not isinstance(mapping, Relationships):
                continue
            fields = (*export.key_fields, *export.value_fields)
            for end in (mapping.source, mapping.target):
                if end.label != label:
                    continue
                for item in _mapped(end, fields):
                    known = found.setdefault(item.name, (item, export.name))
                    if known[0].type != item.type:
                        raise DefinitionError(
                            f"property {item.name!r} of nodes {label!r} is {known[0].value_type} in target "
                            f"{known[1]!r} and {item.value_type} in {export.name!r}; give it one type"
                        )
        keys = list(spec.primary_key_fields)
        key = [found[name][0] if name in found else Property(name) for name in keys]
        return Links(
            self._flow,
            label=LabelSchema(label, key, [item for name, (item, _) in found.items() if name not in keys]),
        )

    def _end(self, end: NodeFromFields, fields: Sequence[FieldSchema]) -> LabelSchema:
        given = _mapped(end, fields)
        names = [item.name for item in given]
        if end.label in self._nodes:
            export = self._nodes[end.label]
            key, values = properties(export.key_fields), properties(export.value_fields)
            _check_types(end, given, [*key, *values])
            optional = [item.name for item in values]
            key_names = [item.name for item in key]
        elif end.label in self._declared:
            declared = self._declared[end.label]
            key_names, optional = list(declared.primary_key_fields), []
            links = self.declaration(declared)
            assert links.label is not None
            _check_types(end, given, [*links.label.key, *links.label.values])
        else:
            known = sorted({*self._nodes, *self._declared})
            raise DefinitionError(
                f"nothing says what the key of nodes {end.label!r} is: export them with Nodes({end.label!r}), or "
                f"declare them; known labels of this graph are: {', '.join(known) or 'none'}"
            )
        lacking = [name for name in key_names if name not in names]
        if lacking:
            raise DefinitionError(
                f"an end of label {end.label!r} needs all key properties; {', '.join(lacking)} are not mapped"
            )
        missing = [name for name in optional if name not in names]
        if missing and len(missing) < len(optional):
            raise DefinitionError(
                f"an end of label {end.label!r} maps some of the label's properties but not "
                f"{', '.join(missing)}; map all of them, or only the key"
            )
        by_name = {item.name: item for item in given}
        for name in key_names:
            if not is_key_type(by_name[name].value_type):
                raise DefinitionError(
                    f"key property {name!r} of nodes {end.label!r} has the type {by_name[name].value_type}, which "
                    "cannot be a key"
                )
        return LabelSchema(
            end.label,
            [by_name[name] for name in key_names],
            [item for item in given if item.name not in key_names],
        )


def is_key_type(type_: ValueType) -> bool:
    """Whether values can identify a node."""
    if isinstance(type_, StructType):
        return all(is_key_type(item.value_type.type) for item in type_.fields)
    return isinstance(type_, BasicValueType) and type_.kind in KEY_KINDS


def _mapped(end: NodeFromFields, fields: Sequence[FieldSchema]) -> list[Property]:
    types = {item.name: item.value_type.type for item in fields}
    found: dict[str, Property] = {}
    for item in end.fields:
        name = item.property_name
        if item.source not in types:
            raise DefinitionError(
                f"an end of label {end.label!r} maps {item.source!r}, which is not collected; collected fields "
                f"are: {', '.join(types)}"
            )
        if name in found:
            raise DefinitionError(f"an end of label {end.label!r} maps property {name!r} twice")
        found[name] = Property(name, type_data(types[item.source]))
    check_names(end.label, found)
    return list(found.values())


def _check_types(end: NodeFromFields, given: Iterable[Property], wanted: Iterable[Property]) -> None:
    types = {item.name: item for item in wanted}
    for item in given:
        if item.name not in types:
            raise DefinitionError(
                f"an end of label {end.label!r} maps {item.name!r}, which is no property of the label; it has "
                f"{', '.join(types)}"
            )
        if types[item.name].type != item.type:
            raise DefinitionError(
                f"an end of label {end.label!r} gives {item.name!r} the type {item.value_type}; the label has "
                f"{types[item.name].value_type}"
            )


def complete_export(spec: Any, flow: FlowView, spec_cls: type, declaration_cls: type) -> Any:
    """``with_flow`` of a graph target."""
    analysis = Analysis(flow, spec.connection.key, spec_cls, declaration_cls)
    mapping = spec.mapping
    if isinstance(mapping, Nodes):
        return replace(spec, links=Links(flow.flow))
    export = next(item for item in flow.exports if item.spec is spec)
    return replace(spec, links=analysis.relationship(mapping, (*export.key_fields, *export.value_fields)))


def complete_declaration(spec: Any, flow: FlowView, spec_cls: type, declaration_cls: type) -> Any:
    """``with_flow`` of a graph declaration."""
    analysis = Analysis(flow, spec.connection.key, spec_cls, declaration_cls)
    return replace(spec, links=analysis.declaration(spec))


def check_names(title: str, names: Iterable[str]) -> None:
    """Names that coco keeps for itself, and empty ones, are refused. Raises ``DefinitionError``."""
    if not title or "\0" in title or title == CATALOG:
        raise DefinitionError(f"{title!r} cannot be a label or relationship type")
    for name in names:
        if not name or "\0" in name or name.startswith(RESERVED):
            raise DefinitionError(
                f"{title}: property {name!r} cannot be: names that start with {RESERVED} are coco's own"
            )


def check_mapping(
    mapping: Mapping, fields: Sequence[FieldSchema], *, kind: str, options: IndexOptions
) -> None:
    """What a graph target refuses whatever the store is. Raises ``DefinitionError``."""
    title = mapping.label if isinstance(mapping, Nodes) else mapping.rel_type
    check_names(title, [item.name for item in fields])
    if options.fts_indexes:
        raise DefinitionError(f"{kind} makes no full-text indexes; leave fts_indexes out")
    if isinstance(mapping, Relationships):
        if options.vector_indexes:
            raise DefinitionError(
                f"{kind} makes vector indexes for nodes only, not for relationships {title!r}"
            )
        for end in (mapping.source, mapping.target):
            _mapped(end, fields)


def state_of(
    spec: GraphSpec,
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
    vector_indexes: Sequence[VectorIndexDef] = (),
) -> GraphState:
    """The setup state of an export."""
    links = spec.links or Links()
    mapping = spec.mapping
    if isinstance(mapping, Nodes):
        types = {item.name: item for item in value_fields}
        indexes = [vector_index(item, types[item.field_name]) for item in vector_indexes]
        return GraphState(links.flow, properties(key_fields), properties(value_fields), indexes)
    own = properties(own_values(mapping, value_fields))
    return GraphState(links.flow, properties(key_fields), own, [], links.source, links.target)


def own_values(mapping: Relationships, value_fields: Sequence[FieldSchema]) -> list[FieldSchema]:
    """Value fields that are properties of the relationship."""
    used = {item.source for end in (mapping.source, mapping.target) for item in end.fields}
    return [item for item in value_fields if item.name not in used]


def vector_index(index: VectorIndexDef, item: FieldSchema | Property) -> VectorIndex:
    """An index as setup remembers it. Raises ``DefinitionError`` where the field is no vector of fixed length."""
    type_ = item.value_type.type if isinstance(item, FieldSchema) else item.value_type if item.type else None
    vector = type_.vector if isinstance(type_, BasicValueType) else None
    if vector is None or vector.dimension is None or vector.element_type.vector is not None:
        raise DefinitionError(
            f"vector index: property {index.field_name!r} has the type {type_}; it must be a vector of numbers "
            "with a fixed dimension"
        )
    method = index.method
    m, ef = getattr(method, "m", None), getattr(method, "ef_construction", None)
    return VectorIndex(index.field_name, index.metric.value, vector.dimension, m, ef)


def declared_state(spec: GraphDeclaration, vector_indexes: Sequence[VectorIndexDef] = ()) -> GraphState:
    """The setup state of a declaration."""
    links = spec.links or Links()
    label = links.label or LabelSchema(spec.nodes_label, [Property(name) for name in spec.primary_key_fields])
    types = {item.name: item for item in label.values}
    missing = [item.field_name for item in vector_indexes if item.field_name not in types]
    if missing:
        raise DefinitionError(
            f"vector index: no relationship gives nodes {label.label!r} a property {missing[0]!r}"
        )
    indexes = [vector_index(item, types[item.field_name]) for item in vector_indexes]
    return GraphState(links.flow, label.key, label.values, indexes, declared=True)


def known_ends(mapping: Relationships, links: Links | None) -> tuple[LabelSchema, LabelSchema]:
    """Source and target of relationships. Raises ``TargetError`` outside of a flow, which alone knows their keys."""
    if links is None or links.source is None or links.target is None:
        raise TargetError(
            f"relationships {mapping.rel_type!r}: the keys of their ends are known within a flow only"
        )
    return links.source, links.target
