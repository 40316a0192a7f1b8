"""The mutable records of a flow function's calls, from which the graph is made.

They refer to one another by ``SlotRef``, ``TableRef`` and ``Constant`` of the graph, with slot numbers of the build.
``finish`` drops slots that are not needed and numbers the others again.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

from coco.flow.graph import CodeLocation, Constant, GeneratedUuid, SlotRef, ValueRef
from coco.index import IndexOptions
from coco.types.schema import EnrichedValueType, TableType

if TYPE_CHECKING:
    from coco.ops.registry import BoundFunction, RegisteredDeclaration, RegisteredSource, RegisteredTarget

Value: TypeAlias = SlotRef | Constant
"""The value that a slice refers to. Fields that are added to a table's rows are looked up when the slice is used."""


class SlotNode(Struct, eq=False):
    """A column.

    name: the first field that it is assigned to, or an automatic name; None as long as there is neither. kind: of the
    operation that fills it, or the field's name for a column of a table's rows. pinned: kept even if it is not used.
    """

    id: int
    scope: ScopeNode
    type: EnrichedValueType
    kind: str
    name: str | None = None
    source: SourceNode | None = None
    pinned: bool = False

    @property
    def label(self) -> str:
        """The name, or a description for messages as long as there is no name."""
        return self.name or f"<{self.kind}>"


class ScopeNode(Struct, eq=False):
    """The root, or the rows of a table.

    table: the table. table_slot, table_path: its column, and the names of the struct fields that lead to it. slots: of the
    row's fields, key parts first. fields: all that can be read by name. added: names that the user assigned. handles:
    number of ``DataScope`` objects that are open.
    """

    id: int
    parent: ScopeNode | None
    table: SlotRef | None = None
    table_slot: SlotNode | None = None
    table_path: tuple[str, ...] = ()
    slots: list[SlotNode] = field(default_factory=list)
    key_count: int = 0
    fields: dict[str, Value] = field(default_factory=dict)
    added: dict[str, CodeLocation | None] = field(default_factory=dict)
    collectors: dict[str, CollectorNode] = field(default_factory=dict)
    handles: int = 0
    max_inflight_rows: int | None = None
    max_inflight_bytes: int | None = None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def path(self) -> str:
        """The dotted name for messages; empty for the root."""
        if self.parent is None or self.table_slot is None:
            return ""
        names = [self.parent.path, self.table_slot.label, *self.table_path]
        return ".".join(name for name in names if name)

    @property
    def title(self) -> str:
        return self.path or "(root)"

    def chain(self) -> list[ScopeNode]:
        """Yield this scope and all enclosing ones, innermost first."""
        found: list[ScopeNode] = []
        current: ScopeNode | None = self
        while current is not None:
            found.append(current)
            current = current.parent
        return found


class SourceNode(Struct, eq=False):
    """A source. ``given_name``: the ``name=`` of ``add_source``; without it, the source has the name of its slot."""

    slot: SlotNode
    spec: Any
    record: RegisteredSource
    given_name: str | None
    table: TableType
    refresh_interval: datetime.timedelta | None
    max_inflight_rows: int | None
    max_inflight_bytes: int | None
    location: CodeLocation | None
    row_scope: ScopeNode | None = None

    @property
    def name(self) -> str | None:
        return self.given_name or self.slot.name


class TransformNode(Struct, eq=False):
    """One use of a function."""

    slot: SlotNode
    function: BoundFunction
    args: tuple[ValueRef, ...]
    location: CodeLocation | None


class CollectNode(Struct, eq=False):
    """One ``collect`` call. It adds an entry for each row of ``scope``."""

    scope: ScopeNode
    fields: Mapping[str, ValueRef | GeneratedUuid]
    location: CodeLocation | None


class CollectorNode(Struct, eq=False):
    """A collector, with its ``collect`` calls so far."""

    name: str
    scope: ScopeNode
    location: CodeLocation | None
    collects: list[CollectNode] = field(default_factory=list)


class ExportNode(Struct, eq=False):
    """An ``export`` call whose fields are not checked yet.

    default_name: the default name that coco gave the resource; empty if the user named it.
    """

    name: str
    collector: CollectorNode
    spec: Any
    record: RegisteredTarget
    index_options: IndexOptions
    attachments: Sequence[Any]
    setup_by_user: bool
    location: CodeLocation | None
    default_name: str = ""

    @property
    def default_named(self) -> bool:
        """Whether the resource has a default name."""
        return bool(self.default_name)


class DeclarationNode(Struct, eq=False):
    """A ``declare`` call."""

    spec: Any
    record: RegisteredDeclaration
    location: CodeLocation | None
