"""The contract of every target, read back through another driver's eyes: types as psycopg sees them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import sql
from psycopg.types.range import Range

import coco
from coco.types.schema import BasicValueType, FieldSchema, TableType
from coco_target_postgres.spec import Postgres
from coco_testing.abilities import claim
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_driver import DEFAULT_NAME
from coco_testing.target_suite import TARGET_ABILITIES, TargetSuite

PASSWORD = "open sesame"


def natural(field: FieldSchema, value: Any) -> Any:
    """What a column holds, in natural Python form."""
    type_ = field.value_type.type
    if isinstance(value, Range):
        return (0, 0) if value.isempty else (value.lower, value.upper)
    if isinstance(type_, TableType) and type_.kind == "KTable" and value is not None:
        (key,) = type_.key_fields
        return {row.pop(key.name): row for row in value}
    if isinstance(value, str) and isinstance(type_, BasicValueType) and type_.vector is not None:
        numbers = json.loads(value)
        return [round(item) for item in numbers] if type_.vector.element_type.kind == "Int64" else numbers
    return value


class TestPostgres(TargetSuite):
    abilities: ClassVar[Any] = claim(TARGET_ABILITIES, {})

    @pytest.fixture
    def spec(self, postgres_database: str) -> Postgres:
        entry = coco.add_auth_entry(
            f"conformance {uuid.uuid4()}", coco.DatabaseConnectionSpec(postgres_database, password=PASSWORD)
        )
        return Postgres(database=entry)

    def secrets(self, spec: Any) -> Iterable[str]:
        return [PASSWORD]

    def read_back(self, spec: Postgres, shape: Shape) -> NaturalRows | None:
        assert spec.database is not None
        database = coco.auth_registry.get_auth_entry(coco.DatabaseConnectionSpec, spec.database)
        with psycopg.connect(database.url, options="-c timezone=UTC") as connection:
            try:
                cursor = connection.execute(
                    sql.SQL("SELECT * FROM {}").format(sql.Identifier(spec.table_name or DEFAULT_NAME))
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
