"""The immutable typed graph of a flow.

A *slot* is one column of engine values and belongs to one scope. Scope 0 is the root, which has one row per run. Every
other scope has the rows of one table slot. A step reads slots of its own scope or of enclosing ones, and fills one slot of
its own scope. The graph does not refer to the builder API, so it can be planned, shown, compared and fingerprinted
without the builder.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from coco.index import IndexOptions
from coco.types.schema import EngineValue, EnrichedValueType, FieldSchema, TableType

if TYPE_CHECKING:
    from coco.ops.registry import (
        BoundFunction,
        BoundTarget,
        RegisteredDeclaration,
        RegisteredSource,
        RegisteredTarget,
    )

ROOT_SCOPE = 0


class CodeLocation(Struct, frozen=True):
    """The place of a step in the user's code, for messages."""

    file: str
    line: int
    text: str = ""
    """The line itself; empty if it cannot be read."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Slot(Struct, frozen=True):
    """One column."""

    id: int
    """The position in ``Graph.slots``."""
    scope: int
    """Id of the scope that it belongs to."""
    name: str
    """The name of the field, or an automatic one."""
    type: EnrichedValueType


class SlotRef(Struct, frozen=True):
    """Refers to the value of a slot, or to a struct field inside it. If a struct on the path is null, the value is null."""

    slot: int
    type: EnrichedValueType
    path: tuple[int, ...] = ()
    """Positions of struct fields, outermost first; empty for the value of the slot itself."""


class TableRef(Struct, frozen=True):
    """Refers to a table with fields that were added to its rows. A table without added fields has a ``SlotRef``."""

    slot: int
    row_scope: int
    added: tuple[ValueRef, ...]
    """Values of ``row_scope`` that are appended to each row, in order."""
    type: EnrichedValueType
    """The type of the table with the added fields."""
    path: tuple[int, ...] = ()
    """As for ``SlotRef``."""
    fields: tuple[ValueRef | None, ...] = ()
    """For each field of the row None, or the table or struct in its place to which fields were added; empty if all are None."""

    @property
    def inner(self) -> tuple[ValueRef, ...]:
        """The values that its rows take from other places."""
        return (*(item for item in self.fields if item is not None), *self.added)


class StructRef(Struct, frozen=True):
    """Refers to a struct that holds tables with added fields. A null struct stays null."""

    slot: int
    fields: tuple[ValueRef | None, ...]
    """For each field of the struct None, or the value in its place."""
    type: EnrichedValueType
    path: tuple[int, ...] = ()

    @property
    def inner(self) -> tuple[ValueRef, ...]:
        """The values that replace fields."""
        return tuple(item for item in self.fields if item is not None)


class Constant(Struct, frozen=True):
    """A value that is known when the flow is defined."""

    value: EngineValue
    type: EnrichedValueType
    python: Any = None
    """The Python value that the user wrote."""


class GeneratedUuid(Struct, frozen=True):
    """A UUID that is derived from the other fields of the entry."""


ValueRef: TypeAlias = SlotRef | TableRef | StructRef | Constant


class Scope(Struct, frozen=True):
    """The rows of a table, or the root. Splitting ``table`` into rows fills the slots of the row's fields.

    path: dotted name for messages, such as ``documents.chunks``; empty for the root. key_slots: empty for an LTable.
    value_slots: in the order of the table's value fields. source: name of the source that the rows belong to, directly or
    through enclosing tables; None for the root and for scopes over tables that are computed at the root.
    """

    id: int
    parent: int | None
    path: str
    table: SlotRef | None = None
    key_slots: tuple[int, ...] = ()
    value_slots: tuple[int, ...] = ()
    source: str | None = None
    max_inflight_rows: int | None = None
    max_inflight_bytes: int | None = None


class SourceStep(Struct, frozen=True):
    """Fills a root slot with the rows of a source, as a KTable. ``row_scope`` always exists."""

    name: str
    spec: Any
    source: RegisteredSource
    slot: int
    row_scope: int
    table: TableType
    refresh_interval: datetime.timedelta | None
    max_inflight_rows: int | None
    max_inflight_bytes: int | None
    location: CodeLocation | None = None


class TransformStep(Struct, frozen=True):
    """Calls a function once per row of ``scope``.

    args: in the order of ``function.params``. path: dotted name of the field that it fills, for messages, such as
    ``documents.chunks.embedding``.
    """

    id: int
    name: str
    path: str
    scope: int
    function: BoundFunction
    args: tuple[ValueRef, ...]
    slot: int
    location: CodeLocation | None = None


class CollectStep(Struct, frozen=True):
    """Adds one entry per row of ``scope`` to a collector.

    fields: in the order of the collector's schema. None means a field that this call leaves out, which is null.
    """

    id: int
    collector: int
    scope: int
    fields: tuple[ValueRef | GeneratedUuid | None, ...]
    location: CodeLocation | None = None


class Collector(Struct, frozen=True):
    """Collects entries from its scope and the scopes below. ``schema`` has the fields of all ``collect`` calls."""

    id: int
    name: str
    scope: int
    schema: tuple[FieldSchema, ...]
    collects: tuple[CollectStep, ...]


class ExportStep(Struct, frozen=True):
    """Keeps the rows of a target equal to the entries of a collector.

    key_positions, value_positions: positions of key and value fields in the collector's schema. Key fields have the order
    that the user gave.
    """

    name: str
    collector: int
    spec: Any
    target: RegisteredTarget
    bound: BoundTarget
    key_fields: tuple[FieldSchema, ...]
    value_fields: tuple[FieldSchema, ...]
    key_positions: tuple[int, ...]
    value_positions: tuple[int, ...]
    index_options: IndexOptions
    attachments: tuple[Any, ...]
    setup_by_user: bool
    location: CodeLocation | None = None
    default_name: str = ""
    """The default name that coco gave the resource; empty if the user named it."""


class DeclarationStep(Struct, frozen=True):
    """Declares something in a target system that no collector exports."""

    spec: Any
    declaration: RegisteredDeclaration
    location: CodeLocation | None = None


class NamedField(Struct, frozen=True):
    """A field that the user assigned: a name for a value within a scope.

    The first name of a value is usually the name of its slot; further names are aliases. Reports and dumps use the names;
    execution needs only the slots.
    """

    scope: int
    name: str
    ref: SlotRef | Constant
    location: CodeLocation | None = None


class DefinitionPlace(Struct, frozen=True):
    """The place of a flow function: the real path of the file, and the qualified name in it."""

    file: str
    qualname: str


class Graph(Struct, frozen=True):
    """A whole flow. ``slots[i].id == i`` and ``scopes[i].id == i``. ``transforms`` are in the order of definition.

    fields: the fields that the user assigned, in order. place: None if no file holds the definition.
    """

    name: str
    full_name: str
    slots: tuple[Slot, ...]
    scopes: tuple[Scope, ...]
    sources: tuple[SourceStep, ...]
    transforms: tuple[TransformStep, ...]
    collectors: tuple[Collector, ...]
    exports: tuple[ExportStep, ...]
    declarations: tuple[DeclarationStep, ...]
    fields: tuple[NamedField, ...] = ()
    place: DefinitionPlace | None = None

    def scope_chain(self, scope: int) -> tuple[int, ...]:
        """Return the scope ids from ``scope`` to the root, both included."""
        chain = []
        current: int | None = scope
        while current is not None:
            chain.append(current)
            current = self.scopes[current].parent
        return tuple(chain)

    def is_within(self, scope: int, ancestor: int) -> bool:
        """Return whether ``scope`` is ``ancestor`` or lies below it."""
        return ancestor in self.scope_chain(scope)


class InlineGraph(Struct, frozen=True):
    """The graph of a transform flow for evaluation in memory. Its parameters are root slots."""

    name: str
    graph: Graph
    params: tuple[int, ...]
    result: ValueRef
