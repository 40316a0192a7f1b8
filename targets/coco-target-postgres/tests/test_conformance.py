"""The contract of every target, read back through another driver's eyes: types as psycopg sees them."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import sql
from psycopg.types.range import Range

import coco
from coco.typing import BasicValueType, FieldSchema, StructType, TableType
from coco_target_postgres.spec import Postgres
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.report import real_server
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_driver import DEFAULT_NAME
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

PASSWORD = "open sesame"
TABLE = DEFAULT_NAME.lower()


def natural(field: FieldSchema, value: Any) -> Any:
    """What a column holds, in natural Python form."""
    type_ = field.value_type.type
    if isinstance(type_, StructType | TableType):
        return nested(type_, value)
    if isinstance(value, Range):
        return (0, 0) if value.isempty else (value.lower, value.upper)
    if isinstance(value, str) and isinstance(type_, BasicValueType) and type_.vector is not None:
        numbers = json.loads(value)
        return [round(item) for item in numbers] if type_.vector.element_type.kind == "Int64" else numbers
    return value


def nested(type_: Any, data: Any) -> Any:
    """JSON data of a struct or table: objects by field name, dates as ISO text."""
    if isinstance(type_, StructType) and data is not None:
        return {item.name: nested(item.value_type.type, data[item.name]) for item in type_.fields}
    if isinstance(type_, TableType) and data is not None:
        rows = [nested(StructType(type_.row.fields), item) for item in data]
        if type_.kind == "LTable":
            return rows
        (key,) = type_.key_fields
        return {row.pop(key.name): row for row in rows}
    return datetime.date.fromisoformat(data) if data is not None and str(type_) == "Date" else data


class TestPostgres(TargetSuite):
    abilities: ClassVar[Any] = claim(
        ALL_TARGET_ABILITIES, {"setup.upgrade": UNSUPPORTED("no release came before this one")}
    )

    @pytest.fixture
    def spec(self, postgres_database: str) -> Postgres:
        self.url = postgres_database
        self.met = real_server(f"PostgreSQL {self.query('SHOW server_version')[0][0]}")
        entry = coco.add_auth_entry(
            f"conformance {uuid.uuid4()}", coco.DatabaseConnectionSpec(postgres_database, password=PASSWORD)
        )
        return Postgres(database=entry)

    def secrets(self, spec: Any) -> Iterable[str]:
        return [PASSWORD]

    def query(self, statement: str, *parameters: Any) -> list[Any]:
        """Rows, or none, past the connector."""
        with psycopg.connect(self.url, autocommit=True, options="-c timezone=UTC") as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def foreign_resource(self, spec: Postgres, shape: Shape, rows: NaturalRows) -> None:
        self.query(f'CREATE TABLE "{TABLE}" (id text PRIMARY KEY, text text, size bigint)')
        for key, row in rows.items():
            self.query(f'INSERT INTO "{TABLE}" VALUES (%s, %s, %s)', key, row["text"], row["size"])

    def lose_resource(self, spec: Postgres, shape: Shape) -> None:
        self.query(f'DROP TABLE "{TABLE}"')

    def lose_connections(self, spec: Postgres) -> None:
        self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def bad_row(self, spec: Postgres) -> tuple[Any, dict[str, Any]]:
        self.query(f"ALTER TABLE \"{TABLE}\" ADD CHECK (text <> 'bad')")
        return "it", {"text": "bad", "size": 1}

    def indexed_fields(self, spec: Postgres) -> Iterable[str]:
        """What the server's own catalogue says: columns of indexes besides that of the key, or in their formula."""
        rows = self.query(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE NOT indisprimary "
            f"AND indrelid = '\"{TABLE}\"'::regclass"
        )
        return [
            name
            for (text,) in rows
            for name in ("vector", "text")
            if f"({name} " in text or f" {name})" in text
        ]

    def read_back(self, spec: Postgres, shape: Shape) -> NaturalRows | None:
        assert spec.database is not None
        database = coco.auth_registry.get_auth_entry(coco.DatabaseConnectionSpec, spec.database)
        with psycopg.connect(database.url, options="-c timezone=UTC") as connection:
            try:
                cursor = connection.execute(
                    sql.SQL("SELECT * FROM {}").format(sql.Identifier(spec.table_name or TABLE))
                )
            except psycopg.errors.UndefinedTable:
                return None
            assert cursor.description is not None
            names = [item.name for item in cursor.description]
            fields = {item.name: item for item in (*shape.key_fields, *shape.value_fields)}
            found = {}
            for cells in cursor:
                row = {
                    name: natural(fields[name], value) if name in fields else value
                    for name, value in zip(names, cells, strict=True)
                }
                key = tuple(row.pop(item.name) for item in shape.key_fields)
                found[key[0] if len(key) == 1 else key] = row
            return found
