"""A flow's definition as plain data, for programs: operations, types, identities (``coco show --json``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from coco.engine_object import plain_data
from coco.errors import DefinitionError
from coco.flow.graph import (
    CodeLocation,
    Collector,
    Constant,
    ExportStep,
    GeneratedUuid,
    Graph,
    SlotRef,
    TransformStep,
    ValueRef,
)
from coco.plan.fingerprints import LogicFingerprints
from coco.plan.plan import Planner, SourcePlan
from coco.setup.desired import DesiredTarget, desired_sources, desired_targets
from coco.spec.meta import is_secret
from coco.types.schema import FieldSchema, StructType

FORMAT = 1
"""Increased if a reader of the older format would misread the newer one."""


def graph_report(graph: Graph) -> dict[str, Any]:
    """The definition as JSON data. Needs neither state nor setup, and connects to nothing.

    Names of fields include the path of their scope (``documents.chunks.text``); types have their stored form. Specs contain
    the keys of auth entries, never their values.
    """
    return _Report(graph).data()


class _Report:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._logic = LogicFingerprints(graph)
        self._plans = Planner(graph).plan().sources
        self._targets = desired_targets(graph)

    def data(self) -> dict[str, Any]:
        graph = self._graph
        return {
            "format": FORMAT,
            "name": graph.name,
            "full_name": graph.full_name,
            "sources": self._sources(),
            "fields": [
                {
                    "name": self._slot_name(slot.id),
                    "scope": graph.scopes[slot.scope].path,
                    **slot.type.encode(),
                }
                for slot in graph.slots
            ],
            "aliases": [
                {
                    "name": _joined(graph.scopes[item.scope].path, item.name),
                    "value": self._value(item.ref),
                }
                for item in graph.fields
                if not self._is_own_name(item.scope, item.name, item.ref)
            ],
            "transforms": [self._transform(step) for step in graph.transforms],
            "collectors": [self._collector(item) for item in graph.collectors],
            "targets": [self._export(item, item.export) for item in self._targets if item.export is not None],
            "declarations": [self._declaration(item) for item in self._targets if item.export is None],
        }

    # -- operations -------------------------------------------------------------------------------
    def _sources(self) -> list[dict[str, Any]]:
        identities = {item.name: item.identity for item in desired_sources(self._graph)}
        return [
            {
                "name": step.name,
                "op": _op(step.source.kind, step.spec),
                "key_fields": _fields(step.table.key_fields),
                "value_fields": _fields(step.table.value_fields),
                "refresh_interval_seconds": None
                if step.refresh_interval is None
                else step.refresh_interval.total_seconds(),
                "max_inflight_rows": step.max_inflight_rows,
                "max_inflight_bytes": step.max_inflight_bytes,
                "identity": identities[step.name],
                "location": _location(step.location),
            }
            for step in self._graph.sources
        ]

    def _transform(self, step: TransformStep) -> dict[str, Any]:
        function, options = step.function, step.function.op_args
        args = [
            {"name": param.name, "value": self._value(arg)}
            for param, arg in zip(function.params, step.args, strict=True)
        ]
        return {
            "name": self._slot_name(step.slot),
            "scope": self._graph.scopes[step.scope].path,
            "op": _op(function.kind, function.spec),
            "args": args,
            "result": function.result_type.encode(),
            "cache": options.cache,
            "gpu": options.gpu,
            "runner": function.runner,
            "batching": options.batching,
            "max_batch_size": options.max_batch_size,
            "timeout_seconds": options.timeout_seconds,
            "behavior_version": options.behavior_version,
            "identity": function.identity.code.hex(),
            "location": _location(step.location),
        }

    def _collector(self, collector: Collector) -> dict[str, Any]:
        return {
            "name": collector.name,
            "scope": self._graph.scopes[collector.scope].path,
            "fields": _fields(collector.schema),
            "collects": [
                {
                    "scope": self._graph.scopes[step.scope].path,
                    "values": {
                        item.name: self._collected(value)
                        for item, value in zip(collector.schema, step.fields, strict=True)
                        if value is not None
                    },
                    "location": _location(step.location),
                }
                for step in collector.collects
            ],
        }

    def _collected(self, value: ValueRef | GeneratedUuid) -> dict[str, Any]:
        return {"generated": "uuid"} if isinstance(value, GeneratedUuid) else self._value(value)

    def _export(self, wanted: DesiredTarget, export: ExportStep) -> dict[str, Any]:
        options = export.index_options
        return {
            "name": export.name,
            "collector": self._graph.collectors[export.collector].name,
            "op": _op(export.target.kind, export.spec),
            "key_fields": _fields(export.key_fields),
            "value_fields": _fields(export.value_fields),
            "vector_indexes": [plain_data(item) for item in options.vector_indexes],
            "fts_indexes": [plain_data(item) for item in options.fts_indexes],
            "attachments": [
                {"name": item.name, **_op(type(item).__name__, item)} for item in export.attachments
            ],
            "setup_by_user": export.setup_by_user,
            "persistent_key": _plain(wanted.persistent_key),
            "setup_state": _plain(wanted.state),
            "logic": {
                plan.name: self._logic_of(export, plan)
                for plan in self._plans
                if export.name in plan.collects
            },
            "location": _location(export.location),
        }

    def _logic_of(self, export: ExportStep, plan: SourcePlan) -> str:
        """A fingerprint that changes if a change of the definition requires this source's rows to be written again."""
        return self._logic.of_export(export, plan.collects[export.name], None).hex()

    def _declaration(self, wanted: DesiredTarget) -> dict[str, Any]:
        return {
            "op": _op(wanted.record.kind, wanted.spec),
            "persistent_key": _plain(wanted.persistent_key),
            "setup_state": _plain(wanted.state),
        }

    # -- values -----------------------------------------------------------------------------------
    def _value(self, ref: ValueRef) -> dict[str, Any]:
        if isinstance(ref, Constant):
            return {"constant": _plain(ref.python if ref.python is not None else ref.value)}
        names = [self._slot_name(ref.slot)]
        kind = self._graph.slots[ref.slot].type.type
        for position in ref.path:
            assert isinstance(kind, StructType)
            names.append(kind.fields[position].name)
            kind = kind.fields[position].value_type.type
        field = {"field": ".".join(names)}
        if isinstance(ref, SlotRef):
            return field
        return {**field, "with": [self._value(item) for item in ref.inner]}

    def _slot_name(self, slot: int) -> str:
        found = self._graph.slots[slot]
        return _joined(self._graph.scopes[found.scope].path, found.name)

    def _is_own_name(self, scope: int, name: str, ref: SlotRef | Constant) -> bool:
        if isinstance(ref, Constant) or ref.path:
            return False
        slot = self._graph.slots[ref.slot]
        return (slot.scope, slot.name) == (scope, name)


def _op(kind: str, spec: Any) -> dict[str, Any]:
    return {"kind": kind, "spec": _plain(spec)}


def _plain(value: Any) -> Any:
    """Plain data with secrets masked; other values as text."""
    try:
        return _masked(value, plain_data(value))
    except DefinitionError:
        return repr(value)


def _masked(value: Any, data: Any) -> Any:
    """The dump ``data`` of ``value`` without fields that ``repr`` hides."""
    if isinstance(data, list) and isinstance(value, (list, tuple)):
        return [_masked(item, part) for item, part in zip(value, data, strict=True)]
    if not isinstance(data, dict):
        return data
    hidden = set()
    if dataclasses.is_dataclass(value):
        hidden = {item.name for item in dataclasses.fields(value) if not item.repr}
    found = {}
    for name, part in data.items():
        inner = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        found[name] = "***" if name in hidden or is_secret(name, inner) else _masked(inner, part)
    return found


def _fields(fields: tuple[FieldSchema, ...]) -> list[dict[str, Any]]:
    return [item.encode() for item in fields]


def _location(location: CodeLocation | None) -> dict[str, Any] | None:
    return None if location is None else {"file": location.file, "line": location.line}


def _joined(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
