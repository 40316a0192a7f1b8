"""Targets that pickle their rows into a file: one that replaces it, and one that writes in place."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from coco import op
from coco.op import MutationColumns

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


class DiskTable(op.TargetSpec):
    """Rows in a file."""

    path: str


class InPlace(op.TargetSpec):
    """The same, wrong."""

    path: str


def load(path: str) -> Rows:
    rows: Rows = {}
    with Path(path).open("rb") as file:
        while file.peek(1):
            rows.update(pickle.load(file))
    return rows


@op.target_connector(spec_cls=DiskTable, persistent_key_type=str)
class DiskTableConnector:
    """Keeps the rules of setup and of rows."""

    @staticmethod
    def get_persistent_key(spec: Any, target_name: str) -> str:
        return str(spec.path)

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            Path(key).unlink(missing_ok=True)
        elif not Path(key).exists():
            Path(key).touch()

    @classmethod
    def mutate_columns(cls, *batches: tuple[Any, MutationColumns]) -> None:
        for spec, batch in batches:
            rows = load(spec.path)
            rows.update(zip(batch.upsert_keys, batch.upsert_rows, strict=True))
            for key in batch.delete_keys:
                rows.pop(key, None)
            cls.save(spec.path, rows)

    @staticmethod
    def save(path: str, rows: Rows) -> None:
        new = Path(f"{path}.new")
        new.write_bytes(pickle.dumps(rows))
        os.replace(new, path)


@op.target_connector(spec_cls=InPlace, persistent_key_type=str)
class InPlaceConnector(DiskTableConnector):
    @staticmethod
    def save(path: str, rows: Rows) -> None:
        with Path(path).open("wb") as file:
            for key, row in rows.items():
                file.write(pickle.dumps({key: row}))
