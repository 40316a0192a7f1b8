"""Rows of an export as relationships between nodes that are made when they are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from coco.kit.quoting import quote_cypher
from coco.typing import FieldSchema
from coco_kit_graph import relationships
from coco_kit_graph.entries import EndRows, RelationshipRows, RelationshipSplit
from coco_kit_graph.mapping import Relationships
from coco_kit_graph.marks import EXPORTED, MARK, REFERENCED
from coco_kit_graph.relationships import Edges
from coco_kit_graph.schema import LabelSchema, properties
from coco_target_neo4j.connection import Graph, Transaction
from coco_target_neo4j.elements import NodeKey, Properties, RelationshipKey
from coco_target_neo4j.mutate import OURS, Place, Row, pages


class _End:
    """One end: a label, as far as these relationships use it."""

    def __init__(self, schema: LabelSchema) -> None:
        self.quoted = quote_cypher(schema.label)
        self.key = NodeKey(schema.key)
        self.values = Properties(schema.values)


class RelationshipPlace(Place):
    """Exported relationships."""

    is_node = False

    def __init__(
        self,
        graph: Graph,
        mapping: Relationships,
        source: LabelSchema,
        target: LabelSchema,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        super().__init__(graph, mapping.rel_type, key_fields, value_fields)
        self.split = RelationshipSplit(mapping, source, target, key_fields, value_fields)
        self.key = RelationshipKey(properties(key_fields))
        self.values = Properties(properties(self.split.own))
        self.source, self.target = _End(source), _End(target)
        self.pattern = f"()-[x:{self.quoted}]->()"
        self.require([self.key.name])

    def upsert(self, tx: Transaction, rows: dict[Row, Row]) -> dict[Row, str]:
        found = self.split.rows(rows)
        relationships.upsert(_Writer(self, tx), found)
        return found.refused

    def delete(self, tx: Transaction, keys: Sequence[Row]) -> None:
        relationships.delete(_Writer(self, tx), [self.key.of_key(key) for key in keys])

    def list_keys(self) -> Iterator[list[Row]]:
        yield from pages(self.graph, f"MATCH {self.pattern} WHERE {OURS} RETURN {self.key.of('x')}", self.key)

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        by_id = {self.key.of_key(key): key for key in keys}
        parts = [self.values.of("r"), self.source.key.of("a"), self.target.key.of("b")]
        query = (
            f"MATCH (a)-[r:{self.quoted}]->(b) WHERE r.{self.key.field} IN $ids AND r.{MARK} IS NOT NULL "
            f"RETURN r.{self.key.field} AS id_, {', '.join(part for part in parts if part)}"
        )
        found = self.graph.read(lambda tx: tx.run(query, {"ids": list(by_id)}), "reading rows")
        own, source = len(self.values.names), len(self.source.key.names)
        return {
            by_id[id_]: self.split.assembled(
                self.values.engine(values[:own]),
                self.source.key.engine(values[own : own + source]),
                self.target.key.engine(values[own + source :]),
                len(self.value_fields),
            )
            for id_, *values in found
        }


@dataclass
class _Writer:
    """Relationships of a place within a transaction; nodes are identified by their keys."""

    place: RelationshipPlace
    tx: Transaction

    def identify(self, rows: RelationshipRows) -> Edges:
        ids = [self.place.key.of_key(key) for key in rows.keys]
        return Edges(ids, rows.keys, rows.values, rows.source.keys, rows.target.keys)

    def ensure_nodes(self, rows: RelationshipRows) -> None:
        source, target = self.place.source, self.place.target
        if (source.quoted, source.values.names, target.values.names) == (target.quoted, [], []):
            self._ensure_nodes(source, EndRows(nodes={**rows.source.nodes, **rows.target.nodes}))
            return
        for end, given in ((self.place.source, rows.source), (self.place.target, rows.target)):
            self._ensure_nodes(end, given)

    def _ensure_nodes(self, end: _End, given: EndRows) -> None:
        # What an export gives, or the user made, wins over what relationships say.
        values = f" WITH n, row WHERE n.{MARK} = '{REFERENCED}' SET n += row.p" if end.values.names else ""
        key_ = ", n += row.o" if end.key.derived else ""
        self.tx.run_rows(
            f"UNWIND $rows AS row MERGE (n:{end.quoted} {end.key.pattern()}) "
            f"ON CREATE SET n.{MARK} = '{REFERENCED}'{key_}{values}",
            [
                {**end.key.parameters(key), "p": end.values.map(row), "o": end.key.others(key)}
                for key, row in given.nodes.items()
            ],
        )

    def ends_of(self, ids: Sequence[Any]) -> dict[Any, tuple[Row, Row]]:
        place = self.place
        size = len(place.source.key.names)
        rows = self.tx.run(
            f"MATCH (a)-[r:{place.quoted}]->(b) WHERE r.{place.key.field} IN $ids AND r.{MARK} IS NOT NULL "
            f"RETURN r.{place.key.field}, {place.source.key.of('a')}, {place.target.key.of('b')}",
            {"ids": list(ids)},
        )
        return {
            id_: (place.source.key.engine(keys[:size]), place.target.key.engine(keys[size:]))
            for id_, *keys in rows
        }

    def remove(self, ids: Sequence[Any]) -> None:
        place = self.place
        self.tx.run(
            f"MATCH ()-[r:{place.quoted}]->() WHERE r.{place.key.field} IN $ids AND r.{MARK} IS NOT NULL DELETE r",
            {"ids": list(ids)},
        )

    def _rows(self, edges: Edges) -> Iterator[dict[str, Any]]:
        place = self.place
        for id_, key, values, source, target in zip(
            edges.ids, edges.keys, edges.values, edges.sources, edges.targets, strict=True
        ):
            yield {
                "id": id_,
                "p": {**place.key.all(key, id_), **place.values.map(values)},
                **place.source.key.parameters(source, "a"),
                **place.target.key.parameters(target, "b"),
            }

    def change(self, edges: Edges) -> None:
        place = self.place
        self.tx.run_rows(
            f"UNWIND $rows AS row MATCH (a:{place.source.quoted} {place.source.key.pattern('a')})"
            f"-[r:{place.quoted}]->(b:{place.target.quoted} {place.target.key.pattern('b')}) "
            f"WHERE r.{place.key.field} = row.id AND r.{MARK} IS NOT NULL SET r += row.p",
            list(self._rows(edges)),
        )

    def create(self, edges: Edges) -> None:
        # One by one in the pattern: servers write such a relationship once, not twice.
        place = self.place
        given = [f"{MARK}: '{EXPORTED}'", f"{place.key.field}: row.id"]
        given += [
            f"{name}: row.p.{name}"
            for name in (*place.key.quoted, *place.values.quoted)
            if name != place.key.field
        ]
        self.tx.run_rows(
            f"UNWIND $rows AS row MATCH (a:{place.source.quoted} {place.source.key.pattern('a')}), "
            f"(b:{place.target.quoted} {place.target.key.pattern('b')}) "
            f"CREATE (a)-[r:{place.quoted} {{{', '.join(given)}}}]->(b)",
            list(self._rows(edges)),
        )

    def drop_lonely(self, ends: Iterable[tuple[Row, Row]]) -> None:
        pairs = list(ends)
        for end, keys in (
            (self.place.source, {pair[0] for pair in pairs}),
            (self.place.target, {pair[1] for pair in pairs}),
        ):
            self.tx.run_rows(
                f"UNWIND $rows AS row MATCH (n:{end.quoted} {end.key.pattern()}) "
                f"WHERE n.{MARK} = '{REFERENCED}' AND NOT (n)--() DELETE n",
                [end.key.parameters(key) for key in keys],
            )
