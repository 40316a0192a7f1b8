"""What a definition must satisfy before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coco import current_settings
from coco.auth_registry import AuthEntryReference
from coco.errors import DefinitionError
from coco.index import HnswVectorIndexMethod, IndexOptions, IvfFlatVectorIndexMethod, VectorIndexDef
from coco.kit.quoting import check_identifier
from coco.typing import FieldSchema
from coco_target_postgres.columns import MAX_VECTOR_DIMENSION, vector_dimension
from coco_target_postgres.names import MAX_NAME_BYTES, SYSTEM_COLUMNS

if TYPE_CHECKING:
    from coco_target_postgres.spec import Postgres

MAX_INDEXED = {"vector": 2_000, "halfvec": 4_000}
"""Elements that an index of pgvector takes."""

MAX_KEY_COLUMNS = 32


def validate(
    spec: Postgres,
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
    index_options: IndexOptions,
) -> None:
    """Raises ``DefinitionError`` naming table, column and limit."""
    _check_database(spec)
    table = check_identifier(spec.table_name, "table name", max_bytes=MAX_NAME_BYTES)
    if spec.schema is not None:
        check_identifier(spec.schema, "schema name", max_bytes=MAX_NAME_BYTES)
    if len(key_fields) > MAX_KEY_COLUMNS:
        raise DefinitionError(
            f"table {table}: a primary key has at most {MAX_KEY_COLUMNS} columns, got {len(key_fields)}"
        )
    fields = {item.name: item for item in (*key_fields, *value_fields)}
    for name, item in fields.items():
        check_identifier(name, "column name", max_bytes=MAX_NAME_BYTES)
        if name in SYSTEM_COLUMNS:
            raise DefinitionError(
                f"table {table}: every table of Postgres has a column {name} already; rename the field"
            )
        dimension = vector_dimension(item.value_type.type)
        if dimension is not None and dimension > MAX_VECTOR_DIMENSION:
            raise DefinitionError(
                f"table {table}: column {name} has {dimension} dimensions, pgvector stores at most {MAX_VECTOR_DIMENSION}"
            )
    _check_options(spec, table, fields)
    for index in index_options.vector_indexes:
        _check_vector_index(spec, table, index, fields[index.field_name])
    for fts in index_options.fts_indexes:
        unknown = sorted(set(fts.parameters or {}) - {"config"})
        config = (fts.parameters or {}).get("config", "simple")
        if unknown or not isinstance(config, str) or not config:
            raise DefinitionError(
                f"table {table}: full-text index on {fts.field_name}: the only parameter is 'config', the name of a "
                f"text search configuration such as 'english'; got {fts.parameters!r}"
            )


def _check_database(spec: Postgres) -> None:
    if spec.database is not None:
        if not isinstance(spec.database, AuthEntryReference):
            raise DefinitionError(
                "Postgres: database= must be a reference that lasts, from coco.add_auth_entry(key, ...); a transient "
                "one cannot be found again by a later setup or drop"
            )
        return
    if current_settings().database is None:
        raise DefinitionError(
            "Postgres: no database is configured; set COCO_DATABASE_URL (or Settings.database), or give "
            "database=coco.add_auth_entry('name', coco.DatabaseConnectionSpec(url=...))"
        )


def _check_options(spec: Postgres, table: str, fields: dict[str, FieldSchema]) -> None:
    for name, options in (spec.column_options or {}).items():
        if name not in fields:
            raise DefinitionError(
                f"table {table}: column_options names {name!r}, which is not exported; columns are {', '.join(fields)}"
            )
        if options.type not in (None, *MAX_INDEXED):
            raise DefinitionError(
                f"table {table}: column_options of {name}: type must be 'vector' or 'halfvec', got {options.type!r}"
            )
        if options.type is not None and vector_dimension(fields[name].value_type.type) is None:
            raise DefinitionError(
                f"table {table}: column {name} has the type {fields[name].value_type} and cannot be a {options.type}; "
                "that takes a vector of numbers with a fixed dimension"
            )


def _check_vector_index(spec: Postgres, table: str, index: VectorIndexDef, field: FieldSchema) -> None:
    where = f"table {table}: vector index on {index.field_name}"
    dimension = vector_dimension(field.value_type.type)
    if dimension is None:
        raise DefinitionError(
            f"{where}: the field has the type {field.value_type} and is stored as jsonb; an index takes a vector of "
            "numbers with a fixed dimension"
        )
    options = (spec.column_options or {}).get(index.field_name)
    kind = options.type if options is not None and options.type is not None else "vector"
    limit = MAX_INDEXED[kind]
    if dimension > limit:
        hint = "store it as halfvec by column_options, or use fewer" if kind == "vector" else "use fewer"
        if dimension > MAX_INDEXED["halfvec"]:
            hint = "use fewer"
        raise DefinitionError(
            f"{where}: it has {dimension} dimensions, an index on a {kind} takes at most {limit}; {hint}"
        )
    method = index.method or HnswVectorIndexMethod()
    if isinstance(method, HnswVectorIndexMethod):
        _check_range(where, "m", method.m, 2, 100)
        _check_range(where, "ef_construction", method.ef_construction, 4, 1_000)
        if (method.ef_construction or 64) < 2 * (method.m or 16):
            raise DefinitionError(f"{where}: ef_construction must be at least twice m")
    elif isinstance(method, IvfFlatVectorIndexMethod):
        _check_range(where, "lists", method.lists, 1, 32_768)
    else:
        raise DefinitionError(
            f"{where}: a {type(method).__name__} is not supported; use HnswVectorIndexMethod or IvfFlatVectorIndexMethod"
        )


def _check_range(where: str, name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise DefinitionError(f"{where}: {name} must lie between {low} and {high}, got {value}")
