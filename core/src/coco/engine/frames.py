"""Columns of one batch, scope by scope.

A frame holds the rows of one scope: columns by slot, and for each row the index of its parent row.
Values of ancestors are gathered down on demand; tables with added fields are grouped back.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from coco.flow.graph import ROOT_SCOPE, Constant, Graph, SlotRef, StructRef, TableRef, ValueRef
from coco.hot import compose, explode, field_of, gather, implode, regroup
from coco.types.schema import TableType


class Frame:
    """Rows of one scope. ``parents[i]``: index of row i's parent in the parent scope's frame."""

    __slots__ = ("columns", "count", "parents")

    def __init__(self, count: int, parents: list[int] | None) -> None:
        self.count = count
        self.parents = parents
        self.columns: dict[int, list[Any]] = {}


class RootData(Struct):
    """Values at the root of the flow that rows of sources look up.

    values: by slot. wholes: of ``Program.wholes``, by the identity of the reference.
    """

    values: dict[int, Any] = field(default_factory=dict)
    wholes: dict[int, Any] = field(default_factory=dict)


class Place:
    """The way from source rows to rows of a nested table, innermost level first: name, parents, key columns.

    It references no other values, so that it may be kept longer than the frames.
    """

    __slots__ = ("_levels",)

    def __init__(self, levels: list[tuple[str, list[int], list[tuple[str, list[Any]]]]]) -> None:
        self._levels = levels

    def of(self, row: int) -> str:
        """Names a row for messages: ``chunks[3] (start=40) / words[0]``. Numbers count from 0 within a table.

        Empty for a source row.
        """
        parts: list[str] = []
        for name, parents, keys in self._levels:
            number = row - bisect.bisect_left(parents, parents[row])
            shown = ", ".join(f"{key}={_brief(column[row])}" for key, column in keys)
            parts.append(f"{name}[{number}]" + (f" ({shown})" if shown else ""))
            row = parents[row]
        return " / ".join(reversed(parts))


class Frames:
    """All frames of one batch. The base scope holds one row per source row."""

    def __init__(self, graph: Graph, base: int, count: int, roots: RootData) -> None:
        self._graph = graph
        self._base = base
        self._roots = roots
        self._frames: dict[int, Frame] = {base: Frame(count, None)}
        self._maps: dict[tuple[int, int], list[int] | None] = {}
        if base != ROOT_SCOPE:
            self._frames[ROOT_SCOPE] = Frame(1, None)

    def frame(self, scope: int) -> Frame:
        return self._frames[scope]

    def set_column(self, slot: int, column: list[Any]) -> None:
        self._frames[self._graph.slots[slot].scope].columns[slot] = column

    def explode(self, scope: int) -> None:
        """Fill a scope's row slots from its table."""
        node = self._graph.scopes[scope]
        table = node.table
        if table is None or node.parent is None:
            return
        kind = table.type.type
        assert isinstance(kind, TableType)
        parents, columns = explode(self.column(table, node.parent), len(kind.row.fields))
        frame = Frame(len(parents), parents)
        for slot, column in zip((*node.key_slots, *node.value_slots), columns, strict=True):
            frame.columns[slot] = column
        self._frames[scope] = frame

    def rows_to(self, scope: int, ancestor: int) -> list[int] | None:
        """Row of ``scope`` -> row of ``ancestor``; None when they are the same scope."""
        if scope == ancestor:
            return None
        known = self._maps.get((scope, ancestor))
        if known is None:
            parents = self._frames[scope].parents
            assert parents is not None
            parent = self._graph.scopes[scope].parent
            assert parent is not None
            above = self.rows_to(parent, ancestor)
            known = parents if above is None else compose(parents, above)
            self._maps[(scope, ancestor)] = known
        return known

    def owners(self, scope: int) -> list[int]:
        """Row of ``scope`` -> source row."""
        known = self.rows_to(scope, self._base)
        return list(range(self._frames[scope].count)) if known is None else known

    def place(self, scope: int) -> Place:
        """The path from source rows to rows of ``scope``."""
        levels = []
        at: int | None = scope
        while at is not None and at != self._base and (parents := self._frames[at].parents) is not None:
            node, columns = self._graph.scopes[at], self._frames[at].columns
            keys = [(self._graph.slots[slot].name, columns[slot]) for slot in node.key_slots]
            levels.append((node.path.rpartition(".")[2], parents, keys))
            at = node.parent
        return Place(levels)

    def column(self, ref: ValueRef, scope: int) -> list[Any]:
        """The values of ``ref``, one per row of ``scope``."""
        if isinstance(ref, Constant):
            return [ref.value] * self._frames[scope].count
        home = self._graph.slots[ref.slot].scope
        at_root = home == ROOT_SCOPE and self._base != ROOT_SCOPE
        if at_root and not isinstance(ref, SlotRef):
            return [self._roots.wholes[id(ref)]] * self._frames[scope].count
        if isinstance(ref, TableRef):
            return self._down(self._table(ref, home), scope, home)
        if isinstance(ref, StructRef):
            return self._down(self._struct(ref, home), scope, home)
        if at_root:
            value = self._roots.values[ref.slot]
            for position in ref.path:
                value = None if value is None else value[position]
            return [value] * self._frames[scope].count
        column = self._frames[home].columns[ref.slot]
        for position in ref.path:
            column = field_of(column, position)
        return self._down(column, scope, home)

    def root_data(self, wholes: Sequence[ValueRef]) -> RootData:
        """The values that an evaluation at the root of the flow computed."""
        values = {slot: column[0] for slot, column in self._frames[ROOT_SCOPE].columns.items() if column}
        return RootData(values, {id(ref): self.column(ref, ROOT_SCOPE)[0] for ref in wholes})

    def _down(self, column: list[Any], scope: int, home: int) -> list[Any]:
        rows = self.rows_to(scope, home) if home != scope else None
        return column if rows is None else gather(column, rows)

    def _table(self, ref: TableRef, home: int) -> list[Any]:
        tables = self.column(SlotRef(ref.slot, ref.type, ref.path), home)
        added = [self.column(item, ref.row_scope) for item in ref.added]
        if not ref.fields:
            return implode(tables, added)
        node, rows = self._graph.scopes[ref.row_scope], self._frames[ref.row_scope].columns
        fields = [
            rows[slot] if item is None else self.column(item, ref.row_scope)
            for slot, item in zip((*node.key_slots, *node.value_slots), ref.fields, strict=True)
        ]
        return regroup(tables, [*fields, *added])

    def _struct(self, ref: StructRef, home: int) -> list[Any]:
        structs = self.column(SlotRef(ref.slot, ref.type, ref.path), home)
        fields = [
            field_of(structs, position) if item is None else self.column(item, home)
            for position, item in enumerate(ref.fields)
        ]
        return [
            None if value is None else row
            for value, row in zip(structs, zip(*fields, strict=True), strict=True)
        ]


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def plain_ref(graph: Graph, slot: int) -> SlotRef:
    """A reference to a whole slot."""
    return SlotRef(slot, graph.slots[slot].type)
