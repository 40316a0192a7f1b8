"""The resources that a graph needs: one for each export and declaration, and the record of the flow itself."""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec import Struct

from coco.engine_object import content_data, plain_data
from coco.errors import DefinitionError
from coco.flow.graph import ExportStep, Graph
from coco.ops.calls import accepts, call_blocking
from coco.plan.fingerprints import fingerprint_json, schema_identity
from coco.plan.plan import ROOT_SOURCE, Planner
from coco.secrets import SecretRef
from coco.setup.states import DECLARATION_PREFIX, TARGET_PREFIX, encode_key
from coco.spec.meta import is_secret


class DesiredTarget(Struct, frozen=True):
    """A resource that a flow needs.

    state: the connector's setup state object. record: the registered target or declaration.
    """

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
    former_keys: tuple[str, ...] = ()
    """Keys that earlier releases of the connector gave a resource with this default name."""


class DesiredSource(Struct, frozen=True):
    """A source of a flow. ``identity``: digest of the stored form of its spec."""

    name: str
    kind: str
    key_fields: list[Any]
    identity: str


def _storable(value: Any, title: str) -> Any:
    """Return the stored form of ``value``. Raise ``DefinitionError`` if one of its fields is a secret.

    A reference to a secret is refused too: setup would see a change when the password is taken from another place.
    """
    name = _secret_in(value)
    if name:
        raise DefinitionError(
            f"{title}: '{name}' of {type(value).__name__} is a secret and would be part of what setup compares and stores; "
            "take it from an auth entry, or leave it out in get_persistent_key and get_setup_state of the connector"
        )
    return plain_data(value)


def _secret_in(value: Any) -> str:
    """A field with a secret or a reference to one, in a value or what it holds. Keys of mappings are data."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return next(filter(None, map(_secret_in, value)), "")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value)]
    else:
        names = [*getattr(value, "__struct_fields__", getattr(value, "_fields", ()))]
    for name in names:
        inner = getattr(value, name, None)
        if isinstance(inner, SecretRef) or (inner and is_secret(name, inner)):
            return str(name)
        if found := _secret_in(inner):
            return f"{name}.{found}"
    return ""


def _persistent_key(record: Any, spec: Any, name: str) -> Any:
    method = record.method("get_persistent_key")
    return call_blocking(method, *((spec, name) if accepts(method, 2) else (spec,)))


def _former_keys(export: ExportStep, title: str) -> tuple[str, ...]:
    method = export.target.method("former_keys")
    if method is None or not export.default_name or export.setup_by_user:
        return ()
    keys = call_blocking(method, export.spec, export.default_name)
    return tuple(encode_key(_storable(key, title)) for key in keys)


def desired_targets(graph: Graph) -> list[DesiredTarget]:
    """Return the resource of each export and declaration. Calls only connector methods without side effects."""
    found = []
    for export in graph.exports:
        record: Any = export.target
        key = _persistent_key(record, export.spec, export.name)
        title = f"{record.kind} '{export.name}' of flow '{graph.full_name}'"
        dumped = _storable(key, title)
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
            item.name: [type(item).__name__, _storable(item, title)] for item in export.attachments
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
                _storable(state, title),
                schema_identity(export.key_fields),
                schema_identity(export.value_fields),
                export.setup_by_user,
                attachments,
                {item.name: item for item in export.attachments},
                export,
                _former_keys(export, title),
            )
        )
    for step in graph.declarations:
        record = step.declaration
        key = _persistent_key(record, step.spec, record.kind)
        title = f"declaration {record.kind} of flow '{graph.full_name}'"
        get_state = record.method("get_setup_state")
        state = call_blocking(get_state, step.spec) if get_state is not None else step.spec
        found.append(
            DesiredTarget(
                DECLARATION_PREFIX + record.kind,
                encode_key(_storable(key, title)),
                key,
                record.kind,
                record,
                step.spec,
                state,
                _storable(state, title),
                [],
                [],
                False,
                {},
                {},
            )
        )
    return found


def desired_sources(graph: Graph) -> list[DesiredSource]:
    """Return every source, and the pseudo source of the root if entries are collected there."""
    found = [
        DesiredSource(
            step.name,
            step.source.kind,
            schema_identity(step.table.key_fields),
            fingerprint_json([step.source.kind, content_data(step.spec)]).hex(),
        )
        for step in graph.sources
    ]
    if any(plan.name == ROOT_SOURCE for plan in Planner(graph).plan().sources):
        found.append(DesiredSource(ROOT_SOURCE, ROOT_SOURCE, [], ""))
    return found
