"""Adds exports to a flow and checks them: some checks run in ``export``, the others after the flow function."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from coco.engine_object import canonical_json, plain_data
from coco.errors import CallShapeError, DefinitionError
from coco.flow.entries import EntrySchema
from coco.flow.graph import CodeLocation, DeclarationStep, ExportStep
from coco.flow.names import check_name
from coco.flow.nodes import CollectorNode, DeclarationNode, ExportNode
from coco.flow.places import caller_location
from coco.flow.specs import checked_spec
from coco.flow.state import BuildState
from coco.index import FtsIndexDef, IndexOptions, VectorIndexDef, VectorSimilarityMetric
from coco.naming import default_name, namespace_of
from coco.ops.calls import accepts
from coco.ops.targets import ExportView, FlowView
from coco.spec import OpCategory, spec_kind
from coco.types.schema import KEY_KINDS, BasicValueType, FieldSchema, StructType, ValueType

NUMERIC_KINDS = ("Int64", "Float32", "Float64")


def add_export(
    state: BuildState,
    collector: CollectorNode,
    name: str,
    spec: Any,
    *,
    primary_key_fields: Sequence[str],
    attachments: Sequence[Any],
    vector_indexes: Sequence[VectorIndexDef],
    fts_indexes: Sequence[FtsIndexDef],
    vector_index: Sequence[tuple[str, VectorSimilarityMetric]],
    setup_by_user: bool,
) -> None:
    """Check and add an export, for ``DataCollector.export``."""
    from coco.ops.registry import registry

    state.check_open()
    location = caller_location()
    with state.locator.locating(scope=collector.scope.title, field=f"target {name}", at=location):
        check_name(name, "target")
        check_top_level(state, "export()")
        if collector.scope is not state.root:
            raise DefinitionError(
                f"collector {collector.name} belongs to the rows of {collector.scope.title}; only "
                "collectors of the root "
                "scope can be exported: add it to the root scope and collect into it from the rows"
            )
        if name in state.exports:
            raise DefinitionError(f"there is a target named {name!r} already")
        checked_spec(spec, OpCategory.TARGET, "export()")
        plain_data(spec)
        record = registry.get(OpCategory.TARGET, spec_kind(spec))
        if not isinstance(setup_by_user, bool):
            raise CallShapeError(f"setup_by_user must be a bool, got {type(setup_by_user).__name__}")
        options = IndexOptions(
            _names("primary_key_fields", primary_key_fields),
            _vector_indexes(vector_indexes, vector_index),
            _instances("fts_indexes", fts_indexes, FtsIndexDef),
        )
        checked = _attachments(attachments, record.kind)
    state.exports[name] = ExportNode(name, collector, spec, record, options, checked, setup_by_user, location)


def check_top_level(state: BuildState, what: str) -> None:
    """Raise ``DefinitionError`` inside a ``row()`` block."""
    if state.blocks:
        raise DefinitionError(
            f"{what} belongs to the top level of the flow, but stands inside the row() block of "
            f"{state.blocks[-1].title}"
        )


def _sequence(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise CallShapeError(f"{name} must be a sequence, got {type(value).__name__}: write [{value!r}]")
    return tuple(value)


def _names(name: str, value: Any) -> tuple[str, ...]:
    names = _sequence(name, value)
    for item in names:
        if not isinstance(item, str):
            raise CallShapeError(f"{name} must hold names of collected fields, got {item!r}")
    if not names:
        raise DefinitionError(f"{name} must name at least one collected field")
    for item in names:
        if names.count(item) > 1:
            raise DefinitionError(f"{name} names {item!r} twice")
    return names


def _instances(name: str, value: Any, cls: type) -> tuple[Any, ...]:
    items = _sequence(name, value)
    for item in items:
        if not isinstance(item, cls):
            raise CallShapeError(
                f"{name} must hold {cls.__name__} objects, got {item!r}: write {name}=[{cls.__name__}(...)]"
            )
    return items


def _vector_indexes(new: Any, old: Any) -> tuple[VectorIndexDef, ...]:
    indexes: tuple[VectorIndexDef, ...] = _instances("vector_indexes", new, VectorIndexDef)
    pairs = _sequence("vector_index", old)
    if pairs and indexes:
        raise CallShapeError("vector_index is the old form of vector_indexes: give vector_indexes only")
    if pairs:
        warnings.warn(
            "vector_index is deprecated; use vector_indexes=[VectorIndexDef(field, metric)]",
            DeprecationWarning,
            stacklevel=4,
        )
        for pair in pairs:
            if (
                not isinstance(pair, tuple)
                or len(pair) != 2
                or not isinstance(pair[1], VectorSimilarityMetric)
            ):
                advice = "; these belong in vector_indexes" if isinstance(pair, VectorIndexDef) else ""
                raise CallShapeError(
                    f"vector_index must hold pairs (field, VectorSimilarityMetric), got {pair!r}{advice}"
                )
    return indexes or tuple(VectorIndexDef(field, metric) for field, metric in pairs)


def _attachments(value: Any, target_kind: str) -> tuple[Any, ...]:
    from coco.ops.registry import registry

    names = set()
    specs = _sequence("attachments", value)
    for spec in specs:
        checked_spec(spec, OpCategory.TARGET_ATTACHMENT, "attachments")
        record = registry.get(OpCategory.TARGET_ATTACHMENT, spec_kind(spec))
        if target_kind not in record.target_kinds:
            raise DefinitionError(
                f"{spec_kind(spec)} is an attachment of {' or '.join(record.target_kinds)}, not of "
                f"{target_kind}"
            )
        if spec.name in names:
            raise DefinitionError(f"there are two attachments named {spec.name!r}")
        names.add(spec.name)
        plain_data(spec)
    return specs


def complete_specs(state: BuildState, full_name: str) -> None:
    """Let connectors complete their specs with the default name of an export's resource."""
    for export in state.exports.values():
        complete = export.record.method("with_default_name")
        if complete is not None:
            with state.locator.locating(field=f"target {export.name}", at=export.location):
                name = default_name(state.name, export.name, namespace=namespace_of(full_name))
                completed = complete(export.spec, name)
                export.default_name = name if completed != export.spec else ""
                export.spec = completed


