"""Rows of exports as nodes and relationships: written batch by batch, read back for verification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from coco.auth_registry import AuthEntryReference
from coco.errors import DriftError, MutationError
from coco.kit.quoting import quote_cypher
from coco.op import MutationColumns
from coco.typing import FieldSchema
from coco_kit_graph.analysis import Links, known_ends
from coco_kit_graph.catalog import PUT, READ_EPOCH, entry_id, epoch_parameters
from coco_kit_graph.entries import Step, steps_by_graph
from coco_kit_graph.mapping import Mapping, Nodes
from coco_kit_graph.marks import ADOPTED, CATALOG, EXPORTED, MARK, REFERENCED
from coco_kit_graph.schema import properties
from coco_target_neo4j import connection, schema
from coco_target_neo4j.connection import Graph, Transaction
from coco_target_neo4j.elements import NodeKey, Properties
from coco_target_neo4j.settings import Neo4jConnection

Row = tuple[Any, ...]
PAGE_ROWS = 5_000
OURS = f"x.{MARK} IN ['{EXPORTED}', '{ADOPTED}']"


class Place:
    """A label or relationship type as one export sees it. Use ``open_place``. ``pattern``: binds ``x``."""

    is_node: bool
    pattern: str

    def __init__(
        self,
        graph: Graph,
        name: str,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        self.graph = graph
        self.name = name
        self.quoted = quote_cypher(name)
        self.key_fields, self.value_fields = list(key_fields), list(value_fields)

    def close(self) -> None:
        connection.release(self.graph)

    @property
    def entry_id(self) -> str:
        """Where it stands in the catalog."""
        return entry_id("node" if self.is_node else "relationship", self.name)

    def require(self, properties_: Sequence[str]) -> None:
        """Raise ``DriftError`` unless it is in the catalog, and keys are unique, or indexed, as setup leaves them."""
        self.graph.read(lambda tx: require_listed(tx, [self]), "looking at the catalog")
        rows = self.graph.read(lambda tx: tx.run(schema.INDEXES), "looking at the indexes")
        if not any(names == [self.name] and found == list(properties_) for names, found in rows):
            raise DriftError(
                f"{self.graph.title} has no uniqueness constraint for {self.name!r} over "
                f"{', '.join(properties_)}: it was never set up, or was dropped"
            )

    # -- writing ----------------------------------------------------------------------------------
    def upsert(self, tx: Transaction, rows: dict[Row, Row]) -> dict[Row, str]:
        """Write rows; gives those that are refused, with the reason."""
        raise NotImplementedError

    def delete(self, tx: Transaction, keys: Sequence[Row]) -> None:
        """Remove rows; missing ones are fine."""
        raise NotImplementedError

    # -- marks of runs ----------------------------------------------------------------------------
    def read_epoch(self, flow: str) -> str | None:
        """The mark of the last run of a flow that wrote here."""
        parameters = {"id": epoch_parameters(self.entry_id, flow)["id"]}
        rows = self.graph.read(lambda tx: tx.run(READ_EPOCH, parameters), "reading which run wrote last")
        return str(rows[0][0]) if rows else None

    def write_epoch(self, flow: str, epoch: str) -> None:
        """Note the mark of a run, among what lists the labels and types."""
        parameters = epoch_parameters(self.entry_id, flow, epoch)
        self.graph.write(lambda tx: tx.run(PUT, parameters), "noting which run writes")

    # -- reading ----------------------------------------------------------------------------------
    def count(self) -> int:
        """Number of rows."""
        query = f"MATCH {self.pattern} WHERE {OURS} RETURN count(*)"
        return int(self.graph.read(lambda tx: tx.run(query), "counting rows")[0][0])

    def list_keys(self) -> Iterator[list[Row]]:
        """All keys in bounded batches, in one pass."""
        raise NotImplementedError

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        """Values of the keys that are there."""
        raise NotImplementedError


class NodePlace(Place):
    """Exported nodes."""

    is_node = True

    def __init__(
        self,
        graph: Graph,
        label: str,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        super().__init__(graph, label, key_fields, value_fields)
        self.key = NodeKey(properties(key_fields))
        self.values = Properties(properties(value_fields))
        self.pattern = f"(x:{self.quoted})"
        self.require(self.key.unique)

    def upsert(self, tx: Transaction, rows: dict[Row, Row]) -> dict[Row, str]:
        tx.run_rows(
            f"UNWIND $rows AS row MERGE (n:{self.quoted} {self.key.pattern()}) "
            f"ON CREATE SET n.{MARK} = '{EXPORTED}' "
            f"ON MATCH SET n.{MARK} = CASE WHEN n.{MARK} IS NULL OR n.{MARK} = '{ADOPTED}' THEN '{ADOPTED}' "
            f"ELSE '{EXPORTED}' END SET n += row.p",
            [
                {**self.key.parameters(key), "p": {**self.key.others(key), **self.values.map(row)}}
                for key, row in rows.items()
            ],
        )
        return {}

    def delete(self, tx: Transaction, keys: Sequence[Row]) -> None:
        rows = [self.key.parameters(key) for key in keys]
        start = f"UNWIND $rows AS row MATCH (n:{self.quoted} {self.key.pattern()}) WHERE n.{MARK} = "
        empty = self.values.nothing
        tx.run_rows(f"{start}'{EXPORTED}' AND NOT (n)--() DELETE n", rows)
        tx.run_rows(f"{start}'{EXPORTED}' SET n += $empty SET n.{MARK} = '{REFERENCED}'", rows, empty=empty)
        tx.run_rows(f"{start}'{ADOPTED}' SET n += $empty REMOVE n.{MARK}", rows, empty=empty)

    def list_keys(self) -> Iterator[list[Row]]:
        yield from pages(self.graph, f"MATCH {self.pattern} WHERE {OURS} RETURN {self.key.of('x')}", self.key)

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        rows = [{"at": place, **self.key.parameters(key)} for place, key in enumerate(keys)]
        what = f", {self.values.of('n')}" if self.values.names else ""
        query = (
            f"UNWIND $rows AS row MATCH (n:{self.quoted} {self.key.pattern()}) "
            f"WHERE n.{MARK} IN ['{EXPORTED}', '{ADOPTED}'] RETURN row.at AS place_{what}"
        )
        found = self.graph.read(lambda tx: tx.run_rows(query, rows), "reading rows")
        return {keys[place]: self.values.engine(values) for place, *values in found}


def pages(graph: Graph, query: str, key: Properties) -> Iterator[list[Row]]:
    """All rows of a query as keys, fetched in one pass."""
    rows = graph.read(lambda tx: tx.run(query), "listing keys")
    for start in range(0, len(rows), PAGE_ROWS):
        yield [key.engine(row) for row in rows[start : start + PAGE_ROWS]]


def open_place(
    reference: AuthEntryReference[Neo4jConnection],
    mapping: Mapping,
    links: Links | None,
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
) -> Place:
    """The place of an export, checked. Raises ``DriftError`` if it is not as setup left it."""
    from coco_target_neo4j.relationships import RelationshipPlace

    graph = connection.acquire(reference)
    try:
        if isinstance(mapping, Nodes):
            return NodePlace(graph, mapping.label, key_fields, value_fields)
        source, target = known_ends(mapping, links)
        return RelationshipPlace(graph, mapping, source, target, key_fields, value_fields)
    except BaseException:
        connection.release(graph)
        raise


def mutate(batches: Iterable[tuple[Place, MutationColumns]]) -> None:
    """Write batches, those of one graph in one transaction, in the order that shared nodes need.

    Raises ``MutationError`` naming rows that were refused, all others being written, or ``TargetError``, none being
    written.
    """
    refused: dict[Row, str] = {}
    for steps in steps_by_graph(batches, lambda place: place.is_node, lambda place: place.graph):
        refused.update(
            steps[0].place.graph.write(lambda tx, steps=steps: _perform(tx, steps), "writing rows")  # type: ignore[misc]
        )
    if refused:
        raise MutationError(refused)


def require_listed(tx: Transaction, places: Iterable[Place]) -> None:
    """Raise ``DriftError`` if one is not in the catalog: another program emptied the graph."""
    by_id = {item.entry_id: item for item in places}
    rows = tx.run(f"MATCH (n:{CATALOG}) WHERE n._coco_id IN $ids RETURN n._coco_id", {"ids": list(by_id)})
    for id_ in by_id.keys() - {row[0] for row in rows}:
        place = by_id[id_]
        raise DriftError(
            f"{place.graph.title} does not list {place.name!r} among what coco made there: it was never set up, or "
            "was dropped or emptied since"
        )


def _perform(tx: Transaction, steps: Sequence[Step[Place]]) -> dict[Row, str]:
    require_listed(tx, [step.place for step in steps])
    refused: dict[Row, str] = {}
    for step in steps:
        if step.deletes:
            step.place.delete(tx, step.deletes)
        else:
            refused.update(step.place.upsert(tx, step.upserts))
    return refused
