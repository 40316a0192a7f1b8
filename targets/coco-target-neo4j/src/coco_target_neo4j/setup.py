"""Constraints, indexes and the catalog: made, altered and dropped; each statement may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neo4j.exceptions import Neo4jError

from coco.auth_registry import AuthEntryReference
from coco.errors import TargetError
from coco.kit.quoting import quote_cypher
from coco_kit_graph import catalog
from coco_kit_graph.catalog import Entry
from coco_kit_graph.marks import ADOPTED, EXPORTED, MARK, REFERENCED
from coco_kit_graph.schema import GraphKey, GraphState
from coco_kit_graph.setup import Change
from coco_kit_graph.setup import apply_changes as apply_in_order
from coco_target_neo4j import connection, schema
from coco_target_neo4j.connection import Graph
from coco_target_neo4j.elements import unique_names

ROWS_PER_TRANSACTION = 5_000
"""How many elements are deleted at once."""


def apply_changes(changes: Sequence[Change]) -> None:
    """Carry out setup changes, graph by graph. Raises ``TargetError``."""
    graphs: dict[str, list[Change]] = {}
    for change in changes:
        graphs.setdefault(change[0].connection.key, []).append(change)
    for key, some in graphs.items():
        graph = connection.acquire(AuthEntryReference(key))
        try:
            with graph.lock:
                apply_in_order(Store(graph), some)
        finally:
            connection.release(graph)


def problem(key: GraphKey, desired: GraphState) -> str | None:
    """Why something must not be made: another flow has made it. None if all is well."""
    graph = connection.acquire(key.connection)
    try:
        entry = Store(graph).entries().get(catalog.entry_id(key.kind, key.name))
        return None if entry is None else catalog.problem_with(entry, key, desired)
    finally:
        connection.release(graph)


class Store:
    """What setup needs of a graph; see ``coco_kit_graph.setup.Store``."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def _run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        return self._graph.run(query, parameters, op="setup")

    # -- catalog ----------------------------------------------------------------------------------
    def entries(self) -> dict[str, Entry]:
        return catalog.entries_of(self._run(catalog.READ))

    def put(self, entry: Entry) -> None:
        self._run(catalog.PUT, catalog.parameters_of(entry))

    def remove(self, entry: Entry) -> None:
        self._run(catalog.REMOVE, {"id": entry.id})

    # -- constraints and indexes ------------------------------------------------------------------
    def make(self, entry: Entry) -> None:
        if not unique_names(entry.kind, entry.state.key):
            return  # declared only; the relationships that lead to it will know more
        try:
            self._run(schema.create_constraint(entry))
        except TargetError as error:
            unknown = isinstance(error.__cause__, Neo4jError) and "SyntaxError" in str(error.__cause__.code)
            if entry.kind == "node" or not unknown:
                raise
            self._run(schema.create_key_index(entry))
        for index in entry.state.vector_indexes:
            self._run(schema.create_vector_index(entry, index))

    def alter(self, before: Entry, after: Entry) -> None:
        for index in before.state.vector_indexes:
            if index not in after.state.vector_indexes:
                self._run(schema.drop_vector_index(before, index))
        wanted = {item.name: item for item in after.state.values}
        for item in before.state.values:
            kept = wanted.get(item.name)
            if kept is None or kept.type != item.type:
                self._remove_property(after, item.name)
        self.make(after)

    def _remove_property(self, entry: Entry, name: str) -> None:
        pattern, quoted = self._pattern(entry), quote_cypher(name)
        self._in_parts(
            f"MATCH {pattern} WHERE x.{MARK} IN ['{EXPORTED}', '{ADOPTED}'] AND x.{quoted} IS NOT NULL "
            f"WITH x LIMIT {ROWS_PER_TRANSACTION} SET x.{quoted} = null RETURN count(*)"
        )

    def _pattern(self, entry: Entry) -> str:
        name = quote_cypher(entry.name)
        return f"(x:{name})" if entry.kind == "node" else f"()-[x:{name}]->()"

    def _in_parts(self, query: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Repeat a statement that changes so many elements at most, and says how many it changed."""
        while self._run(query, parameters)[0][0] >= ROWS_PER_TRANSACTION:
            pass

    def release(self, entry: Entry) -> None:
        self._delete_lonely(entry.name, [EXPORTED])
        label = quote_cypher(entry.name)
        empty = {"empty": {item.name: None for item in entry.state.values}}
        for mark, then in ((EXPORTED, f"SET x.{MARK} = '{REFERENCED}'"), (ADOPTED, f"REMOVE x.{MARK}")):
            self._in_parts(
                f"MATCH (x:{label}) WHERE x.{MARK} = '{mark}' WITH x LIMIT {ROWS_PER_TRANSACTION} "
                f"SET x += $empty {then} RETURN count(*)",
                empty,
            )

    def drop(self, entry: Entry) -> None:
        if entry.kind == "relationship":
            self._in_parts(
                f"MATCH {self._pattern(entry)} WHERE x.{MARK} IS NOT NULL WITH x LIMIT {ROWS_PER_TRANSACTION} "
                "DELETE x RETURN count(*)"
            )
            for label in {end.label for end in entry.state.ends}:
                self._delete_lonely(label, [REFERENCED])
        else:
            self._delete_lonely(entry.name, [EXPORTED, REFERENCED])
        if unique_names(entry.kind, entry.state.key):
            for statement in schema.drop_constraint(entry):
                self._run(statement)
        for index in entry.state.vector_indexes:
            self._run(schema.drop_vector_index(entry, index))

    def _delete_lonely(self, label: str, marks: Sequence[str]) -> None:
        """Delete coco's nodes without relationships."""
        self._in_parts(
            f"MATCH (x:{quote_cypher(label)}) WHERE x.{MARK} IN $marks AND NOT (x)--() "
            f"WITH x LIMIT {ROWS_PER_TRANSACTION} DELETE x RETURN count(*)",
            {"marks": list(marks)},
        )
