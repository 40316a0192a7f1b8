"""The state of one flow while its function runs: what is defined so far, and where each value may be used."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar

from coco.errors import DefinitionError, LifecycleError
from coco.flow.graph import CodeLocation, Constant, SlotRef, ValueRef
from coco.flow.names import AutomaticNames, automatic_prefix
from coco.flow.nodes import (
    CollectorNode,
    DeclarationNode,
    ExportNode,
    ScopeNode,
    SlotNode,
    SourceNode,
    TransformNode,
    Value,
)
from coco.flow.places import Locator
from coco.types.schema import EnrichedValueType, StructType, TableType

CURRENT: ContextVar[BuildState | None] = ContextVar("coco_flow_being_defined", default=None)
"""The flow whose function is running."""


class BuildState:
    """All that the calls of one flow function have defined so far.

    owner: "flow Demo" or "transform flow ask", for messages.
    """

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.owner = owner
        self.locator = Locator(owner)
        self.slots: list[SlotNode] = []
        self.scopes: list[ScopeNode] = []
        self.sources: list[SourceNode] = []
        self.transforms: list[TransformNode] = []
        self.collectors: list[CollectorNode] = []
        self.exports: dict[str, ExportNode] = {}
        self.declarations: list[DeclarationNode] = []
        self.blocks: list[ScopeNode] = []
        self.assigned: list[tuple[ScopeNode, str]] = []
        self.automatic = AutomaticNames()
        self.row_scopes: dict[tuple[int, tuple[int, ...]], ScopeNode] = {}
        self.finished = False
        self._names: set[str] = set()
        self.root = self._new_scope(None)

    def error(
        self,
        message: str,
        *,
        scope: ScopeNode | None = None,
        field: str = "",
        at: CodeLocation | None = None,
    ) -> DefinitionError:
        """Return a ``DefinitionError`` with its place."""
        return self.locator.error(message, scope=scope.title if scope else "", field=field, at=at)

    def check_open(self) -> None:
        """Raise ``LifecycleError`` once the flow function has returned."""
        if self.finished:
            raise LifecycleError(
                f"the definition of {self.owner} is complete: builders, scopes and slices work only while "
                "the "
                "flow function runs"
            )

    # names

    def note_name(self, name: str) -> None:
        """Note a name that the user chose, so that no automatic name equals it."""
        self._names.add(name)

    def is_taken(self, name: str) -> bool:
        """Return whether a name is taken, and so cannot be an automatic one."""
        return name in self._names

    def name_automatically(self, slot: SlotNode) -> str:
        """Return the name of a slot; give it an automatic one if it has none."""
        if slot.name is None:
            slot.name = self.automatic.take(automatic_prefix(slot.kind), self.is_taken)
            self._names.add(slot.name)
        return slot.name

    def automatic_collector_name(self, scope: ScopeNode) -> str:
        name = self.automatic.take(
            "_collector_", lambda name: name in self._names or name in scope.collectors
        )
        self._names.add(name)
        return name

    # slots and scopes

    def new_slot(
        self, scope: ScopeNode, type_: EnrichedValueType, kind: str, name: str | None = None
    ) -> SlotNode:
        slot = SlotNode(len(self.slots), scope, type_, kind, name)
        self.slots.append(slot)
        return slot

    def _new_scope(self, parent: ScopeNode | None) -> ScopeNode:
        scope = ScopeNode(len(self.scopes), parent)
        self.scopes.append(scope)
        return scope

    def row_scope(self, table: SlotRef, names: tuple[str, ...]) -> ScopeNode:
        """Return the scope of a table's rows. Later calls return the same scope.

        names: the struct fields that lead from the slot to the table.
        """
        known = self.row_scopes.get((table.slot, table.path))
        if known is not None:
            return known
        kind = table.type.type
        assert isinstance(kind, TableType)
        owner = self.slots[table.slot]
        scope = self._new_scope(owner.scope)
        scope.table, scope.table_slot, scope.table_path = table, owner, names
        scope.key_count = len(kind.key_fields)
        for item in kind.row.fields:
            slot = self.new_slot(scope, item.value_type, item.name, item.name)
            slot.pinned = True
            scope.slots.append(slot)
            scope.fields[item.name] = SlotRef(slot.id, slot.type)
        self.row_scopes[table.slot, table.path] = scope
        if owner.source is not None:
            owner.source.row_scope = scope
        return scope

    def home(self, value: Value) -> ScopeNode:
        """Return the scope that a value belongs to; the root for constants."""
        return self.root if isinstance(value, Constant) else self.slots[value.slot].scope

    def innermost(self, scopes: Iterable[ScopeNode], what: str) -> ScopeNode:
        """Return the deepest of some scopes. Raise ``DefinitionError`` unless it lies within all others."""
        deepest = self.root
        seen: list[ScopeNode] = []
        for scope in scopes:
            seen.append(scope)
            if scope.depth > deepest.depth:
                deepest = scope
        around = deepest.chain()
        for scope in seen:
            if scope not in around:
                raise self.error(
                    f"{what} cannot combine values of the scopes {deepest.title} and {scope.title}: neither "
                    "lies "
                    "within the other, so no row of one belongs to a row of the other",
                    scope=deepest,
                )
        return deepest

    # use of values

    def use(self, value: Value, what: str) -> ValueRef:
        """Check and name a value that is used as an argument, a collected field or a table, and add its added fields."""
        from coco.flow.tables import with_added_fields

        self.check_reachable(value, what)
        if isinstance(value, Constant):
            return value
        self.name_automatically(self.slots[value.slot])
        return with_added_fields(self, value, what)

    def check_reachable(self, value: Value, what: str) -> None:
        """Raise ``DefinitionError`` if the ``with`` block of a value's scope, or of an enclosing one, has ended."""
        for scope in self.home(value).chain():
            if scope.handles == 0 and scope is not self.root:
                raise self.error(
                    f"{what} uses {self.describe(value)}, but the `with` block of its scope {scope.title} has ended: "
                    "a row's fields can be used only inside that block",
                    scope=scope,
                )

    # description

    def describe(self, value: Value) -> str:
        """Return ``documents.chunks.text``, or the text of a constant."""
        if isinstance(value, Constant):
            return f"the constant {value.python!r}"
        slot = self.slots[value.slot]
        names = [slot.scope.path, slot.label, *self.field_names(value)]
        return ".".join(name for name in names if name)

    def field_names(self, ref: SlotRef) -> tuple[str, ...]:
        """Return the names of the struct fields on the path of a reference."""
        names = []
        current = self.slots[ref.slot].type.type
        for position in ref.path:
            assert isinstance(current, StructType)
            names.append(current.fields[position].name)
            current = current.fields[position].value_type.type
        return tuple(names)

    def lineage(self, value: Value) -> dict[str, str]:
        """Return a JSON-able reference to the origin of data."""
        assert isinstance(value, SlotRef)
        slot = self.slots[value.slot]
        return {"scope": slot.scope.path, "field": ".".join((slot.label, *self.field_names(value)))}
