"""Rows as JSON lines, sorted by key, in one file that is replaced as a whole."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coco import op

COCO_API = 1


def read_rows(path: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Key and row of each line."""
    if not os.path.exists(path):
        return
    for line in Path(path).read_text("utf-8").split("\n"):
        if line:
            key, row = json.loads(line)
            yield tuple(key) if isinstance(key, list) else key, row


@op.row_target(types=("Str", "Bool", "Int64", "Float64", "Json"), read=read_rows)
def jsonl(upserts: dict[Any, dict[str, Any]], deletes: list[Any], path: str) -> None:
    """JSON lines in a file. path: of the file. Its folder is there already."""
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other threads and processes wait; it ends with the process
        rows = dict(read_rows(path)) | upserts
        kept = sorted(rows.keys() - set(deletes))
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.writelines(json.dumps([key, rows[key]]) + "\n" for key in kept)
            file.flush()
            os.fsync(file.fileno())  # rows must last when this function returns
        os.replace(file.name, path)  # the old file or the new one, never half of one
