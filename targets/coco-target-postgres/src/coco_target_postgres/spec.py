"""The target ``Postgres``: its spec, and the connector that hands each question to the module that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from coco import DatabaseConnectionSpec, op
from coco.auth_registry import AuthEntryReference
from coco.errors import DefinitionError
from coco.index import IndexOptions
from coco.op import MutationColumns, TargetStateCompatibility
from coco.typing import FieldSchema
from coco_target_postgres.state import PostgresKey, PostgresState

if TYPE_CHECKING:
    from coco_target_postgres.table import PreparedTable


@dataclass(frozen=True)
class PostgresColumnOptions:
    """Options of a column that its type does not determine."""

    type: Literal["vector", "halfvec"] | None = None
    """``halfvec`` stores a vector with 16 bits an element: half the space, and indexes up to 4000 dimensions instead of 2000.
    None: ``vector`` for vectors."""


class Postgres(op.TargetSpec):
    """A table of a Postgres database."""

    database: AuthEntryReference[DatabaseConnectionSpec] | None = None
    """Auth entry of a ``DatabaseConnectionSpec``. None: the database of the settings, ``COCO_DATABASE_URL``."""
    table_name: str | None = None
    """None: ``[Namespace__]Flow__export`` in lower case, which SQL finds without quotes."""
    schema: str | None = None
    """Setup makes it if it is missing. None: ``public``. Needs ``table_name``."""
    column_options: dict[str, PostgresColumnOptions] | None = None
    """By the name of the field."""


def vector_types(spec: Postgres) -> dict[str, str]:
    """Field -> vector type, where one was chosen."""
    options = spec.column_options or {}
    return {name: item.type for name, item in options.items() if item.type is not None}


@op.target_connector(spec_cls=Postgres, persistent_key_type=PostgresKey, setup_state_cls=PostgresState)
class PostgresConnector:
    """Setup and rows of ``Postgres``."""

    partial_update = True
    stays_open = True

    @staticmethod
    def with_default_name(spec: Postgres, default_name: str) -> Postgres:
        """The spec with its table's name."""
        from coco_target_postgres.names import default_table_name

        if spec.table_name is not None:
            return spec
        if spec.schema is not None:
            raise DefinitionError(
                f"Postgres: schema={spec.schema!r} needs table_name=: automatic names are for the default schema"
            )
        return replace(spec, table_name=default_table_name(default_name))

    @staticmethod
    def former_keys(spec: Postgres, default_name: str) -> list[PostgresKey]:
        """Until 0.1.0 was released, default names kept their case."""
        from coco_target_postgres.names import fitted

        key = PostgresConnector.get_persistent_key(spec, "")
        former = replace(key, table=fitted(default_name))
        return [former] if former != key else []

    @staticmethod
    def rename(former: PostgresKey, key: PostgresKey, states: Sequence[PostgresState]) -> None:
        from coco_target_postgres.setup import rename

        rename(former, key, states)

    @staticmethod
    def get_persistent_key(spec: Postgres, target_name: str) -> PostgresKey:
        database = spec.database.key if spec.database is not None else None
        return PostgresKey(database, spec.schema or "public", spec.table_name or target_name)

    @staticmethod
    def validate(
        spec: Postgres,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        from coco_target_postgres.validate import validate

        validate(spec, key_fields, value_fields, index_options)

    @staticmethod
    def get_setup_state(
        spec: Postgres,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> PostgresState:
        from coco_target_postgres.state import desired_state

        return desired_state(vector_types(spec), key_fields, value_fields, index_options)

    @staticmethod
    def check_state_compatibility(
        desired: PostgresState, existing: PostgresState
    ) -> TargetStateCompatibility:
        from coco_target_postgres.state import compatibility

        return compatibility(desired, existing)

    @staticmethod
    def describe(key: PostgresKey) -> str:
        return key.title

    @staticmethod
    def describe_change(key: PostgresKey, previous: PostgresState, current: PostgresState) -> list[str]:
        from coco_target_postgres.state import change_lines

        return change_lines(previous, current)

    @staticmethod
    def check_existing(key: PostgresKey, desired: PostgresState) -> op.Adoption | str | None:
        from coco_target_postgres.setup import check_existing

        return check_existing(key, desired)

    @staticmethod
    def apply_setup_change(
        key: PostgresKey, previous: PostgresState | None, current: PostgresState | None
    ) -> None:
        from coco_target_postgres.setup import apply_setup_change

        apply_setup_change(key, previous, current)

    @staticmethod
    def stored_form(spec: Postgres, field: FieldSchema) -> Callable[[Any], Any] | None:
        from coco_target_postgres.columns import column_of

        return column_of(field, vector_types(spec).get(field.name, "vector")).stored_form

    @staticmethod
    def prepare(
        spec: Postgres, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]
    ) -> PreparedTable:
        from coco_target_postgres.table import prepare

        key = PostgresConnector.get_persistent_key(spec, "")
        return prepare(key, vector_types(spec), key_fields, value_fields)

    @staticmethod
    def mutate_columns(*batches: tuple[PreparedTable, MutationColumns]) -> None:
        from coco_target_postgres.mutate import mutate

        for table, batch in batches:
            mutate(table, batch)

    @staticmethod
    def fence(table: PreparedTable, token: op.FencingToken) -> None:
        table.raise_fence(token)

    @staticmethod
    def count_rows(table: PreparedTable) -> int:
        from coco_target_postgres.read import count_rows

        return count_rows(table)

    @staticmethod
    def read_epoch(table: PreparedTable, flow: str) -> str | None:
        from coco_target_postgres.epochs import read_epoch

        return read_epoch(table, flow)

    @staticmethod
    def write_epoch(table: PreparedTable, flow: str, epoch: str) -> None:
        from coco_target_postgres.epochs import write_epoch

        write_epoch(table, flow, epoch)

    @staticmethod
    def list_keys(table: PreparedTable) -> Iterator[list[tuple[Any, ...]]]:
        from coco_target_postgres.read import list_keys

        return list_keys(table)

    @staticmethod
    def read_rows(
        table: PreparedTable, keys: Sequence[tuple[Any, ...]]
    ) -> Mapping[tuple[Any, ...], tuple[Any, ...]]:
        from coco_target_postgres.read import read_rows

        return read_rows(table, keys)
