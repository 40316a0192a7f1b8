"""A target that keeps tables in a dictionary of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from coco import op
from coco.auth_registry import AuthEntryReference, get_auth_entry
from coco.errors import DriftError, FencedError, MutationError, TargetError
from coco.kit.state_diff import diff_parts
from coco.kit.values import key_decoder, value_decoder
from coco.op import Adoption, MutationColumns, TargetStateCompatibility
from coco.typing import FieldSchema
from coco_testing.rows import NaturalRows, Shape


@dataclass
class Table:
    """``columns``: names of value columns; ``rows``: key parts to one value per column; ``indexes``: indexed columns;
    ``epochs``: marks of runs by flow.
    """

    key_names: list[str]
    columns: list[str]
    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    key_types: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    epochs: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """Flow -> number of the latest run that writes."""


TABLES: dict[str, Table] = {}
"""The "server": tables by name."""
LOCK = threading.Lock()
MOST_CHARACTERS = 10_000_000
"""The target refuses longer texts."""


@dataclass
class Server:
    """``generation``: raised to break all connections."""

    generation: int = 0


SERVER = Server()


@dataclass
class Login:
    """Login data, as an auth entry."""

    password: str


class MemoryTable(op.TargetSpec):
    """Rows in memory, under a name."""

    name: str
    login: AuthEntryReference[Login] | None = None


@dataclass
class TableState:
    """The setup state of a table."""

    key_columns: list[list[str]]
    value_columns: list[list[str]]
    indexes: list[str] = field(default_factory=list)


def columns_of(state: TableState) -> dict[str, str]:
    """Name of a value column to its type."""
    return {name: type_ for name, type_ in state.value_columns}  # noqa: C416 - the types of dict() are too narrow


@dataclass
class Session:
    """An open connection."""

    name: str
    password: str | None
    columns: list[str]
    closed: bool = False
    generation: int = field(default_factory=lambda: SERVER.generation)
    token: op.FencingToken | None = None

    def check_token(self, table: Table) -> None:
        """Raise ``FencedError`` if a later run writes. The caller holds the lock."""
        if self.token is not None and table.numbers.get(self.token.flow) != self.token.number:
            raise FencedError(
                f"a later run of flow '{self.token.flow}' writes to table {self.name!r}",
                table.numbers.get(self.token.flow, 0),
            )

    def table(self) -> Table:
        """The table; raises ``DriftError`` without one, ``TargetError`` if the connection broke."""
        if self.closed:
            raise RuntimeError("the session is used after close()")
        if self.generation != SERVER.generation:
            raise TargetError("the connection is lost: run the update again")
        found = TABLES.get(self.name)
        if found is None:
            raise DriftError(f"there is no table {self.name!r}")
        return found

    def close(self) -> None:
        self.closed = True


@op.target_connector(spec_cls=MemoryTable, persistent_key_type=str, setup_state_cls=TableState)
class MemoryTableConnector:
    """A connector that keeps every rule. Mutants derive from this class."""

    partial_update = True

    @staticmethod
    def get_persistent_key(spec: Any, target_name: str) -> str:
        return str(spec.name)

    @staticmethod
    def describe(key: str) -> str:
        return f"table {key} in memory"

    @staticmethod
    def get_setup_state(
        spec: Any, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema], index_options: Any
    ) -> TableState:
        return TableState(
            [[item.name, str(item.value_type)] for item in key_fields],
            [[item.name, str(item.value_type)] for item in value_fields],
            [item.field_name for item in (*index_options.vector_indexes, *index_options.fts_indexes)],
        )

    @staticmethod
    def upgrade_key(data: Any) -> Any:
        """Release 0 wrote the name in an object."""
        return data["table"] if isinstance(data, dict) else data

    @staticmethod
    def upgrade_state(data: Any) -> Any:
        """Release 0 wrote types by name."""
        if "columns" not in data:
            return data
        columns = {name: [list(item) for item in data["columns"][name].items()] for name in ("key", "value")}
        return {"key_columns": columns["key"], "value_columns": columns["value"], "indexes": []}

    @staticmethod
    def check_state_compatibility(desired: TableState, existing: TableState) -> TargetStateCompatibility:
        if desired.key_columns != existing.key_columns:
            return TargetStateCompatibility.NOT_COMPATIBLE
        if desired.value_columns == existing.value_columns:
            return TargetStateCompatibility.COMPATIBLE
        return TargetStateCompatibility.PARTIALLY_COMPATIBLE

    @classmethod
    def apply_setup_change(cls, key: str, previous: TableState | None, current: TableState | None) -> None:
        with LOCK:
            if current is None:
                TABLES.pop(key, None)
                return
            names, types = ([column[place] for column in current.key_columns] for place in (0, 1))
            table = TABLES.setdefault(key, Table(names, [], key_types=types))
            table.indexes = list(current.indexes)
            # Compare with the table itself, not with the record: after a crash they may differ.
            diff = diff_parts(
                [dict.fromkeys(table.columns)], dict.fromkeys(n for n, _ in current.value_columns)
            )
            gone = {item.name for item in diff.drop}
            table.columns = [name for name in table.columns if name not in gone]
            table.columns += [item.name for item in diff.add]
            for row in table.rows.values():
                for name in gone:
                    row.pop(name, None)

    @staticmethod
    def describe_change(key: str, previous: TableState, current: TableState) -> list[str]:
        diff = diff_parts([columns_of(previous)], columns_of(current))
        return [
            *(f"drop column {item.name}" for item in diff.drop),
            *(f"alter column {item.name}" for item in diff.alter),
            *(f"add column {item.name}" for item in diff.add),
        ]

    @staticmethod
    def check_existing(key: str, desired: TableState) -> Adoption | str | None:
        table = TABLES.get(key)
        if table is None:
            return None
        if [list(pair) for pair in zip(table.key_names, table.key_types, strict=True)] != desired.key_columns:
            return f"a table {key!r} with another key exists already, and coco did not create it: choose another name"
        return Adoption(f"it holds {len(table.rows)} rows")

    @staticmethod
    def prepare(spec: Any, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]) -> Session:
        login = None if spec.login is None else get_auth_entry(Login, spec.login)
        return Session(
            spec.name, None if login is None else login.password, [item.name for item in value_fields]
        )

    @classmethod
    def mutate_columns(cls, *batches: tuple[Session, MutationColumns]) -> None:
        for session, batch in batches:
            table = session.table()
            with LOCK:
                session.check_token(table)
                cls.delete(table, batch.delete_keys)
                failed = cls.upsert(table, batch)
            if failed:
                raise MutationError(failed)

    @classmethod
    def upsert(cls, table: Table, batch: MutationColumns) -> dict[tuple[Any, ...], str]:
        """Write all rows that are not too long. Returns the other rows with their errors."""
        names = [item.name for item in batch.value_fields]
        failed: dict[tuple[Any, ...], str] = {}
        for position, (key, values) in enumerate(zip(batch.upsert_keys, batch.upsert_rows, strict=True)):
            if any(isinstance(item, str) and len(item) > MOST_CHARACTERS for item in values):
                failed[key] = f"a text of more than {MOST_CHARACTERS} characters"
                continue
            changed = None if batch.changed is None else batch.changed[position]
            cls.put(table, key, dict(zip(names, values, strict=True)), changed)
        return failed

    @classmethod
    def put(
        cls, table: Table, key: tuple[Any, ...], row: dict[str, Any], changed: tuple[int, ...] | None
    ) -> None:
        """Write one row. ``changed``: positions of the fields that differ; None for all."""
        if changed is None or key not in table.rows:
            table.rows[key] = row
        else:
            names = list(row)
            table.rows[key].update({names[place]: row[names[place]] for place in changed})

    @classmethod
    def delete(cls, table: Table, keys: Sequence[tuple[Any, ...]]) -> None:
        """Delete rows. Missing rows are no error."""
        for key in keys:
            table.rows.pop(key, None)

    @classmethod
    def fence(cls, session: Session, token: op.FencingToken) -> None:
        table = session.table()
        with LOCK:
            known = table.numbers.get(token.flow, 0)
            if known >= token.number:
                raise FencedError(
                    f"a later run of flow '{token.flow}' writes to table {session.name!r}", known
                )
            table.numbers[token.flow] = token.number
            session.token = token

    @classmethod
    def count_rows(cls, session: Session) -> int:
        return len(session.table().rows)

    @classmethod
    def read_epoch(cls, session: Session, flow: str) -> str | None:
        return session.table().epochs.get(flow)

    @classmethod
    def write_epoch(cls, session: Session, flow: str, epoch: str) -> None:
        session.table().epochs[flow] = epoch

    @classmethod
    def list_keys(cls, session: Session) -> Iterator[list[tuple[Any, ...]]]:
        keys = list(session.table().rows)
        for start in range(0, len(keys), 1_000):
            yield keys[start : start + 1_000]

    @classmethod
    def read_rows(
        cls, session: Session, keys: Sequence[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        table = session.table()
        return {
            key: tuple(table.rows[key].get(name) for name in session.columns)
            for key in keys
            if key in table.rows
        }


def make_table(name: str, shape: Shape, rows: NaturalRows) -> None:
    """Make a table without the connector, for ``foreign_resource``."""
    names = [item.name for item in shape.value_fields]
    TABLES[name] = Table(
        [item.name for item in shape.key_fields],
        names,
        {key: dict(zip(names, values, strict=True)) for key, values in shape.encode(rows).items()},
        [str(item.value_type) for item in shape.key_fields],
    )


def rows_of(name: str, shape: Shape) -> NaturalRows | None:
    """Rows of the "server", read without the connector, for ``read_back``."""
    table = TABLES.get(name)
    if table is None:
        return None
    decode_key = key_decoder(shape.key_fields)
    decoders = {item.name: value_decoder(item.value_type, path=[item.name]) for item in shape.value_fields}
    return {
        decode_key(key): {column: decode(row[column]) for column, decode in decoders.items() if column in row}
        for key, row in table.rows.items()
    }
