"""Rows of an export as relationships between nodes that are made when they are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coco.kit.quoting import quote_cypher
from coco.typing import FieldSchema
from coco_kit_graph import relationships
from coco_kit_graph.entries import EndRows, RelationshipRows, RelationshipSplit
from coco_kit_graph.mapping import Relationships
from coco_kit_graph.marks import EXPORTED, MARK, REFERENCED
from coco_kit_graph.relationships import Edges
from coco_kit_graph.schema import LabelSchema, properties
from coco_target_kuzu import setup
from coco_target_kuzu.connection import Database
from coco_target_kuzu.mutate import Place, Row, _engine
from coco_target_kuzu.tables import Columns, PrimaryKey, fields_of, sets


class _End:
    """One end: a label, as far as these relationships use it."""

    def __init__(self, schema: LabelSchema, variable: str) -> None:
        self.label = schema.label
        self.quoted = quote_cypher(schema.label)
        self.key = PrimaryKey(schema.key)
        self.fields = fields_of(schema.values)
        self.variable = variable
        self.done: set[Any] = set()

    @property
    def at(self) -> str:
        return f"{self.variable}.{self.key.field.quoted}"


class RelationshipPlace(Place):
    """Exported relationships."""

    is_node = False
    variable = "r"

    def __init__(
        self,
        database: Database,
        mapping: Relationships,
        source: LabelSchema,
        target: LabelSchema,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        super().__init__(database, mapping.rel_type, key_fields, value_fields)
        self._split = RelationshipSplit(mapping, source, target, key_fields, value_fields)
        self._source, self._target = _End(source, "a"), _End(target, "b")
        self.fields = fields_of(properties(self._split.own))
        self.pattern = f"(a:{self._source.quoted})-[r:{self.quoted}]->(b:{self._target.quoted})"
        self.require(self.name, [self.key.field, *self.key.parts, *self.fields])
        for end in (self._source, self._target):
            self.require(end.label, [end.key.field, *end.key.parts, *end.fields])

    # -- writing ----------------------------------------------------------------------------------
    def check(self, key: Row, row: Row) -> None:
        rows = self._split.rows({key: row})
        columns = Columns()
        columns.add_rows(self.key.parts, rows.keys)
        columns.add_rows(self.fields, rows.values)
        for end, given in ((self._source, rows.source), (self._target, rows.target)):
            columns.add_rows(end.key.parts, given.keys)
            columns.add_rows(end.fields, list(given.nodes.values()))

    def upsert(self, rows: dict[Row, Row]) -> dict[Row, str]:
        found = self._split.rows(rows)
        if found.keys:
            for end, given in ((self._source, found.source), (self._target, found.target)):
                self._update_ends(end, given)
            # After that only inserts follow, so that a relationship is made together with its ends.
            for label in {self._source.label, self._target.label}:
                if self.needs_care(label) and self._lacks_nodes(label, found):
                    self.db.before(label, "insert")
        relationships.upsert(self, found)
        return found.refused

    def _update_ends(self, end: _End, given: EndRows) -> None:
        """Give lists to nodes that are there, before new ones are made; ``_ensure_nodes`` leaves these alone then."""
        end.done = set()
        if not self.needs_care(end.label, end.fields):
            return
        end.done = self.present(end.label, end.key, given.nodes)
        there = {key: row for key, row in given.nodes.items() if end.key.of(key) in end.done}
        if there:
            self.db.before(end.label, "update")
            self._set_values(end, there)

    def _lacks_nodes(self, label: str, found: RelationshipRows) -> bool:
        for end, given in ((self._source, found.source), (self._target, found.target)):
            if end.label == label and len(self.present(label, end.key, given.nodes)) < len(given.nodes):
                return True
        return False

    def update(self, positions: Sequence[int], rows: dict[Row, Row]) -> Iterable[Row]:
        places = [
            self._split.own_positions.index(item) for item in positions if item in self._split.own_positions
        ]
        if len(places) < len(positions):
            return []  # an end differs
        fields = [self.fields[place] for place in places]
        cells = [tuple([row[place] for place in positions]) for row in rows.values()]
        return self.updated(f"LOAD FROM $rows {self._ours}", list(rows), fields, cells)

    def delete(self, keys: Sequence[Row]) -> None:
        relationships.delete(self, [self.key.of(key) for key in keys])

    def identify(self, rows: RelationshipRows) -> Edges:
        return Edges(
            [self.key.of(key) for key in rows.keys],
            rows.keys,
            rows.values,
            [self._source.key.of(key) for key in rows.source.keys],
            [self._target.key.of(key) for key in rows.target.keys],
        )

    def ensure_nodes(self, rows: RelationshipRows) -> None:
        for end, given in ((self._source, rows.source), (self._target, rows.target)):
            self._ensure_nodes(end, given)

    def _ensure_nodes(self, end: _End, given: EndRows) -> None:
        columns = Columns()
        at = columns.add(end.key.field.column, [end.key.of(key) for key in given.nodes])
        pairs = columns.add_rows(end.key.others, list(given.nodes)) if end.key.others else []
        node = f"(n:{end.quoted} {{{end.key.field.quoted}: {at}}})"
        made = "".join(f", {item}" for item in [sets("n", pairs)] if item)
        self.db.run(
            f"LOAD FROM $rows MERGE {node} ON CREATE SET n.{MARK} = '{REFERENCED}'{made}",
            {"rows": columns.table()},
        )
        rest = {key: row for key, row in given.nodes.items() if end.key.of(key) not in end.done}
        if end.fields and rest:
            self._set_values(end, rest)

    def _set_values(self, end: _End, nodes: dict[Row, Row]) -> None:
        # What an export gives, or the user made, wins over what relationships say.
        columns = Columns()
        at = columns.add(end.key.field.column, [end.key.of(key) for key in nodes])
        pairs = columns.add_rows(end.fields, list(nodes.values()))
        self.db.run(
            f"LOAD FROM $rows MATCH (n:{end.quoted}) WHERE n.{end.key.field.quoted} = {at} "
            f"AND n.{MARK} = '{REFERENCED}' SET {sets('n', pairs)}",
            {"rows": columns.table()},
        )

    def ends_of(self, ids: Sequence[Any]) -> dict[Any, tuple[Any, Any]]:
        """Keys of the ends of the relationships that are there."""
        columns = Columns()
        at = columns.add(self.key.field.column, ids)
        # Kuzu has no index for this and looks at all relationships, so first at one column alone.
        there = self.db.run(
            f"LOAD FROM $rows MATCH {self.pattern} WHERE r.{self.key.field.quoted} = {at} RETURN {at}",
            {"rows": columns.table()},
        )
        if not there:
            return {}
        columns = Columns()
        at = columns.add(self.key.field.column, list({row[0] for row in there}))
        rows = self.db.run(
            f"{self._found_by(at)} RETURN {at}, {self._source.at}, {self._target.at}",
            {"rows": columns.table()},
        )
        return {text: (source, target) for text, source, target in rows}

    def remove(self, ids: Sequence[Any]) -> None:
        columns = Columns()
        at = columns.add(self.key.field.column, ids)
        self.db.run(f"{self._found_by(at)} DELETE r", {"rows": columns.table()})

    def change(self, edges: Edges) -> None:
        if not self.fields:
            return
        columns = Columns()
        at = columns.add(self.key.field.column, edges.ids)
        pairs = columns.add_rows(self.fields, edges.values)
        self.db.run(f"{self._found_by(at)} SET {sets('r', pairs)}", {"rows": columns.table()})

    def _found_by(self, at: str) -> str:
        return (
            f"LOAD FROM $rows MATCH {self.pattern} "
            f"WHERE r.{self.key.field.quoted} = {at} AND r.{MARK} IS NOT NULL"
        )

    def create(self, edges: Edges) -> None:
        columns = Columns()
        source = columns.add(self._source.key.field.column, edges.sources)
        target = columns.add(self._target.key.field.column, edges.targets)
        pairs = [(self.key.field.quoted, columns.add(self.key.field.column, edges.ids))]
        pairs += columns.add_rows(self.key.others, edges.keys) if self.key.others else []
        pairs += columns.add_rows(self.fields, edges.values)
        given = ", ".join([*(f"{name}: {value}" for name, value in pairs), f"{MARK}: '{EXPORTED}'"])
        table = columns.table()
        # One end after the other: matched at once, they would be all pairs of nodes.
        self.db.run(
            f"LOAD FROM $rows MATCH (a:{self._source.quoted} {{{self._source.key.field.quoted}: {source}}}) "
            f"WITH a, {', '.join(table.column_names)} "
            f"MATCH (b:{self._target.quoted} {{{self._target.key.field.quoted}: {target}}}) "
            f"CREATE (a)-[r:{self.quoted} {{{given}}}]->(b)",
            {"rows": table},
        )

    def drop_lonely(self, ends: Iterable[tuple[Any, Any]]) -> None:
        """Delete nodes that only relationships led to, of those at the former ends."""
        pairs = list(ends)
        for end, texts in (
            (self._source, {pair[0] for pair in pairs}),
            (self._target, {pair[1] for pair in pairs}),
        ):
            if not texts:
                continue
            columns = Columns()
            at = columns.add(end.key.field.column, list(texts))
            self.db.run(
                f"LOAD FROM $rows MATCH (n:{end.quoted}) WHERE n.{end.key.field.quoted} = {at} "
                f"AND n.{MARK} = '{REFERENCED}'{setup.lonely(self.db, end.label)} DELETE n",
                {"rows": columns.table()},
            )

    # -- reading ----------------------------------------------------------------------------------
    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        parts = [
            *(item.read_from("r") for item in self.fields),
            *(item.read_from("a") for item in self._source.key.parts),
            *(item.read_from("b") for item in self._target.key.parts),
        ]
        own, source = len(self.fields), len(self._source.key.parts)
        found = {}
        for key, values in self.found(keys, "".join(f", {item}" for item in parts)):
            found[key] = self._split.assembled(
                _engine(self.fields, values[:own]),
                _engine(self._source.key.parts, values[own : own + source]),
                _engine(self._target.key.parts, values[own + source :]),
                len(self.value_fields),
            )
        return found
