"""Rows of exports as nodes and relationships: written batch by batch, read back for verification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from coco.auth_registry import AuthEntryReference
from coco.errors import DriftError, MutationError, TargetError
from coco.kit.quoting import quote_cypher
from coco.op import MutationColumns
from coco.typing import BasicValueType, FieldSchema
from coco_kit_graph.analysis import Links, known_ends
from coco_kit_graph.catalog import PUT, READ_EPOCH, entry_id, epoch_parameters
from coco_kit_graph.entries import steps_by_graph
from coco_kit_graph.mapping import Nodes, Relationships
from coco_kit_graph.marks import ADOPTED, CATALOG, EXPORTED, MARK, REFERENCED
from coco_kit_graph.schema import properties
from coco_target_kuzu import connection, setup
from coco_target_kuzu.checkpoints import Kind
from coco_target_kuzu.connection import Database, KuzuConnection
from coco_target_kuzu.tables import Columns, Field, PrimaryKey, fields_of, sets

Row = tuple[Any, ...]
PAGE_ROWS = 5_000
LOAD_FROM = 200_000
"""Numbers in vectors from which a bulk load is faster: it ends in a checkpoint, a statement writes element by element."""

_BAD_ROW = (ValueError, TypeError, OverflowError, ArithmeticError)
"""What a single row can be guilty of on its way into a column; Arrow's own errors are among them."""


