"""What each kernel is timed on: a batch of about the size that the engine hands over."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

ROWS = 1024
CHUNKS = 6
"""Rows of a nested table per row of a batch."""


@dataclass(frozen=True)
class Case:
    """One call of one function. ``items``: what a time is divided by to compare cases."""

    function: str
    label: str
    arguments: tuple[Any, ...]
    items: int


def _fp(number: int, size: int = 16) -> bytes:
    return blake3(number.to_bytes(8, "little")).digest(size)


def fingerprint_cases() -> list[Case]:
    source = random.Random(1)
    small = [source.randbytes(40) for _ in range(ROWS)]
    texts = [source.randbytes(500) for _ in range(ROWS)]
    files = [source.randbytes(2048) for _ in range(ROWS)]
    fps = [_fp(number) for number in range(ROWS)]
    return [
        Case("fingerprint", "one text of 500 bytes", (texts[0],), 1),
        Case("fingerprint_column", "keys of 40 bytes", (small,), ROWS),
        Case("fingerprint_column", "files of 2 KiB", (files,), ROWS),
        Case("combine", "calls: 2 columns", (fps[0], [fps, texts]), ROWS),
        Case("combine", "rows: 4 columns", (fps[0], [small, texts, fps, fps]), ROWS),
    ]


def gather_cases() -> list[Case]:
    rows = ROWS * CHUNKS
    tables = [tuple((row, f"text {row}", None) for row in range(CHUNKS)) for _ in range(ROWS)]
    parents = [position // CHUNKS for position in range(rows)]
    column = [f"file {position}" for position in range(ROWS)]
    added = [[float(position) for position in range(rows)]]
    structs = [(position, str(position), None) for position in range(rows)]
    return [
        Case("gather", "a file's field to its chunks", (column, parents), rows),
        Case("compose", "two levels", (list(range(rows)), parents), rows),
        Case("explode", "tables of 3 fields", (tables, 3), rows),
        Case("implode", "one field added", (tables, added), rows),
        Case("field_of", "one field of structs", (structs, 1), rows),
    ]


def merge_cases() -> list[Case]:
    keys = [f"book/part/page-{number}.md".encode() for number in range(ROWS)]
    logic = _fp(0)
    ordinals = [1_700_000_000_000_000 + number for number in range(ROWS)]
    heads = [
        (ordinal, _fp(number), logic, 1, 1, ordinal + 10_000_000, 2048, False)
        for number, ordinal in enumerate(ordinals)
    ]
    later = [ordinal + 1 for ordinal in ordinals]
    nothing = [None] * ROWS
    sizes = [2048] * ROWS
    tail = (logic, False, True, 1000)
    return [
        Case("classify", "nothing changed", (keys, ordinals, nothing, sizes, heads, *tail), ROWS),
        Case("classify", "all touched", (keys, later, nothing, sizes, heads, *tail), ROWS),
        Case("classify", "all new", (keys, ordinals, nothing, sizes, nothing, *tail), ROWS),
    ]


def reconcile_cases() -> list[Case]:
    keys = [f"key {number}".encode() for number in range(CHUNKS)]
    old = [(key, _fp(number)) for number, key in enumerate(keys)]
    new = [*old[:-1], (keys[-1], _fp(99))]
    fields = b"".join(_fp(number, 8) for number in range(4))
    others = fields[:-8] + _fp(99, 8)
    return [
        Case("reconcile_row", "first time, 6 rows", (None, None, new, False), CHUNKS),
        Case("reconcile_row", "one of 6 rows changed", (old, None, new, False), CHUNKS),
        Case("reconcile_row", "after a crash", (old, new, new, False), CHUNKS),
        Case("changed_fields", "one of 4 fields", (_fp(1) + fields, _fp(2) + others), 4),
    ]


def register_cases() -> list[Case]:
    count = 1000
    keys = [f"folder/file {number}.md".encode() for number in range(count)]
    cells, marks = bytearray(16 * 2048), bytearray(2048)
    rows = [(key, number, 2000) for number, key in enumerate(keys)]
    columns = (keys, list(range(count)), [None] * count, [2000] * count)
    return [
        Case("enter_tracked", "into a table that has them", (cells, marks, rows), count),
        Case("match_listed", "listed before", (cells, marks, *columns, False, True), count),
        Case("were_listed", "", (cells, marks, keys), count),
    ]


from benchmarks.kernels.packing import row_cases, vector_cases  # noqa: E402  (they are made of the above)

CASES: dict[str, Callable[[], list[Case]]] = {
    "fingerprint_cy": fingerprint_cases,
    "gather_cy": gather_cases,
    "merge_cy": merge_cases,
    "reconcile_cy": reconcile_cases,
    "register_cy": register_cases,
    "rows_cy": row_cases,
    "vectors_cy": vector_cases,
}
"""Kernel -> its cases. A kernel that is not here is printed as one without."""
