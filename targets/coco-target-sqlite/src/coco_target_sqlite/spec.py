"""The target ``Sqlite``: its spec, and the connector, which only delegates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, replace
from typing import Any

from coco import op
from coco.errors import DefinitionError
from coco.index import IndexOptions
from coco.op import MutationColumns, TargetStateCompatibility
from coco.typing import BasicValueType, FieldSchema
from coco_target_sqlite import fts, setup, states
from coco_target_sqlite.catalog import CATALOG, EPOCHS
from coco_target_sqlite.connection import absolute
from coco_target_sqlite.mutate import Table
from coco_target_sqlite.states import TableKey, TableState


class Sqlite(op.TargetSpec):
    """A table of an SQLite file, one row per exported entry.

    Raises ``DefinitionError`` if ``table_name`` and ``table`` are given and differ.
    """

    path: str
    """The file. Setup makes it, with its folder. A relative path is resolved against the working directory."""
    table_name: str | None = None
    """None: ``[AppNamespace__]Flow__Export``."""
    table: InitVar[str | None] = None
    """An older name of ``table_name``. Reading it from a spec gives None."""

    def __post_init__(self, table: str | None) -> None:
        if table is None:
            return
        if self.table_name not in (None, table):
            raise DefinitionError(
                f"Sqlite: table_name={self.table_name!r} and table={table!r} are two spellings of one thing; "
                "leave table out"
            )
        object.__setattr__(self, "table_name", table)


@op.target_connector(spec_cls=Sqlite, persistent_key_type=TableKey, setup_state_cls=TableState)
class SqliteConnector:
    """Setup in ``setup``, rows in ``mutate``, columns in ``types``."""

    partial_update = True

    # -- definition -------------------------------------------------------------------------------
    @staticmethod
    def with_default_name(spec: Sqlite, default_name: str) -> Sqlite:
        return spec if spec.table_name is not None else replace(spec, table_name=default_name)

    @staticmethod
    def validate(
        spec: Sqlite,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        _check_names(spec, [item.name for item in (*key_fields, *value_fields)])
        fields = {item.name: item.value_type.type for item in (*key_fields, *value_fields)}
        for index in index_options.vector_indexes:
            type_ = fields[index.field_name]
            if not isinstance(type_, BasicValueType) or type_.packed_format is None:
                raise DefinitionError(
                    f"vector index: field {index.field_name!r} has the type {type_}; Sqlite searches vectors of "
                    "numbers only"
                )
            if index.method is not None:
                raise DefinitionError(
                    f"vector index on {index.field_name!r}: Sqlite compares all rows and has no "
                    f"{index.method.kind}; leave `method` out"
                )
        metrics = [index.field_name for index in index_options.vector_indexes]
        for name in metrics:
            if metrics.count(name) > 1:
                raise DefinitionError(f"vector index: Sqlite takes one metric for {name!r}, not several")
        for text in index_options.fts_indexes:
            fts.check_index(text.field_name, text.parameters or {})

    @staticmethod
    def get_persistent_key(spec: Sqlite, target_name: str) -> TableKey:
        return TableKey(absolute(spec.path), spec.table_name or target_name)

    @staticmethod
    def local_paths(key: TableKey) -> list[str]:
        """The file, and what SQLite keeps beside it."""
        return [f"{key.path}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]

    @staticmethod
    def data_identity(spec: Sqlite) -> None:
        """Nothing in the spec alters rows."""

    # -- setup ------------------------------------------------------------------------------------
    @staticmethod
    def get_setup_state(
        spec: Sqlite,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> TableState:
        return states.table_state(key_fields, value_fields, index_options)

    @staticmethod
    def check_state_compatibility(desired: TableState, existing: TableState) -> TargetStateCompatibility:
        return states.compatibility(desired, existing)

    @staticmethod
    def describe(key: TableKey) -> str:
        return f"table {key.table} of SQLite file {key.path}"

    @staticmethod
    def describe_change(key: TableKey, previous: TableState | None, current: TableState) -> list[str]:
        return states.change_lines(previous, current)

    @staticmethod
    def check_existing(key: TableKey, desired_state: TableState) -> op.Adoption | str | None:
        return setup.foreign_table(key, desired_state)

    @staticmethod
    def apply_setup_change(key: TableKey, previous: TableState | None, current: TableState | None) -> None:
        setup.apply_change(key, current)

    # -- rows -------------------------------------------------------------------------------------
    @staticmethod
    def prepare(
        spec: Sqlite, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]
    ) -> Table:
        assert spec.table_name is not None
        return Table(absolute(spec.path), spec.table_name, key_fields, value_fields)

    @staticmethod
    def mutate_columns(*batches: tuple[Table, MutationColumns]) -> None:
        for table, columns in batches:
            table.mutate(columns)

    @staticmethod
    def fence(table: Table, token: op.FencingToken) -> None:
        table.fence(token)

    @staticmethod
    def count_rows(table: Table) -> int:
        return table.count()

    @staticmethod
    def read_epoch(table: Table, flow: str) -> str | None:
        return table.read_epoch(flow)

    @staticmethod
    def write_epoch(table: Table, flow: str, epoch: str) -> None:
        table.write_epoch(flow, epoch)

    @staticmethod
    def list_keys(table: Table) -> Iterator[list[tuple[Any, ...]]]:
        return table.list_keys()

    @staticmethod
    def read_rows(table: Table, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return table.read_rows(keys)


def _check_names(spec: Sqlite, fields: Sequence[str]) -> None:
    if not spec.path or "\0" in spec.path or spec.path == ":memory:" or spec.path.startswith("file:"):
        raise DefinitionError(
            f"Sqlite: path must name a file, got {spec.path!r} (rows in memory would be lost when the update ends)"
        )
    table = spec.table_name
    if table is not None and (
        not table
        or "\0" in table
        or table.lower() in (CATALOG, EPOCHS)
        or table.lower().startswith("sqlite_")
    ):
        raise DefinitionError(
            f"Sqlite: table_name must not be empty, start with sqlite_, or be {CATALOG} or {EPOCHS}, got {table!r}"
        )
    seen: dict[str, str] = {}
    for name in fields:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise DefinitionError(
                f"Sqlite: fields {other!r} and {name!r} are one column: SQLite ignores case"
            )
