"""Tables whose rows were given further fields, as values (F-072)."""

from __future__ import annotations

from collections.abc import Iterator

from coco.flow.graph import Constant, SlotRef, TableRef, ValueRef
from coco.flow.nodes import ScopeNode, Value
from coco.flow.state import BuildState
from coco.types.schema import EnrichedValueType, FieldSchema, StructSchema, TableType


def with_added_fields(state: BuildState, ref: SlotRef, what: str) -> ValueRef:
    """``ref`` as it is, or as a ``TableRef`` if fields were added to the table's rows by now.

    Raises ``DefinitionError`` for a source's whole table (its rows are never in one place at one time), and
    where added fields cannot be put back into the value.
    """
    slot = state.slots[ref.slot]
    if slot.source is not None:
        raise state.error(
            f"{what} takes the whole table of source {slot.label}, whose rows are processed one by one: "
            "use row() and work on each row",
            scope=slot.scope,
        )
    scope = state.row_scopes.get((ref.slot, ref.path))
    inner = [
        other
        for (slot_id, path), other in state.row_scopes.items()
        if slot_id == ref.slot and len(path) > len(ref.path) and path[: len(ref.path)] == ref.path
    ]
    for other in inner:
        if _has_added(state, other):
            raise _cannot_put_back(state, ref, other, what)
    if scope is None:
        return ref
    for row_slot in scope.slots:
        for other in _scopes_over(state, row_slot.id):
            if _has_added(state, other):
                raise _cannot_put_back(state, ref, other, what)
    if not scope.added:
        return ref
    if ref.path:
        raise _cannot_put_back(state, ref, scope, what)
    table = ref.type.type
    assert isinstance(table, TableType)
    added: list[ValueRef] = []
    fields = list(table.row.fields)
    for name in scope.added:
        value = scope.fields[name]
        item: ValueRef = value if isinstance(value, Constant) else with_added_fields(state, value, what)
        added.append(item)
        fields.append(FieldSchema(name, item.type))
    row = StructSchema(tuple(fields), table.row.description)
    type_ = EnrichedValueType(
        TableType(table.kind, row, table.num_key_parts), ref.type.nullable, ref.type.attrs
    )
    return TableRef(ref.slot, scope.id, tuple(added), type_)


def check_no_cycle(state: BuildState, scope: ScopeNode, field: str, value: Value) -> None:
    """Raise if ``value``, as a field of ``scope``'s rows, would contain those very rows."""
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
            for name in scope.added:
                yield from _tables_within(state, scope.fields[name])


def _scopes_over(state: BuildState, slot: int) -> list[ScopeNode]:
    return [scope for (slot_id, _), scope in state.row_scopes.items() if slot_id == slot]


def _has_added(state: BuildState, scope: ScopeNode) -> bool:
    if scope.added:
        return True
    return any(_has_added(state, other) for slot in scope.slots for other in _scopes_over(state, slot.id))


def _cannot_put_back(state: BuildState, ref: SlotRef, scope: ScopeNode, what: str) -> Exception:
    return state.error(
        f"{what} takes {state.describe(ref)} as a whole after fields were added to the rows of "
        f"{scope.title}, which "
        "lie inside another value; use it before adding the fields, or use the table itself",
        scope=scope,
    )