class Place:
    """A label or relationship type as one export sees it. Use ``open_place``."""

    is_node: bool
    pattern: str
    variable: str

    def __init__(
        self,
        database: Database,
        name: str,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        self.db = database
        self.name = name
        self.key = PrimaryKey(properties(key_fields))
        self.value_fields = list(value_fields)
        self.quoted = quote_cypher(name)
        self._lists: dict[str, set[str]] = {}

    def close(self) -> None:
        connection.release(self.db)

    # -- writing ----------------------------------------------------------------------------------
    def upsert(self, rows: dict[Row, Row]) -> dict[Row, str]:
        """Write rows; gives those that are refused, with the reason. Within a transaction."""
        raise NotImplementedError

    def delete(self, keys: Sequence[Row]) -> None:
        """Remove rows; missing ones are fine. Within a transaction."""
        raise NotImplementedError

    def load(self, rows: dict[Row, Row]) -> dict[Row, Row]:
        """Write what goes faster in bulk, outside of a transaction; gives the rows that remain."""
        return rows

    def update(self, positions: Sequence[int], rows: dict[Row, Row]) -> Iterable[Row]:
        """Write some fields of rows; gives the keys that were there to be written. Within a transaction."""
        raise NotImplementedError

    def write(self, rows: dict[Row, Row], changed: Mapping[Row, tuple[int, ...]]) -> dict[Row, str]:
        """As ``upsert``. changed: positions of the fields that differ, for some rows."""
        return self.upsert(self.write_parts(rows, changed))

    def write_parts(self, rows: dict[Row, Row], changed: Mapping[Row, tuple[int, ...]]) -> dict[Row, Row]:
        """Write only the fields that differ where that will do; gives the other rows."""
        groups: dict[tuple[int, ...], dict[Row, Row]] = {}
        for key, positions in changed.items():
            if key in rows:
                groups.setdefault(positions, {})[key] = rows[key]
        done: set[Row] = set()
        for positions, some in groups.items():
            done.update(self.update(positions, some))
        return {key: row for key, row in rows.items() if key not in done} if done else rows

    def write_all_it_can(
        self, rows: dict[Row, Row], changed: Mapping[Row, tuple[int, ...]]
    ) -> dict[Row, str]:
        """As ``write``; rows whose values fit no column are among the refused."""
        try:
            return self.write(rows, changed)
        except _BAD_ROW:
            refused = {}
            for key, row in rows.items():
                try:
                    self.check(key, row)
                except _BAD_ROW as error:
                    refused[key] = str(error) or type(error).__name__
            if not refused:
                raise
            refused.update(self.write({key: row for key, row in rows.items() if key not in refused}, {}))
            return refused

    def check(self, key: Row, row: Row) -> None:
        """Raise what converting a row raises."""
        raise NotImplementedError

    # -- marks of runs ----------------------------------------------------------------------------
    def read_epoch(self, flow: str) -> str | None:
        """The mark of the last run of a flow that wrote here."""
        if CATALOG not in setup.table_names(self.db):
            return None
        rows = self.db.run(READ_EPOCH, {"id": epoch_parameters(self.entry_id, flow)["id"]})
        return str(rows[0][0]) if rows else None

    def write_epoch(self, flow: str, epoch: str) -> None:
        """Note the mark of a run, among what lists the tables."""
        self.db.run(PUT, epoch_parameters(self.entry_id, flow, epoch))

    @property
    def entry_id(self) -> str:
        """Where it stands in the catalog."""
        return entry_id("node" if self.is_node else "relationship", self.name)

    # -- reading ----------------------------------------------------------------------------------
    def require(self, table: str, fields: Iterable[Field]) -> None:
        """Raise ``DriftError`` unless a table has these columns."""
        if table not in setup.table_names(self.db):
            raise DriftError(
                f"graph {self.db.path} has no table {table!r}: it was never set up, or was dropped"
            )
        present = setup.columns(self.db, table)
        self._lists[table] = {name.lower() for name, type_ in present.items() if setup.holds_list(type_)}
        missing = [item.name for item in fields if item.name not in present] + (
            [] if MARK in present else [MARK]
        )
        if missing:
            raise DriftError(f"table {table!r} of graph {self.db.path} has no columns {', '.join(missing)}")

    def needs_care(self, table: str, fields: Iterable[Field] | None = None) -> bool:
        """Whether ``Database.before`` is to be called for a table: it has lists. fields: some of these are."""
        if self.db.history is None:
            return False
        lists = self._lists[table]
        return bool(lists) if fields is None else any(item.name.lower() in lists for item in fields)

    def present(self, label: str, key: PrimaryKey, keys: Iterable[Row]) -> set[Any]:
        """Which of some nodes exist, made by coco or not: values of the primary key."""
        columns = Columns()
        at = columns.add(key.field.column, [key.of(item) for item in keys])
        query = (
            f"LOAD FROM $rows MATCH (n:{quote_cypher(label)}) WHERE n.{key.field.quoted} = {at} RETURN {at}"
        )
        return {row[0] for row in self.db.run(query, {"rows": columns.table()})}

    @property
    def _ours(self) -> str:
        return f"MATCH {self.pattern} WHERE {self.variable}.{MARK} IN ['{EXPORTED}', '{ADOPTED}']"

    def count(self) -> int:
        """Number of rows."""
        self.db.check_there()
        return int(self.db.run(f"{self._ours} RETURN count(*)")[0][0])

    def list_keys(self) -> Iterator[list[Row]]:
        """All keys in bounded batches."""
        at = f"{self.variable}.{self.key.field.quoted}"
        parts = ", ".join(
            f"{item.read_from(self.variable)} AS k{place}" for place, item in enumerate(self.key.parts)
        )
        tail = f" RETURN {at} AS at, {parts} ORDER BY at LIMIT {PAGE_ROWS}"
        rows = self.db.run(self._ours + tail)
        while rows:
            yield [_engine(self.key.parts, row[1:]) for row in rows]
            if len(rows) < PAGE_ROWS:
                return
            rows = self.db.run(f"{self._ours} AND {at} > $after{tail}", {"after": rows[-1][0]})

    def found(self, keys: Sequence[Row], what: str) -> Iterator[tuple[Row, list[Any]]]:
        """(key, answer) of the keys that are there."""
        if not keys:
            return
        by_text = {self.key.of(key): key for key in keys}
        columns = Columns()
        at = columns.add(self.key.field.column, list(by_text))
        query = (
            f"LOAD FROM $rows {self._ours} AND {self.variable}.{self.key.field.quoted} = {at} "
            f"RETURN {at}{what}"
        )
        for row in self.db.run(query, {"rows": columns.table()}):
            yield by_text[row[0]], row[1:]

    def updated(
        self, found: str, keys: Sequence[Row], fields: Sequence[Field], rows: Sequence[Row]
    ) -> Iterable[Row]:
        """Write some properties of elements; gives the keys of those that were there."""
        by_text = {self.key.of(key): key for key in keys}
        columns = Columns()
        at = columns.add(self.key.field.column, list(by_text))
        pairs = columns.add_rows(fields, rows)
        answers = self.db.run(
            f"{found} AND {self.variable}.{self.key.field.quoted} = {at} SET {sets(self.variable, pairs)} RETURN {at}",
            {"rows": columns.table()},
        )
        return [by_text[row[0]] for row in answers]

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        """Values of the keys that are there."""
        raise NotImplementedError


def _engine(fields: Sequence[Field], values: Sequence[Any]) -> Row:
    return tuple([item.column.engine(value) for item, value in zip(fields, values, strict=True)])


class NodePlace(Place):
    """Exported nodes."""

    is_node = True
    variable = "n"

    def __init__(
        self,
        database: Database,
        label: str,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        super().__init__(database, label, key_fields, value_fields)
        self.fields = fields_of(properties(value_fields))
        self.pattern = f"(n:{self.quoted})"
        types = [item.value_type.type for item in value_fields]
        formats = [item.packed_format if isinstance(item, BasicValueType) else None for item in types]
        self._vectors = [(place, found[1]) for place, found in enumerate(formats) if found is not None]
        self.require(label, [self.key.field, *self.key.parts, *self.fields])

    def _columns(self, rows: dict[Row, Row]) -> tuple[str, list[tuple[str, str]], Columns]:
        columns = Columns()
        at = columns.add(self.key.field.column, [self.key.of(key) for key in rows])
        given = columns.add_rows(self.key.others, list(rows)) if self.key.others else []
        given += columns.add_rows(self.fields, list(rows.values()))
        return at, given, columns

    def check(self, key: Row, row: Row) -> None:
        self._columns({key: row})

    def _is_much(self, rows: Iterable[Row]) -> bool:
        numbers = 0
        for place, size in self._vectors:
            numbers += sum([len(row[place] or b"") // size for row in rows])
        return numbers >= LOAD_FROM

    def load(self, rows: dict[Row, Row]) -> dict[Row, Row]:
        if not self._vectors or not self._is_much(rows.values()):
            return rows
        there = self.present(self.name, self.key, rows)
        fresh = {key: row for key, row in rows.items() if self.key.of(key) not in there}
        if not self._is_much(fresh.values()):
            return rows
        try:
            at, given, columns = self._columns(fresh)
            names = [self.key.field.quoted, *(name for name, _ in given), MARK]
            values = [at, *(value for _, value in given), f"'{EXPORTED}'"]
            if self.needs_care(self.name):
                self.db.before(self.name, "insert")
            self.db.run_alone(
                f"COPY {self.quoted}({', '.join(names)}) FROM (LOAD FROM $rows RETURN {', '.join(values)})",
                {"rows": columns.table()},
            )
        except (*_BAD_ROW, TargetError):
            return rows  # the statements that follow show which row fails
        return {key: row for key, row in rows.items() if key not in fresh}

    def write(self, rows: dict[Row, Row], changed: Mapping[Row, tuple[int, ...]]) -> dict[Row, str]:
        if not rows or not self.needs_care(self.name):
            return super().write(rows, changed)
        there = self.present(self.name, self.key, rows)
        parts: dict[Kind, dict[Row, Row]] = {"update": {}, "insert": {}}
        for key, row in rows.items():
            parts["update" if self.key.of(key) in there else "insert"][key] = row
        assert self.db.history is not None
        order: list[Kind] = ["update", "insert"]
        if self.db.history.last(self.name) == "insert":
            order.reverse()
        for kind in order:
            some = parts[kind]
            if some and (kind == "insert" or self._changes_lists(some, changed)):
                self.db.before(self.name, kind)
            rest = self.write_parts(some, changed)
            if kind == "update" and rest and self.needs_care(self.name, self.fields):
                self.db.before(self.name, kind)
            self.upsert(rest)
        return {}

    def _changes_lists(self, rows: Iterable[Row], changed: Mapping[Row, tuple[int, ...]]) -> bool:
        everything = range(len(self.fields))
        places = {place for key in rows for place in changed.get(key, everything)}
        return self.needs_care(self.name, [self.fields[place] for place in places])

    def update(self, positions: Sequence[int], rows: dict[Row, Row]) -> Iterable[Row]:
        fields = [self.fields[place] for place in positions]
        cells = [tuple([row[place] for place in positions]) for row in rows.values()]
        return self.updated(f"LOAD FROM $rows {self._ours}", list(rows), fields, cells)

    def upsert(self, rows: dict[Row, Row]) -> dict[Row, str]:
        if not rows:
            return {}
        at, given, columns = self._columns(rows)
        values = "".join(f", n.{name} = {value}" for name, value in given)
        self.db.run(
            f"LOAD FROM $rows MERGE (n:{self.quoted} {{{self.key.field.quoted}: {at}}}) "
            f"ON CREATE SET n.{MARK} = '{EXPORTED}'{values} "
            f"ON MATCH SET n.{MARK} = CASE WHEN n.{MARK} IS NULL OR n.{MARK} = '{ADOPTED}' THEN '{ADOPTED}' "
            f"ELSE '{EXPORTED}' END{values}",
            {"rows": columns.table()},
        )
        return {}

    def delete(self, keys: Sequence[Row]) -> None:
        columns = Columns()
        at = columns.add(self.key.field.column, [self.key.of(key) for key in keys])
        rows = {"rows": columns.table()}
        which = (
            f"LOAD FROM $rows MATCH (n:{self.quoted}) WHERE n.{self.key.field.quoted} = {at} AND n.{MARK} = "
        )
        empty = "".join(f", n.{item.quoted} = NULL" for item in self.fields)
        self.db.run(f"{which}'{EXPORTED}'{setup.lonely(self.db, self.name)} DELETE n", rows)
        if self.needs_care(self.name, self.fields) and self._stay(keys):
            self.db.before(self.name, "update")
        self.db.run(f"{which}'{EXPORTED}' SET n.{MARK} = '{REFERENCED}'{empty}", rows)
        self.db.run(f"{which}'{ADOPTED}' SET n.{MARK} = NULL{empty}", rows)

    def _stay(self, keys: Sequence[Row]) -> bool:
        """Whether some of the nodes are there as exported ones."""
        return next(self.found(keys, ""), None) is not None

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        what = "".join(f", {item.read_from('n')}" for item in self.fields)
        return {key: _engine(self.fields, values) for key, values in self.found(keys, what)}


def open_place(
    reference: AuthEntryReference[KuzuConnection],
    mapping: Nodes | Relationships,
    links: Links | None,
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
) -> Place:
    """The place of an export, checked. Raises ``DriftError`` if it is not as setup left it."""
    from coco_target_kuzu.relationships import RelationshipPlace

    if not connection.exists(reference):
        raise DriftError(
            f"the graph of auth entry {reference.key!r} does not exist: it was never set up, or was moved"
        )
    database = connection.acquire(reference, "a Kuzu target")
    try:
        if isinstance(mapping, Nodes):
            return NodePlace(database, mapping.label, key_fields, value_fields)
        source, target = known_ends(mapping, links)
        return RelationshipPlace(database, mapping, source, target, key_fields, value_fields)
    except BaseException:
        connection.release(database)
        raise


def mutate(batches: Iterable[tuple[Place, MutationColumns]]) -> None:
    """Write batches, those of one graph in one transaction, in the order that shared nodes need.

    New nodes with much in their vectors come before it, in a bulk load of their own: it is up to nine times as fast.
    Where Kuzu needs a checkpoint on the way (see ``checkpoints``), what was done so far is committed.

    Raises ``MutationError`` naming rows that were refused, all others being written, or ``TargetError``: what was not
    committed before is not written.
    """
    refused: dict[Row, str] = {}
    for steps in steps_by_graph(batches, lambda place: place.is_node, lambda place: place.db):
        left = [step.place.load(step.upserts) for step in steps]
        with steps[0].place.db.transaction():
            for step, rows in zip(steps, left, strict=True):
                if step.deletes:
                    step.place.delete(step.deletes)
                else:
                    refused.update(step.place.write_all_it_can(rows, step.changed))
        steps[0].place.db.check_there()
    if refused:
        raise MutationError(refused)
