"""What a graph wants to exist: one desired resource per export and declaration, and the flow's own record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coco.engine_object import dump_engine_object
from coco.flow.graph import ExportStep, Graph
from coco.ops.calls import call_blocking, positional_arity
from coco.plan.fingerprints import fingerprint_json, schema_identity
from coco.plan.plan import ROOT_SOURCE, Planner
from coco.setup.states import DECLARATION_PREFIX, TARGET_PREFIX, encode_key


@dataclass(frozen=True)
class DesiredTarget:
    """``state``: the connector's setup state object; ``record``: the registered target or declaration."""

    resource_type: str
    key: str
    persistent_key: Any
    name: str
    record: Any
    spec: Any
    state: Any
    connector: Any
    key_fields: list[Any]
    value_fields: list[Any]
    setup_by_user: bool
    attachments: dict[str, list[Any]]
    attachment_specs: dict[str, Any]
    export: ExportStep | None = None


@dataclass(frozen=True)
class DesiredSource:
    """``identity``: digest of the dumped spec."""

    name: str
    kind: str
    key_fields: list[Any]
    identity: str


def _persistent_key(record: Any, spec: Any, name: str) -> Any:
    method = record.method("get_persistent_key")
    count, any_number = positional_arity(method)
    return call_blocking(method, *((spec, name) if count >= 2 or any_number else (spec,)))


def desired_targets(graph: Graph) -> list[DesiredTarget]:
    """Every export's and declaration's resource. Calls only connector methods without side effects."""
    found = []
    for export in graph.exports:
        record: Any = export.target
        key = _persistent_key(record, export.spec, export.name)
        dumped = dump_engine_object(key)
        get_state = record.method("get_setup_state")
        state = (
            call_blocking(
                get_state,
                export.spec,
                list(export.key_fields),
                list(export.value_fields),
                export.index_options,
            )
            if get_state is not None
            else export.spec
        )
        attachments = {
            item.name: [type(item).__name__, dump_engine_object(item)] for item in export.attachments
        }
        found.append(
            DesiredTarget(
                TARGET_PREFIX + record.kind,
                encode_key(dumped),
                key,
                export.name,
                record,
                export.spec,
                state,
                dump_engine_object(state),
                schema_identity(export.key_fields),
                schema_identity(export.value_fields),
                export.setup_by_user,
                attachments,
                {item.name: item for item in export.attachments},
                export,
            )
        )
    for step in graph.declarations:
        record = step.declaration
        key = _persistent_key(record, step.spec, record.kind)
        get_state = record.method("get_setup_state")
        state = call_blocking(get_state, step.spec) if get_state is not None else step.spec
        found.append(
            DesiredTarget(
                DECLARATION_PREFIX + record.kind,
                encode_key(dump_engine_object(key)),
                key,
                record.kind,
                record,
                step.spec,
                state,
                dump_engine_object(state),
                [],
                [],
                False,
                {},
                {},
            )
        )
    return found


def desired_sources(graph: Graph) -> list[DesiredSource]:
    """Every source, and the root's pseudo source where entries are collected at the root."""
    found = [
        DesiredSource(
            step.name,
            step.source.kind,
            schema_identity(step.table.key_fields),
            fingerprint_json([step.source.kind, dump_engine_object(step.spec)]).hex(),
        )
        for step in graph.sources
    ]
    if any(plan.name == ROOT_SOURCE for plan in Planner(graph).plan().sources):
        found.append(DesiredSource(ROOT_SOURCE, ROOT_SOURCE, [], ""))
    return found
