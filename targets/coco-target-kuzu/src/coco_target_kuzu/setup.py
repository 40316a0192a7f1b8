"""Tables of labels and relationship types: made, altered and dropped, each change in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from coco.auth_registry import AuthEntryReference
from coco.kit.quoting import quote_cypher
from coco_kit_graph import catalog
from coco_kit_graph.catalog import Entry
from coco_kit_graph.marks import ADOPTED, CATALOG, EXPORTED, MARK, REFERENCED
from coco_kit_graph.schema import GraphKey, GraphState, Property
from coco_kit_graph.setup import Change
from coco_kit_graph.setup import apply_changes as apply_in_order
from coco_target_kuzu import connection
from coco_target_kuzu.connection import Database
from coco_target_kuzu.tables import PrimaryKey, fields_of

_NODES_OF_COCO = f"n.{MARK} IS NOT NULL"


def apply_changes(changes: Sequence[Change]) -> None:
    """Carry out setup changes, graph by graph. Raises ``TargetError``."""
    graphs: dict[str, list[Change]] = {}
    for change in changes:
        graphs.setdefault(change[0].connection.key, []).append(change)
    for key, some in graphs.items():
        reference: AuthEntryReference[connection.KuzuConnection] = AuthEntryReference(key)
        if all(current is None for _, _, current in some) and not connection.exists(reference):
            continue
        database = connection.acquire(reference, "setup of a Kuzu target")
        try:
            lists = database.history is not None and any(_has_lists(change) for change in some)
            if lists:
                database.checkpoint()
            with database.transaction():
                apply_in_order(Store(database), some)
            if lists and database.history is not None:
                database.history.forget()
        finally:
            connection.release(database)


def _has_lists(change: Change) -> bool:
    states = [state for state in change[1:] if state is not None]
    return any(holds_list(item.column.ddl) for state in states for item in fields_of(state.values))


def problem(key: GraphKey, desired: GraphState) -> str | None:
    """Why something must not be made: its name is taken. None if all is well."""
    if not connection.exists(key.connection):
        return None
    database = connection.acquire(key.connection, "setup of a Kuzu target")
    try:
        store = Store(database)
        entry = store.entries().get(catalog.entry_id(key.kind, key.name))
        if entry is not None:
            return catalog.problem_with(entry, key, desired)
        if key.name.lower() in (name.lower() for name in table_names(database)):
            return (
                f"there is a table {key.name!r} in graph {database.path} that coco did not make for "
                f"{key.kind}s. Use another name, or drop it"
            )
        return None
    finally:
        connection.release(database)


def table_names(database: Database, kind: str | None = None) -> list[str]:
    """Names of tables. kind: NODE or REL."""
    rows = database.run("CALL show_tables() RETURN name, type")
    return [name for name, type_ in rows if kind is None or type_ == kind]


def columns(database: Database, table: str) -> dict[str, str]:
    """Properties of a table that is there, with their types."""
    literal = table.replace("\\", "\\\\").replace("'", "\\'")
    return {
        str(row[0]): str(row[1]) for row in database.run(f"CALL table_info('{literal}') RETURN name, type")
    }


def holds_list(ddl: str) -> bool:
    """Whether values of a column's type are lists, or hold some. A map is one inside."""
    return "[" in ddl or "MAP(" in ddl.upper()


