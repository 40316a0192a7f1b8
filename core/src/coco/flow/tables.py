"""Values of tables with fields that the user added to their rows, and of structs that hold such tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coco.flow.graph import Constant, SlotRef, StructRef, TableRef, ValueRef
from coco.flow.nodes import ScopeNode, Value
from coco.flow.state import BuildState
from coco.types.schema import EnrichedValueType, FieldSchema, StructSchema, StructType, TableType


def with_added_fields(state: BuildState, ref: SlotRef, what: str) -> ValueRef:
    """Return ``ref`` with the fields that have been added to rows of the tables that it is or holds.

    Raises ``DefinitionError`` for the whole table of a source: its rows are processed one by one.
    """
    slot = state.slots[ref.slot]
    if slot.source is not None:
        raise state.error(
            f"{what} takes the whole table of source {slot.label}, whose rows are processed one by one: "
            "use row() and work on each row",
            scope=slot.scope,
        )
    kind = ref.type.type
    if isinstance(kind, TableType):
        return _table(state, ref, kind, what)
    if isinstance(kind, StructType) and any(
        slot_id == ref.slot and path[: len(ref.path)] == ref.path for slot_id, path in state.row_scopes
    ):
        return _struct(state, ref, kind, what)
    return ref


def _table(state: BuildState, ref: SlotRef, kind: TableType, what: str) -> ValueRef:
    scope = state.row_scopes.get((ref.slot, ref.path))
    if scope is None:
        return ref
    rows = [with_added_fields(state, SlotRef(item.id, item.type), what) for item in scope.slots]
    replaced, fields = _replaced(kind.row.fields, rows)
    if not replaced and not scope.added:
        return ref
    added: list[ValueRef] = []
    for name in scope.added:
        value = scope.fields[name]
        item: ValueRef = value if isinstance(value, Constant) else with_added_fields(state, value, what)
        added.append(item)
        fields.append(FieldSchema(name, item.type))
    row = StructSchema(tuple(fields), kind.row.description)
    type_ = EnrichedValueType(
        TableType(kind.kind, row, kind.num_key_parts), ref.type.nullable, ref.type.attrs
    )
    return TableRef(ref.slot, scope.id, tuple(added), type_, ref.path, replaced)


def _struct(state: BuildState, ref: SlotRef, kind: StructType, what: str) -> ValueRef:
    parts = [
        with_added_fields(state, SlotRef(ref.slot, item.value_type, (*ref.path, position)), what)
        for position, item in enumerate(kind.fields)
    ]
    replaced, fields = _replaced(kind.fields, parts)
    if not replaced:
        return ref
    type_ = EnrichedValueType(StructType(tuple(fields), kind.description), ref.type.nullable, ref.type.attrs)
    return StructRef(ref.slot, replaced, type_, ref.path)


def _replaced(
    fields: Sequence[FieldSchema], values: Sequence[ValueRef]
) -> tuple[tuple[ValueRef | None, ...], list[FieldSchema]]:
    """Return the value that replaces each field, empty if none is replaced, and the schemas of the fields with it."""
    replaced = tuple(None if isinstance(value, SlotRef) else value for value in values)
    schemas = [
        item if value is None else FieldSchema(item.name, value.type, item.description)
        for item, value in zip(fields, replaced, strict=True)
    ]
    return (() if all(value is None for value in replaced) else replaced), schemas


def check_no_cycle(state: BuildState, scope: ScopeNode, field: str, value: Value) -> None:
    """Raise ``DefinitionError`` if ``value``, as a field of ``scope``'s rows, would contain these rows."""
    around = [item for item in scope.chain() if item.parent is not None]
    for inner in _tables_within(state, value):
        if inner in around:
            raise state.error(
                f"field {field!r} would put the table {inner.title} into its own rows",
                scope=scope,
                field=f"field {field}",
            )


def _tables_within(state: BuildState, value: Value) -> Iterator[ScopeNode]:
    if isinstance(value, Constant):
        return
    for (slot, path), scope in state.row_scopes.items():
        if slot == value.slot and path[: len(value.path)] == value.path:
            yield scope
            for item in scope.slots:
                yield from _tables_within(state, SlotRef(item.id, item.type))
            for name in scope.added:
                yield from _tables_within(state, scope.fields[name])
