"""Tables of labels and relationship types: names, keys, and rows on their way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from coco.kit.quoting import quote_cypher
from coco.typing import BasicValueType
from coco_kit_graph import nested
from coco_kit_graph.marks import KEY
from coco_kit_graph.schema import Property
from coco_target_kuzu.types import NATIVE_KEYS, Column, column

Row = tuple[Any, ...]
TEXT = column(BasicValueType("Str"))


@dataclass(frozen=True)
class Field:
    """A property with its column."""

    name: str
    column: Column

    @property
    def quoted(self) -> str:
        return quote_cypher(self.name)

    def read_from(self, variable: str) -> str:
        """The expression that gives the property of an element."""
        return self.column.reading(f"{variable}.{self.quoted}")

    @property
    def declared(self) -> str:
        """As in CREATE TABLE."""
        return f"{self.quoted} {self.column.ddl}"


def fields_of(items: Sequence[Property]) -> list[Field]:
    """Properties with their columns."""
    return [Field(item.name, column(item.value_type)) for item in items]


class PrimaryKey:
    """The one column that identifies an element: the key itself, or a text made from it.

    field: that column. derived: whether it is made. of: key -> its value, a str or an int.
    """

    def __init__(self, key: Sequence[Property]) -> None:
        self.parts = fields_of(key)
        types = [item.value_type for item in key]
        first = types[0]
        self.derived = not (
            len(types) == 1 and isinstance(first, BasicValueType) and first.kind in NATIVE_KEYS
        )
        self.of: Callable[[Row], Any]
        if self.derived:
            self.field = Field(KEY, TEXT)
            self.of = nested.key_text(types)
        else:
            self.field = self.parts[0]
            self.of = lambda key: key[0]

    @property
    def others(self) -> list[Field]:
        """Key properties besides the primary key."""
        return self.parts if self.derived else []

    @property
    def declared(self) -> list[str]:
        """Columns of the key."""
        return [item.declared for item in (*([self.field] if self.derived else []), *self.parts)]


class Columns:
    """Builds the table that a statement reads, and names its columns: c0, c1 and so on."""

    def __init__(self) -> None:
        self._arrays: list[pa.Array] = []
        self.expressions: list[str] = []

    def add(self, kind: Column, values: Sequence[Any]) -> str:
        """One more column; gives the expression that stands for it in the statement."""
        name = f"c{len(self._arrays)}"
        self._arrays.append(kind.to_array(values))
        self.expressions.append(name if kind.cast is None else f"CAST({name}, '{kind.cast}')")
        return self.expressions[-1]

    def add_rows(self, fields: Sequence[Field], rows: Sequence[Row]) -> list[tuple[str, str]]:
        """A column for each field of rows; gives (quoted property, expression)."""
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
        added = []
        for item, values in zip(fields, cells, strict=True):
            try:
                added.append((item.quoted, self.add(item.column, values)))
            except ValueError as error:
                raise ValueError(f"property {item.name}: {error}") from error
        return added

    def table(self) -> pa.Table:
        return pa.table({f"c{place}": array for place, array in enumerate(self._arrays)})


def sets(variable: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The list after SET."""
    return ", ".join(f"{variable}.{name} = {value}" for name, value in pairs)
