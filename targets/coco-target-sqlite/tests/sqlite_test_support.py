"""Schemas in few words, a table to work on, and a source whose rows a test holds in its hands."""

from __future__ import annotations

import dataclasses
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from coco import op
from coco.index import FtsIndexDef, IndexOptions, VectorIndexDef
from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, ValueType, VectorTypeSchema
from coco_target_sqlite import setup, states
from coco_target_sqlite.mutate import Table

Row = tuple[Any, ...]


def scalar(kind: str) -> BasicValueType:
    return BasicValueType(kind)


def vector_of(element: BasicValueType, dimension: int | None = None) -> BasicValueType:
    return BasicValueType("Vector", vector=VectorTypeSchema(element, dimension))


FLOATS2 = vector_of(scalar("Float32"), 2)


def field(name: str, type_: ValueType | str, *, nullable: bool = False) -> FieldSchema:
    value_type = scalar(type_) if isinstance(type_, str) else type_
    return FieldSchema(name, EnrichedValueType(value_type, nullable))


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def sql(path: Path, statement: str, *parameters: Any) -> list[Row]:
    """Another connection's view of the file; writes too."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        return db.execute(statement, parameters).fetchall()


@dataclasses.dataclass
class Export:
    """An export without a flow."""

    path: Path
    key: Sequence[FieldSchema]
    values: Sequence[FieldSchema] = ()
    vectors: Sequence[VectorIndexDef] = ()
    texts: Sequence[FtsIndexDef] = ()
    table: str = "t"

    @property
    def table_key(self) -> states.TableKey:
        return states.TableKey(str(self.path), self.table)

    @property
    def state(self) -> states.TableState:
        options = IndexOptions([item.name for item in self.key], self.vectors, self.texts)
        return states.table_state(self.key, self.values, options)

    def set_up(self) -> None:
        setup.apply_change(self.table_key, self.state)

    def open(self) -> Table:
        return Table(str(self.path), self.table, self.key, self.values)

    def write(
        self,
        upserts: dict[Row, Row] | None = None,
        deletes: Sequence[Row] = (),
        changed: list[tuple[int, ...] | None] | None = None,
    ) -> None:
        rows = upserts or {}
        batch = MutationColumns(
            self.key, self.values, list(rows), list(rows.values()), list(deletes), changed
        )
        with closing(self.open()) as table:
            table.mutate(batch)

    def rows(self) -> dict[Row, Row]:
        """What the table gives back, in engine values."""
        with closing(self.open()) as table:
            keys = [key for batch in table.list_keys() for key in batch]
            assert table.count() == len(keys)
            return table.read_rows(keys)


SHELF: dict[str, dict[str, str]] = {}
"""Rows of the test source, by shelf and name."""


class Bookcase(op.SourceSpec):
    name: str


class BookKey(NamedTuple):
    title: str


@dataclasses.dataclass
class Book:
    text: str


@op.source_connector(spec_cls=Bookcase, key_type=BookKey, value_type=Book)
class BookcaseConnector:
    def __init__(self, name: str) -> None:
        self._books = SHELF[name]

    @staticmethod
    def create(spec: Bookcase) -> BookcaseConnector:
        return BookcaseConnector(spec.name)

    @staticmethod
    def provides_ordinal() -> bool:
        return False

    def list(self, options: op.SourceReadOptions) -> Iterator[op.PartialSourceRow[BookKey, Book]]:
        for title in self._books:
            yield op.PartialSourceRow(BookKey(title), op.PartialSourceRowData(ordinal=op.NO_ORDINAL))

    def get_value(self, key: BookKey, options: op.SourceReadOptions) -> op.PartialSourceRowData[Book]:
        text = self._books.get(key.title)
        if text is None:
            return op.PartialSourceRowData(op.NON_EXISTENCE)
        return op.PartialSourceRowData(Book(text), op.NO_ORDINAL)
