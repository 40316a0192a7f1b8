"""Targets that pickle their rows into a file: right ones, one that writes in place, one that takes no turns."""

from __future__ import annotations

import fcntl
import os
import pickle
import time
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


class Locked(op.TargetSpec):
    """The same for several processes."""

    path: str


class Slow(op.TargetSpec):
    """The same for one process, which takes its time."""

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
        new = Path(f"{path}.{os.getpid()}")
        new.write_bytes(pickle.dumps(rows))
        os.replace(new, path)


@op.target_connector(spec_cls=InPlace, persistent_key_type=str)
class InPlaceConnector(DiskTableConnector):
    @staticmethod
    def save(path: str, rows: Rows) -> None:
        with Path(path).open("wb") as file:
            for key, row in rows.items():
                file.write(pickle.dumps({key: row}))


@op.target_connector(spec_cls=Locked, persistent_key_type=str)
class LockedConnector(DiskTableConnector):
    @classmethod
    def mutate_columns(cls, *batches: tuple[Any, MutationColumns]) -> None:
        for spec, batch in batches:
            with Path(f"{spec.path}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                super().mutate_columns((spec, batch))


@op.target_connector(spec_cls=Slow, persistent_key_type=str)
class SlowConnector(DiskTableConnector):
    @staticmethod
    def save(path: str, rows: Rows) -> None:
        time.sleep(0.05)  # long enough for the other process
        DiskTableConnector.save(path, rows)
