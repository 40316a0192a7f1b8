"""The rows that are loaded: the same on every machine, in natural form and as engine values."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, VectorTypeSchema

WORDS = 60
"""In a text: about 500 characters."""


class Row(NamedTuple):
    """A row as a script has it."""

    name: str
    text: str
    number: int
    vector: list[float]


@dataclass(frozen=True)
class Sample:
    """Batches of rows for scripts, and the same as the engine hands them to targets. ``dimension``: of vectors."""

    dimension: int
    natural: list[list[Row]]
    columns: list[MutationColumns]

    @property
    def size(self) -> int:
        return sum(map(len, self.natural))

    def rows(self) -> Iterator[Row]:
        for batch in self.natural:
            yield from batch


def make_sample(rows: int, batch: int, dimension: int, *, vectors: bool = True) -> Sample:
    """Rows with unit vectors, as embeddings mostly are, or with none. Numbers are such that 32 bits hold them."""
    dice = random.Random(7)
    made = [_row(dice, number, dimension) for number in range(rows)]
    natural = [made[start : start + batch] for start in range(0, rows, batch)]
    keys = [_field("name", BasicValueType("Str"), nullable=False)]
    values = [_field("text", BasicValueType("Str")), _field("number", BasicValueType("Int64"))]
    if vectors:
        type_ = BasicValueType("Vector", vector=VectorTypeSchema(BasicValueType("Float32"), dimension))
        values.append(_field("vector", type_))
    pack = struct.Struct(f"<{dimension}f").pack

    def engine(row: Row) -> tuple[object, ...]:
        return (row.text, row.number, pack(*row.vector)) if vectors else (row.text, row.number)

    columns = [
        MutationColumns(keys, values, [(row.name,) for row in part], [engine(row) for row in part])
        for part in natural
    ]
    return Sample(dimension, natural, columns)


def _row(dice: random.Random, number: int, dimension: int) -> Row:
    parts = [dice.gauss(0, 1) for _ in range(dimension)]
    length = sum(part * part for part in parts) ** 0.5
    rounded = struct.unpack(f"<{dimension}f", struct.pack(f"<{dimension}f", *(x / length for x in parts)))
    text = " ".join(f"word{dice.randrange(5_000)}" for _ in range(WORDS))
    return Row(f"docs/part{number % 40:02}/file{number}.md", text, number, list(rounded))


def _field(name: str, type_: BasicValueType, *, nullable: bool = True) -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(type_, nullable))
