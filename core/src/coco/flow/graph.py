"""The immutable typed graph that a flow function leaves behind.

Data lives in *slots*: one slot is one column of engine values, belonging to one scope. Scope 0 is
the root (one row per run); every other scope stands for the rows of one table slot. A step reads
slots of its own scope or of ancestors and fills one slot of its own scope. Nothing here refers to
the builder API, so a graph can be planned, shown, compared and fingerprinted on its own.
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
    """Where in the user's code a step was written, for messages."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Slot(Struct, frozen=True):
    """One column. ``name`` is the field's name, or an automatic one."""

    id: int
    scope: int
    name: str
    type: EnrichedValueType


class SlotRef(Struct, frozen=True):
    """The value of a slot, or of a struct field inside it (``path``: field positions, outermost first).

    If a struct on the way is null, the value is null.
    """

    slot: int
    type: EnrichedValueType
    path: tuple[int, ...] = ()


class TableRef(Struct, frozen=True):
    """A table (see ``SlotRef`` for ``slot`` and ``path``) together with what was added to its rows.

    ``added``: slots of ``row_scope`` appended to each row, in order. ``fields``: None per field of the row that
    stays as it is, else what stands in its place, a table or struct inside which fields were added; empty if all
    stay. ``type`` is the table type including all that. Where nothing was added a plain ``SlotRef`` is used instead.
    """

    slot: int
    row_scope: int
    added: tuple[ValueRef, ...]
    type: EnrichedValueType
    path: tuple[int, ...] = ()
    fields: tuple[ValueRef | None, ...] = ()

    @property
    def inner(self) -> tuple[ValueRef, ...]:
        """What its rows take from elsewhere."""
        return (*(item for item in self.fields if item is not None), *self.added)


class StructRef(Struct, frozen=True):
    """A struct (see ``SlotRef``) inside which fields were added to rows of tables.

    ``fields``: None per field that stays as it is, else what stands in its place. A null struct stays null.
    """

    slot: int
    fields: tuple[ValueRef | None, ...]
    type: EnrichedValueType
    path: tuple[int, ...] = ()

    @property
    def inner(self) -> tuple[ValueRef, ...]:
        """The fields that do not stay as they are."""
        return tuple(item for item in self.fields if item is not None)


class Constant(Struct, frozen=True):
    """A value known when the flow is defined. ``python`` is what the user wrote."""

    value: EngineValue
    type: EnrichedValueType
    python: Any = None


class GeneratedUuid(Struct, frozen=True):
    """A stable id derived from its sibling fields."""


ValueRef: TypeAlias = SlotRef | TableRef | StructRef | Constant


class Scope(Struct, frozen=True):
    """Rows of a table (or the root). Row fields are slots filled by exploding ``table``.

    ``path``: dotted name for messages, e.g. ``documents.chunks``; the root's is empty.
    ``key_slots`` are empty for an LTable; ``value_slots`` follow the table's value fields.
    ``source``: name of the source whose rows (or whose descendants' rows) these are; None for the root
    and for scopes over tables computed at the root.
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
    """Imports a source's rows as a KTable into a root slot. ``row_scope`` always exists."""

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
    """Calls a function once per row of ``scope``. ``args`` are aligned with ``function.params``.

    ``path``: dotted name of the field it fills, for messages, e.g. ``documents.chunks.embedding``.
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

    ``fields`` are aligned with the collector's schema; ``None`` stands for a field that this call
    does not give (null).
    """

    id: int
    collector: int
    scope: int
    fields: tuple[ValueRef | GeneratedUuid | None, ...]
    location: CodeLocation | None = None


class Collector(Struct, frozen=True):
    """Entries gathered from its scope and below; ``schema`` is the union of all calls."""

    id: int
    name: str
    scope: int
    schema: tuple[FieldSchema, ...]
    collects: tuple[CollectStep, ...]


class ExportStep(Struct, frozen=True):
    """A collector's entries kept as rows of a target.

    ``key_positions`` / ``value_positions``: where key and value fields stand in the collector's
    schema; key order is the order the user gave.
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
    """The name from which coco named the resource; empty where the user named it."""


class DeclarationStep(Struct, frozen=True):
    """Something about a target system that no collector exports."""

    spec: Any
    declaration: RegisteredDeclaration
    location: CodeLocation | None = None


class NamedField(Struct, frozen=True):
    """A field that the user assigned: a name for a value within a scope.

    The first name of a value is usually its slot's name too; further ones are aliases. Execution
    needs only the slots; this is for reports and dumps.
    """

    scope: int
    name: str
    ref: SlotRef | Constant
    location: CodeLocation | None = None


class DefinitionPlace(Struct, frozen=True):
    """Where a flow function is written: real path of the file, qualified name in it."""

    file: str
    qualname: str


class Graph(Struct, frozen=True):
    """A whole flow. ``slots[i].id == i``, ``scopes[i].id == i``; ``transforms`` in definition order.

    ``fields``: what the user named, in the order of assignment. ``place``: None where no file holds the definition.
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
        """Scope ids from ``scope`` up to the root, both included."""
        chain = []
        current: int | None = scope
        while current is not None:
            chain.append(current)
            current = self.scopes[current].parent
        return tuple(chain)

    def is_within(self, scope: int, ancestor: int) -> bool:
        """Whether ``scope`` is ``ancestor`` or lies below it."""
        return ancestor in self.scope_chain(scope)


class InlineGraph(Struct, frozen=True):
    """A transform flow built for evaluation in memory: parameters are root slots."""

    name: str
    graph: Graph
    params: tuple[int, ...]
    result: ValueRef
