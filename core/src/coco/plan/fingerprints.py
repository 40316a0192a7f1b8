"""Logic fingerprints: they identify the logic that makes the rows of one target from one source.

The fingerprint of an expression is composed of the fingerprints of the expressions that it is computed from. So a changed
function changes exactly the expressions that depend on it. Names of intermediate fields are not part of a fingerprint, so
renaming one reprocesses nothing.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from coco.engine_object import content_data
from coco.flow.graph import (
    CollectStep,
    Constant,
    ExportStep,
    GeneratedUuid,
    Graph,
    SourceStep,
    StructRef,
    TableRef,
    TransformStep,
    ValueRef,
)
from coco.hot import fingerprint
from coco.types.choices import without_values
from coco.types.schema import EnrichedValueType, FieldSchema, StructType, TableType

LOGIC_VERSION = 1
"""We increase it when the engine itself makes other rows from the same graph."""


def fingerprint_json(data: Any) -> bytes:
    """Return the 16-byte fingerprint of JSON-able data. The order of keys does not matter."""
    return fingerprint(json.dumps(data, sort_keys=True, separators=(",", ":"), default=_default).encode())


def _default(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError(f"not part of a fingerprint: {type(value).__name__}")


def schema_identity(fields: tuple[FieldSchema, ...]) -> list[Any]:
    """Return the names and types of fields as data, without descriptions and attributes, which never change values."""
    identity = []
    for item in fields:
        data = without_values(item.encode())
        data.pop("attrs", None)
        data.pop("description", None)
        identity.append(data)
    return identity


def type_identity(type_: EnrichedValueType) -> Any:
    """Return a type as data, without nullability and attributes of the value itself."""
    return without_values(type_.type.encode())


class LogicFingerprints:
    """Computes fingerprints of the expressions of one graph, on demand."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._slots: dict[int, bytes] = {}

    @cached_property
    def _producers(self) -> dict[int, TransformStep]:
        return {step.slot: step for step in self._graph.transforms}

    @cached_property
    def _row_slots(self) -> dict[int, tuple[int, int]]:
        """Return row slot -> (scope, position in the row)."""
        found = {}
        for scope in self._graph.scopes:
            for position, slot in enumerate((*scope.key_slots, *scope.value_slots)):
                found[slot] = (scope.id, position)
        return found

    @cached_property
    def _source_slots(self) -> dict[int, SourceStep]:
        return {step.slot: step for step in self._graph.sources}

    def of_slot(self, slot: int) -> bytes:
        """Return the fingerprint of the computation that fills a slot."""
        known = self._slots.get(slot)
        if known is None:
            known = self._slots[slot] = self._compute(slot)
        return known

    def _compute(self, slot: int) -> bytes:
        source = self._source_slots.get(slot)
        if source is not None:
            return fingerprint_json(["source", source.name, self.source_data_identity(source)])
        row = self._row_slots.get(slot)
        if row is not None:
            scope, position = row
            return fingerprint_json(
                ["row", self.of_scope(scope), position, type_identity(self._graph.slots[slot].type)]
            )
        return self.of_call(self._producers[slot])

    def of_scope(self, scope: int) -> bytes:
        """Return the fingerprint of the iteration over the rows of a scope."""
        node = self._graph.scopes[scope]
        if node.table is None:
            return b"root"
        return fingerprint_json(["each", self.of_ref(node.table)])

    def of_call(self, step: TransformStep) -> bytes:
        function = step.function
        args = [[param.name, self.of_ref(arg)] for param, arg in zip(function.params, step.args, strict=True)]
        return fingerprint_json(["call", function.identity.code, sorted(args, key=lambda item: str(item[0]))])

    def of_ref(self, ref: ValueRef) -> bytes:
        if isinstance(ref, Constant):
            return fingerprint_json(["constant", type_identity(ref.type), repr(ref.value)])
        if isinstance(ref, TableRef):
            return fingerprint_json(
                [
                    "table",
                    self.of_slot(ref.slot),
                    [self.of_ref(item) for item in ref.added],
                    schema_identity(_fields(ref)),
                    *self._replaced(ref),
                ]
            )
        if isinstance(ref, StructRef):
            return fingerprint_json(
                ["struct", self.of_slot(ref.slot), schema_identity(_fields(ref)), *self._replaced(ref)]
            )
        if not ref.path:
            return self.of_slot(ref.slot)
        return fingerprint_json(["field", self.of_slot(ref.slot), list(ref.path)])

    def _replaced(self, ref: TableRef | StructRef) -> list[Any]:
        """Return the fingerprints of values that replace fields, and of the path in the slot; empty if there are none."""
        if not ref.path and not ref.fields:
            return []
        return [list(ref.path), [None if item is None else self.of_ref(item) for item in ref.fields]]

    def of_collect(self, step: CollectStep) -> bytes:
        fields: list[Any] = []
        for item in step.fields:
            if item is None:
                fields.append(None)
            elif isinstance(item, GeneratedUuid):
                fields.append("uuid")
            else:
                fields.append(self.of_ref(item))
        scopes = [self.of_scope(scope) for scope in self._graph.scope_chain(step.scope)]
        return fingerprint_json(["collect", scopes, fields])

    def source_data_identity(self, source: SourceStep) -> Any:
        """What of a source's spec alters values. Row types always count; the rest is the connector's word.

        A connector without ``data_identity`` is taken at its whole spec.
        """
        schema = without_values(source.table.encode())
        declared = source.source.method("data_identity")
        if declared is None:
            return [schema, source.source.kind, content_data(source.spec)]
        return [schema, source.source.kind, declared(source.spec)]

    def of_export(self, export: ExportStep, collects: tuple[CollectStep, ...], target_identity: Any) -> bytes:
        """Return the fingerprint of one source's rows in one target. target_identity: ids and stored form of the target."""
        return fingerprint_json(
            [
                "export",
                LOGIC_VERSION,
                sorted(self.of_collect(step).hex() for step in collects),
                schema_identity(export.key_fields),
                schema_identity(export.value_fields),
                target_identity,
            ]
        )


def _fields(ref: TableRef | StructRef) -> tuple[FieldSchema, ...]:
    """Return the fields of the table's rows, or of the struct."""
    type_ = ref.type.type
    if isinstance(type_, TableType):
        return type_.row.fields
    return type_.fields if isinstance(type_, StructType) else ()
