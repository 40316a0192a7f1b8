"""Targets in one JSON file: key as JSON text -> row by field name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import coco
from coco import op

Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]


class JsonFile(op.TargetSpec):
    """Takes rows as dictionaries, and can only be counted.

    Down as long as a file ``down`` stands next to it. ``auth``: read at each use; it must hold some text.
    """

    path: str
    auth: coco.AuthEntryReference[Any] | None = None


class JsonLedger(op.TargetSpec):
    """Takes rows as columns, and can be read back. ``digits``: rounds numbers on the way in."""

    path: str
    digits: int | None = None


class _OneFile:
    @staticmethod
    def get_persistent_key(spec: Any, target_name: str) -> str:
        path: str = spec.path
        return path

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            Path(key).unlink(missing_ok=True)
        elif not Path(key).exists():
            Path(key).write_text("{}")

    @staticmethod
    def count_rows(spec: Any) -> int:
        return len(load(spec.path))


@op.target_connector(spec_cls=JsonFile, persistent_key_type=str)
class JsonFileConnector(_OneFile):
    @staticmethod
    def mutate(*batches: tuple[JsonFile, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            path = Path(spec.path)
            if spec.auth is not None:
                assert coco.auth_registry.get_auth_entry(str, spec.auth)
            if path.with_name("down").exists():
                raise ConnectionError(f"connection to {path.name} refused")
            rows = json.loads(path.read_text())
            for key, value in changes.items():
                name = json.dumps(key, default=str)
                if value is None:
                    rows.pop(name, None)
                else:
                    rows[name] = plain(value)
            path.write_text(json.dumps(rows))


@op.target_connector(spec_cls=JsonLedger, persistent_key_type=str)
class JsonLedgerConnector(_OneFile):
    @staticmethod
    def mutate_columns(*batches: tuple[JsonLedger, op.MutationColumns]) -> None:
        for spec, columns in batches:
            rows = load(spec.path)
            for key in columns.delete_keys:
                rows.pop(key, None)
            names = [item.name for item in columns.value_fields]
            for key, row in zip(columns.upsert_keys, columns.upsert_rows, strict=True):
                values = (_rounded(value, spec.digits) for value in row)
                rows[key] = dict(zip(names, values, strict=True))
            store(spec.path, rows)

    @staticmethod
    def list_keys(spec: JsonLedger) -> Iterator[list[Key]]:
        yield list(load(spec.path))

    @staticmethod
    def read_rows(spec: JsonLedger, keys: Iterable[Key]) -> dict[Key, Key]:
        rows = load(spec.path)
        return {key: _frozen(list(rows[key].values())) for key in keys if key in rows}

    @staticmethod
    def values_equal(field: Any, mine: Any, theirs: Any) -> bool:
        if isinstance(mine, float) and isinstance(theirs, float):
            return abs(mine - theirs) < 0.01
        return bool(mine == theirs)


def load(path: str | Path) -> Rows:
    """The rows of a file. Keys are tuples; values are as JSON has them."""
    found: Rows = {}
    for name, row in json.loads(Path(path).read_text()).items():
        key = _frozen(json.loads(name))
        found[key if isinstance(key, tuple) else (key,)] = row
    return found


def store(path: str | Path, rows: Rows) -> None:
    """Replace the rows of a file that a ``JsonLedger`` writes."""
    Path(path).write_text(json.dumps({json.dumps(key): row for key, row in rows.items()}))


def plain(value: Any) -> Any:
    """A comparable form: tables are lists of dicts in key order, everything else is what JSON would have."""
    if isinstance(value, Mapping):
        if all(isinstance(item, Mapping) for item in value.values()):  # no structs here are without fields
            return [plain({"_key": key, **item}) for key, item in sorted(value.items())]
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _rounded(value: Any, digits: int | None) -> Any:
    return round(value, digits) if digits is not None and isinstance(value, float) else value
