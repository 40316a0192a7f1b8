"""A target in memory that remembers every write, and refuses what it is told to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from coco import op
from coco.errors import MutationError
from coco.op import TargetSpec

Key = tuple[Any, ...]


@dataclasses.dataclass
class Table:
    """``rows``: what it holds, as engine values by field name. ``writes``: (key, fields written) in order.

    ``refuse``: keys that it names as refused. ``poison``: a batch with such a value in it fails whole.
    ``on_write``: told before each batch. ``down``: raised instead of anything.
    """

    rows: dict[Key, dict[str, Any]] = dataclasses.field(default_factory=dict)
    writes: list[tuple[Key, tuple[str, ...] | None]] = dataclasses.field(default_factory=list)
    refuse: set[Any] = dataclasses.field(default_factory=set)
    poison: set[Any] = dataclasses.field(default_factory=set)
    down: Exception | None = None
    on_write: Callable[[], Any] = lambda: None


TABLES: dict[str, Table] = {}


class RowTable(TargetSpec):
    """Rows of ``TABLES[name]``. ``bare_keys``: refused keys are named without their tuple."""

    name: str
    bare_keys: bool = False


@op.target_connector(spec_cls=RowTable, persistent_key_type=str)
class RowTableConnector:
    partial_update = True

    @staticmethod
    def get_persistent_key(spec: RowTable, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            TABLES.pop(key, None)
        else:
            TABLES.setdefault(key, Table())

    @staticmethod
    def mutate_columns(*batches: tuple[RowTable, op.MutationColumns]) -> None:
        for spec, batch in batches:
            table = TABLES[spec.name]
            table.on_write()
            if table.down is not None:
                raise table.down
            if any(value in table.poison for row in batch.upsert_rows for value in row):
                raise ValueError("a value that this table does not take")
            refused = {}
            names = [item.name for item in batch.value_fields]
            changed = batch.changed or [None] * len(batch.upsert_keys)
            for key, row, positions in zip(batch.upsert_keys, batch.upsert_rows, changed, strict=True):
                if key[0] in table.refuse:
                    refused[key[0] if spec.bare_keys else key] = "not welcome"
                    continue
                chosen = range(len(names)) if positions is None else positions
                if positions is None:
                    table.rows[key] = {}
                table.rows[key].update({names[item]: row[item] for item in chosen})
                table.writes.append((key, tuple(names[item] for item in chosen)))
            for key in batch.delete_keys:
                if key[0] in table.refuse:
                    refused[key[0] if spec.bare_keys else key] = "stays"
                    continue
                table.rows.pop(key, None)
                table.writes.append((key, None))
            if refused:
                raise MutationError(refused)

    @staticmethod
    def count_rows(spec: RowTable) -> int:
        return len(TABLES[spec.name].rows)

    @staticmethod
    def list_keys(spec: RowTable) -> Iterator[list[Key]]:
        yield list(TABLES[spec.name].rows)

    @staticmethod
    def read_rows(spec: RowTable, keys: list[Key]) -> dict[Key, Key]:
        rows = TABLES[spec.name].rows
        return {key: tuple(rows[key].values()) for key in keys if key in rows}


def table(name: str) -> Table:
    """An empty table of that name, in place of any other."""
    TABLES[name] = Table()
    return TABLES[name]
