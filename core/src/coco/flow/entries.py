"""Finds the schema of a collector's entries, which has the fields of all its ``collect`` calls."""

from __future__ import annotations

from msgspec import Struct

from coco.flow.constants import retyped
from coco.flow.graph import CodeLocation, Constant, GeneratedUuid, ValueRef
from coco.flow.nodes import CollectNode, CollectorNode
from coco.flow.state import BuildState
from coco.flow.unify import unified
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema

UUID_TYPE = EnrichedValueType(BasicValueType("Uuid"))


class EntrySchema(Struct, frozen=True):
    """The fields of a collector's entries, and the values that each ``collect`` call gives.

    rows: for each call, its values in the order of ``schema``, with None for a field that it leaves out. missing: for each
    field that a call leaves out, the place of that call.
    """

    schema: tuple[FieldSchema, ...]
    rows: tuple[tuple[ValueRef | GeneratedUuid | None, ...], ...]
    missing: dict[str, CodeLocation | None]


def entry_schema(state: BuildState, collector: CollectorNode) -> EntrySchema:
    """Return the schema of a collector.

    Raises ``DefinitionError`` with the places of both calls if their types or generated fields differ.
    """
    names: dict[str, None] = {}
    for call in collector.collects:
        names.update(dict.fromkeys(call.fields))
    _check_generated(state, collector)
    missing: dict[str, CodeLocation | None] = {}
    for call in collector.collects:
        for name in names:
            if name not in call.fields:
                missing.setdefault(name, call.location)
    schema = tuple(FieldSchema(name, _field_type(state, collector, name, name in missing)) for name in names)
    rows = tuple(_row(state, collector, call, schema) for call in collector.collects)
    return EntrySchema(schema, rows, missing)


def _check_generated(state: BuildState, collector: CollectorNode) -> None:
    first: tuple[str, CollectNode] | None = None
    for call in collector.collects:
        for name, value in call.fields.items():
            if not isinstance(value, GeneratedUuid):
                continue
            if first is not None and first[0] != name:
                raise state.error(
                    f"the generated id is field {first[0]!r} in the call {_at(first[1].location)}, but "
                    f"field {name!r} "
                    "here; it must be the same field in every call",
                    scope=call.scope,
                    field=f"collector {collector.name}",
                    at=call.location,
                )
            first = first or (name, call)


def _field_type(state: BuildState, collector: CollectorNode, name: str, missing: bool) -> EnrichedValueType:
    """Return the type of a field: that of its slices, or, if all calls give constants, that of the constants."""
    uses = [(call, call.fields[name]) for call in collector.collects if name in call.fields]
    data = [item for item in uses if not isinstance(item[1], Constant)]
    given = data or [item for item in uses if isinstance(item[1], Constant) and item[1].value is not None]
    result: EnrichedValueType | None = None
    first: CollectNode | None = None
    for call, value in given:
        type_ = UUID_TYPE if isinstance(value, GeneratedUuid) else value.type
        if result is None:
            result, first = type_, call
            continue
        both = unified(result, type_)
        if both is None:
            assert first is not None
            raise state.error(
                f"field {name!r} is {result} in the call {_at(first.location)}, but {type_} here; it must "
                "have one type",
                scope=call.scope,
                field=f"collector {collector.name}",
                at=call.location,
            )
        result = both
    if result is None:
        value = uses[0][1]
        assert isinstance(value, Constant)
        return value.type.as_nullable()
    nulls = any(isinstance(value, Constant) and value.value is None for _, value in uses)
    return result.as_nullable() if nulls or missing else result


def _row(
    state: BuildState, collector: CollectorNode, call: CollectNode, schema: tuple[FieldSchema, ...]
) -> tuple[ValueRef | GeneratedUuid | None, ...]:
    row: list[ValueRef | GeneratedUuid | None] = []
    for item in schema:
        value = call.fields.get(item.name)
        if isinstance(value, Constant):
            with state.locator.locating(
                scope=call.scope.title, field=f"collector {collector.name}", at=call.location
            ):
                value = retyped(value, item.value_type, item.name)
        row.append(value)
    return tuple(row)


def _at(location: CodeLocation | None) -> str:
    return "elsewhere" if location is None else f"in line {location.line}"