def finish_export(
    state: BuildState, export: ExportNode, entries: EntrySchema, collector_id: int
) -> ExportStep:
    """Check an export against the collected fields and bind its target."""
    options = export.index_options
    with state.locator.locating(field=f"target {export.name}", at=export.location):
        positions = {item.name: position for position, item in enumerate(entries.schema)}
        keys = tuple(_key_position(name, positions, entries) for name in options.primary_key_fields)
        values = tuple(position for position in range(len(entries.schema)) if position not in keys)
        key_fields = tuple(entries.schema[position] for position in keys)
        value_fields = tuple(entries.schema[position] for position in values)
        _check_indexes(options, positions, entries.schema)
        validate = export.record.method("validate")
        if validate is not None:
            validate(export.spec, list(key_fields), list(value_fields), options, list(export.attachments))
        bound = export.record.bind(key_fields, value_fields)
    return ExportStep(
        export.name,
        collector_id,
        export.spec,
        export.record,
        bound,
        key_fields,
        value_fields,
        keys,
        values,
        options,
        tuple(export.attachments),
        export.setup_by_user,
        export.location,
        export.default_name,
    )


def _field_position(name: str, what: str, positions: Mapping[str, int]) -> int:
    if name not in positions:
        raise DefinitionError(
            f"{what} {name!r} is not collected; collected fields are: {', '.join(positions) or 'none'}"
        )
    return positions[name]


def _key_position(name: str, positions: Mapping[str, int], entries: EntrySchema) -> int:
    position = _field_position(name, "primary key field", positions)
    type_ = entries.schema[position].value_type
    if name in entries.missing:
        where = entries.missing[name]
        line = f" in line {where.line}" if where is not None else ""
        raise DefinitionError(
            f"primary key field {name!r} must be in every collect call; it is not in the one{line}"
        )
    if type_.nullable:
        raise DefinitionError(f"primary key field {name!r} has the type {type_}; a key must not be null")
    if not is_key_type(type_.type):
        raise DefinitionError(
            f"primary key field {name!r} has the type {type_}, which cannot be a key; keys are of "
            f"{', '.join(sorted(KEY_KINDS))}, or structs of these"
        )
    return position


def is_key_type(type_: ValueType) -> bool:
    """Return whether values of a type can identify a row."""
    if isinstance(type_, BasicValueType):
        return type_.kind in KEY_KINDS
    if isinstance(type_, StructType):
        return bool(type_.fields) and all(
            not item.value_type.nullable and is_key_type(item.value_type.type) for item in type_.fields
        )
    return False


def _check_indexes(
    options: IndexOptions, positions: Mapping[str, int], schema: Sequence[FieldSchema]
) -> None:
    seen: set[tuple[str, VectorSimilarityMetric]] = set()
    for index in options.vector_indexes:
        position = _field_position(index.field_name, "vector index: field", positions)
        problem = _vector_problem(schema[position].value_type.type)
        if problem:
            raise DefinitionError(
                f"vector index: field {index.field_name!r} has the type {schema[position].value_type}: "
                f"{problem}"
            )
        if (index.field_name, index.metric) in seen:
            raise DefinitionError(
                f"vector index: field {index.field_name!r} is indexed twice with {index.metric.name}"
            )
        seen.add((index.field_name, index.metric))
    texts: set[str] = set()
    for fts in options.fts_indexes:
        position = _field_position(fts.field_name, "full-text index: field", positions)
        type_ = schema[position].value_type
        if not isinstance(type_.type, BasicValueType) or type_.type.kind != "Str":
            raise DefinitionError(
                f"full-text index: field {fts.field_name!r} has the type {type_}; it must be Str"
            )
        if fts.field_name in texts:
            raise DefinitionError(f"full-text index: field {fts.field_name!r} is indexed twice")
        texts.add(fts.field_name)


