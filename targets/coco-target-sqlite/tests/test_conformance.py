"""The contract of every target; tables are read back by the standard library alone, as users would read them."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from coco.typing import BasicValueType, ValueType
from coco_target_sqlite.spec import Sqlite
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.natural import natural_json, natural_numbers
from coco_testing.report import real_server
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_driver import DEFAULT_NAME
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite


def from_column(type_: ValueType, cell: Any) -> Any:
    """A cell as the documentation describes it, in natural Python form."""
    if cell is None:
        return None
    if not isinstance(type_, BasicValueType) or type_.union is not None:
        return natural_json(type_, json.loads(cell))
    if type_.vector is not None:
        return (
            natural_numbers(type_, cell) if isinstance(cell, bytes) else natural_json(type_, json.loads(cell))
        )
    match type_.kind:
        case "Float32" | "Float64":
            return struct.unpack(">d", cell)[0] if isinstance(cell, bytes) else cell
        case "Bool":
            return bool(cell)
        case "Json":
            return json.loads(cell)
        case "Range":
            return tuple(json.loads(cell))
        case "Uuid" | "Date" | "Time" | "LocalDateTime" | "OffsetDateTime" | "TimeDelta":
            return natural_json(type_, cell)
    return cell


def declared(shape: Shape) -> str:
    """Columns of the plain shape, as a user would make them."""
    types = {"Str": "TEXT", "Int64": "INTEGER"}
    columns = [
        f'"{item.name}" {types[str(item.value_type).rstrip("?")]}'
        for item in (*shape.key_fields, *shape.value_fields)
    ]
    return ", ".join([*columns, f"PRIMARY KEY ({', '.join(item.name for item in shape.key_fields)})"])


class TestSqlite(TargetSuite):
    abilities: ClassVar[Any] = claim(
        ALL_TARGET_ABILITIES,
        {
            "reconnect": UNSUPPORTED("a file has no connection that breaks"),
            "setup.upgrade": UNSUPPORTED("no release came before this one"),
        },
    )
    met = real_server(f"SQLite {sqlite3.sqlite_version}")

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Sqlite:
        return Sqlite(path=str(tmp_path / "rows.db"))

    def read_back(self, spec: Sqlite, shape: Shape) -> NaturalRows | None:
        if not Path(spec.path).exists():
            return None
        with closing(sqlite3.connect(spec.path)) as db:
            cursor = db.execute("SELECT name FROM sqlite_master WHERE name = ?", (DEFAULT_NAME,))
            if cursor.fetchone() is None:
                return None
            fields = [*shape.key_fields, *shape.value_fields]
            names = ", ".join(f'"{item.name}"' for item in fields)
            found: dict[Any, dict[str, Any]] = {}
            for cells in db.execute(f'SELECT {names} FROM "{DEFAULT_NAME}"'):
                values = [
                    from_column(item.value_type.type, cell) for item, cell in zip(fields, cells, strict=True)
                ]
                count = len(shape.key_fields)
                key = values[0] if count == 1 else tuple(values[:count])
                assert key not in found, "two rows have one key"
                found[key] = {
                    item.name: value for item, value in zip(fields[count:], values[count:], strict=True)
                }
            return found

    def foreign_resource(self, spec: Sqlite, shape: Shape, rows: NaturalRows) -> None:
        with closing(sqlite3.connect(spec.path)) as db, db:
            db.execute(f'CREATE TABLE "{DEFAULT_NAME}" ({declared(shape)})')
            for key, row in rows.items():
                db.execute(f'INSERT INTO "{DEFAULT_NAME}" VALUES (?, ?, ?)', (key, *row.values()))

    def lose_resource(self, spec: Sqlite, shape: Shape) -> None:
        with closing(sqlite3.connect(spec.path)) as db:
            db.execute(f'DROP TABLE "{DEFAULT_NAME}"')

    def indexed_fields(self, spec: Sqlite) -> Iterable[str]:
        """Vectors are compared one by one: their index is the metric that coco's catalogue notes."""
        with closing(sqlite3.connect(spec.path)) as db:
            [(state,)] = db.execute(
                "SELECT state FROM coco_tables WHERE name = ?", (DEFAULT_NAME,)
            ).fetchall()
            found = [item["field"] for item in json.loads(state)["vector_indexes"]]
            tables = db.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%USING fts5%'").fetchall()
            return found + [name.rpartition("__fts__")[2] for (name,) in tables]

    def bad_row(self, spec: Sqlite) -> tuple[Any, dict[str, Any]]:
        with closing(sqlite3.connect(spec.path)) as db:
            db.execute(
                f"CREATE TRIGGER picky BEFORE INSERT ON \"{DEFAULT_NAME}\" WHEN new.text = 'bad' "
                "BEGIN SELECT raise(ABORT, 'no'); END"
            )
        return "it", {"text": "bad", "size": 1}