class Store:
    """What setup needs of a database; see ``coco_kit_graph.setup.Store``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- catalog ----------------------------------------------------------------------------------
    def entries(self) -> dict[str, Entry]:
        if CATALOG not in table_names(self._db):
            return {}
        return catalog.entries_of(self._db.run(catalog.READ))

    def put(self, entry: Entry) -> None:
        self._db.run(
            f"CREATE NODE TABLE IF NOT EXISTS {CATALOG}"
            "(_coco_id STRING, _coco_kind STRING, _coco_name STRING, _coco_owners STRING, _coco_state STRING, "
            "PRIMARY KEY(_coco_id))"
        )
        self._db.run(catalog.PUT, catalog.parameters_of(entry))

    def remove(self, entry: Entry) -> None:
        if CATALOG in table_names(self._db):
            self._db.run(catalog.REMOVE, {"id": entry.id})

    # -- tables -----------------------------------------------------------------------------------
    def make(self, entry: Entry) -> None:
        state, name = entry.state, quote_cypher(entry.name)
        key = PrimaryKey(state.key)
        parts = [*key.declared, *(item.declared for item in fields_of(state.values)), f"{MARK} STRING"]
        if entry.kind == "node":
            parts.append(f"PRIMARY KEY({key.field.quoted})")
            self._db.run(f"CREATE NODE TABLE IF NOT EXISTS {name}({', '.join(parts)})")
        else:
            source, target = (quote_cypher(end.label) for end in state.ends)
            self._db.run(
                f"CREATE REL TABLE IF NOT EXISTS {name}(FROM {source} TO {target}, {', '.join(parts)})"
            )
        self._bring_columns(entry, [])

    def alter(self, before: Entry, after: Entry) -> None:
        if before.name not in table_names(self._db):
            self.make(after)
            return
        self._bring_columns(after, before.state.values)

    def _bring_columns(self, entry: Entry, before: Sequence[Property]) -> None:
        name = quote_cypher(entry.name)
        wanted = {item.name: item for item in entry.state.values}
        present = set(columns(self._db, entry.name))
        for item in before:
            after = wanted.get(item.name)
            if item.name in present and (after is None or after.type != item.type):
                self._db.run(f"ALTER TABLE {name} DROP {quote_cypher(item.name)}")
                present.discard(item.name)
        for field in fields_of(entry.state.values):
            if field.name not in present:
                self._db.run(f"ALTER TABLE {name} ADD {field.declared}")

    def release(self, entry: Entry) -> None:
        if entry.name not in table_names(self._db, "NODE"):
            return
        label = quote_cypher(entry.name)
        values = [f"n.{quote_cypher(item.name)} = NULL" for item in entry.state.values]
        mark = f"n.{MARK}"
        self._delete_lonely(entry.name, EXPORTED)
        self._db.run(
            f"MATCH (n:{label}) WHERE {mark} = '{EXPORTED}' SET {', '.join([*values, f'{mark} = {REFERENCED!r}'])}"
        )
        self._db.run(
            f"MATCH (n:{label}) WHERE {mark} = '{ADOPTED}' SET {', '.join([*values, f'{mark} = NULL'])}"
        )

    def drop(self, entry: Entry) -> None:
        if entry.name not in table_names(self._db):
            return
        name = quote_cypher(entry.name)
        if entry.kind == "relationship":
            self._drop_relationships(entry)
            return
        self._delete_lonely(entry.name, None)
        left = self._db.run(f"MATCH (n:{name}) RETURN count(*)")[0][0]
        if not left and not self._is_an_end(entry.name):
            self._db.run(f"DROP TABLE {name}")

    def _drop_relationships(self, entry: Entry) -> None:
        name = quote_cypher(entry.name)
        foreign = self._db.run(f"MATCH ()-[r:{name}]->() WHERE r.{MARK} IS NULL RETURN count(*)")[0][0]
        if foreign:
            self._db.run(f"MATCH ()-[r:{name}]->() WHERE r.{MARK} IS NOT NULL DELETE r")
        else:
            self._db.run(f"DROP TABLE {name}")
        for label in {end.label for end in entry.state.ends}:
            if label in table_names(self._db, "NODE"):
                self._delete_lonely(label, REFERENCED)

    def _delete_lonely(self, label: str, mark: str | None) -> None:
        """Delete coco's nodes without relationships."""
        which = _NODES_OF_COCO if mark is None else f"n.{MARK} = '{mark}'"
        self._db.run(f"MATCH (n:{quote_cypher(label)}) WHERE {which}{lonely(self._db, label)} DELETE n")

    def _is_an_end(self, label: str) -> bool:
        return any(label in ends for _, *ends in connections(self._db))


def connections(database: Database) -> list[tuple[str, str, str]]:
    """(relationship table, label it comes from, label it leads to); a table may have several."""
    found = []
    for table in table_names(database, "REL"):
        literal = table.replace("\\", "\\\\").replace("'", "\\'")
        rows = database.run(f"CALL show_connection('{literal}') RETURN *")
        found += [(table, str(row[0]), str(row[1])) for row in rows]
    return found


def lonely(database: Database, label: str) -> str:
    """The condition that no relationship leads to or from node n of a label.

    Each pattern names its table and end. Without them Kuzu takes relationships of the same transaction for those of
    another label's node that is stored at the same place.
    """
    conditions = []
    for table, source, target in connections(database):
        relationship = f"[:{quote_cypher(table)}]"
        if source == label:
            conditions.append(f"(n)-{relationship}->(:{quote_cypher(target)})")
        if target == label:
            conditions.append(f"(n)<-{relationship}-(:{quote_cypher(source)})")
    return "".join(f" AND NOT EXISTS {{ MATCH {item} }}" for item in conditions)