def _vector_problem(type_: ValueType) -> str:
    """Return why a type cannot have a vector index; empty text if it can. The target checks vectors of vectors."""
    vector = type_.vector if isinstance(type_, BasicValueType) else None
    if vector is None:
        return "it must be a Vector"
    inner = vector.element_type.vector
    if inner is not None:
        vector = inner
    if vector.element_type.kind not in NUMERIC_KINDS:
        return f"its elements must be one of {', '.join(NUMERIC_KINDS)}"
    if vector.dimension is None:
        return "it must have a fixed dimension, as in Vector[Float32, Literal[384]]"
    return ""


def persistent_key(record: Any, spec: Any, name: str) -> str | None:
    """Return the canonical text of a connector's persistent key; None if the connector's method is async."""
    method = record.method("get_persistent_key")
    if method is None or inspect.iscoroutinefunction(method):
        return None
    wants_name = accepts(method, 2)
    return canonical_json(plain_data(method(spec, name) if wants_name else method(spec)))


def check_distinct(state: BuildState) -> None:
    """Raise ``DefinitionError`` if two exports have one resource: each would delete the rows of the other.

    Default names must differ in more than case, because some products ignore case.
    """
    seen: dict[tuple[str, str], str] = {}
    folded: dict[tuple[str, str], ExportNode] = {}
    for export in state.exports.values():
        with state.locator.locating(field=f"target {export.name}", at=export.location):
            key = persistent_key(export.record, export.spec, export.name)
            if key is None:
                continue
            other = seen.setdefault((export.record.kind, key), export.name)
            if other != export.name:
                raise DefinitionError(
                    f"targets {other!r} and {export.name!r} are the same {export.record.kind} resource "
                    f"{key}; "
                    "collect into one collector and export it once, or give one of them another resource"
                )
            twin = folded.setdefault((export.record.kind, key.casefold()), export)
            if twin is not export and (twin.default_named or export.default_named):
                raise DefinitionError(
                    f"targets {twin.name!r} and {export.name!r} would have names that differ only in case: "
                    f"{key}; rename one of them, or name its resource"
                )


def distinct_declarations(state: BuildState) -> list[DeclarationNode]:
    """Return the declarations, each of several equal ones once.

    Raises ``DefinitionError`` for two declarations of one resource with different content.
    """
    kept: dict[tuple[str, str], tuple[str, DeclarationNode]] = {}
    for node in state.declarations:
        with state.locator.locating(field=f"declaration {node.record.kind}", at=node.location):
            content = canonical_json(plain_data(node.spec))
            key = persistent_key(node.record, node.spec, node.record.kind)
            mark = (node.record.kind, content if key is None else key)
            known = kept.setdefault(mark, (content, node))
            if known[0] != content:
                raise DefinitionError(
                    f"{node.record.kind} {mark[1]} is declared differently {_at(known[1].location)}"
                )
    return [node for _, node in kept.values()]


def with_flow(
    state: BuildState, full_name: str, exports: Sequence[ExportStep], declarations: Sequence[DeclarationNode]
) -> tuple[tuple[ExportStep, ...], tuple[DeclarationStep, ...]]:
    """Let connectors complete their specs by the other exports and declarations of the flow."""
    view = FlowView(
        full_name,
        tuple(
            ExportView(
                item.name,
                item.spec,
                item.key_fields,
                item.value_fields,
                item.index_options,
                item.setup_by_user,
            )
            for item in exports
        ),
        tuple(node.spec for node in declarations),
    )
    completed = []
    for export in exports:
        complete = state.exports[export.name].record.method("with_flow")
        if complete is not None:
            with state.locator.locating(field=f"target {export.name}", at=export.location):
                export = replace(export, spec=complete(export.spec, view))
        completed.append(export)
    steps = []
    for node in declarations:
        spec = node.spec
        complete = node.record.method("with_flow")
        if complete is not None:
            with state.locator.locating(field=f"declaration {node.record.kind}", at=node.location):
                spec = complete(spec, view)
        steps.append(DeclarationStep(spec, node.record, node.location))
    return tuple(completed), tuple(steps)


def _at(location: CodeLocation | None) -> str:
    return "elsewhere" if location is None else f"in line {location.line}"
