"""Cases of the kernels that write: vectors to bytes, entries to rows."""

import random
from typing import Any

from benchmarks.kernels.cases import CHUNKS, ROWS, Case
from coco.hot import fingerprint, pack_float32
from coco.kit.packed import pack


def vector_cases() -> list[Case]:
    source = random.Random(1)
    cases = []
    for count in (64, 384, 1536):
        floats = [source.random() for _ in range(count)]
        cases.append(Case("pack_float32", f"{count} floats", (floats,), count))
        cases.append(Case("pack_float64", f"{count} floats", (floats,), count))
        cases.append(Case("pack_int64", f"{count} integers", (list(range(count)),), count))
    return cases


def row_cases() -> list[Case]:
    count = ROWS * CHUNKS
    source = random.Random(1)
    vector = pack_float32([source.random() for _ in range(64)])
    parts = [(f"book/part/page-{row // CHUNKS}.md", (row % CHUNKS * 500, 500)) for row in range(count)]
    values = [("word " * 100, vector)] * count
    owners = [row // CHUNKS for row in range(count)]
    keys = [pack(part) for part in parts]
    fps = [fingerprint(key) for key in keys]
    # Lists of rows are filled by the first call; later ones find every entry there, unchanged.
    rows: list[Any] = [None] * ROWS
    places: list[Any] = [None] * ROWS
    return [
        Case("pack_all", "keys of two parts", (parts, pack), count),
        Case("fingerprint_values", "text and vector", (fps[0], values, pack, 16), count),
        Case("group_rows", "seen before", (owners, keys, parts, fps, values, places, rows, False), count),
        Case(
            "group_rows", "looking for nulls", (owners, keys, parts, fps, values, places, rows, True), count
        ),
    ]
