"""The suite that every target passes, here over nodes; read back by a driver of its own."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any, cast

import pytest
from neo4j.time import Duration
from neo4j_proxy import proxy_to
from neo4j_server import PASSWORD
from neo4j_test_support import PREFIX, Graph, rows_of

import coco
from coco.typing import ValueType
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4j, Nodes
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.natural import natural_json
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

_numbers = itertools.count()


NO_VECTORS = UNSUPPORTED("the server of these tests has no vector indexes; test_schema tries them on yours")
NO_ADOPTION = UNSUPPORTED("a label belongs to nobody: rows are merged with the nodes that are there")


class TestNeo4jNodes(TargetSuite):
    """Every row type, on a server: ArcadeDB from a wheel, or what ``COCO_TEST_NEO4J_URI`` names."""

    abilities = claim(
        ALL_TARGET_ABILITIES,
        {
            "late_writes": NOT_IMPLEMENTED,
            "partial_update": UNSUPPORTED("a batch is one statement for all properties"),
            "setup.adopt": NO_ADOPTION,
            "setup.upgrade": UNSUPPORTED("there is no older release"),
            "index.vector CosineSimilarity": NO_VECTORS,
            "index.vector L2Distance": NO_VECTORS,
            "index.vector InnerProduct": UNSUPPORTED("Neo4j has no such index"),
            "index.fts": UNSUPPORTED("not made by this target"),
            "bad_row": UNSUPPORTED("every value of a type fits"),
        },
    )

    @pytest.fixture
    def spec(self, graph: Graph, place: Neo4jConnection) -> Iterator[Neo4j]:
        self.place = place
        with proxy_to(place.uri) as proxy:
            self.proxy = proxy
            way = coco.add_auth_entry(
                "proxied graph", dataclasses.replace(place, uri=proxy.uri), replace=True
            )
            yield Neo4j(connection=way, mapping=Nodes(label=f"{PREFIX} Thing {next(_numbers)}"))

    def lose_connections(self, spec: Neo4j) -> None:
        self.proxy.cut()

    def secrets(self, spec: Neo4j) -> list[str]:
        return [self.place.password or PASSWORD]

    def read_back(self, spec: Neo4j, shape: Shape) -> NaturalRows | None:
        assert isinstance(spec.mapping, Nodes)
        label = spec.mapping.label
        if not rows_of(self.place, "MATCH (n:CocoElements {_coco_name: $name}) RETURN 1", name=label):
            return None
        rows: dict[Any, dict[str, Any]] = {}
        types = {item.name: item.value_type.type for item in (*shape.key_fields, *shape.value_fields)}
        for (node,) in rows_of(
            self.place, f"MATCH (n:`{label}`) WHERE n._coco = 'exported' RETURN properties(n)"
        ):
            row = {name: _natural(types[name], value) for name, value in node.items() if name in types}
            key = tuple(row.pop(item.name) for item in shape.key_fields)
            rows[key if len(key) > 1 else key[0]] = row
        return cast(NaturalRows, rows)


def _natural(type_: ValueType, value: Any) -> Any:
    """What a reader of the graph makes of a property."""
    kind = getattr(type_, "kind", "Struct")
    if isinstance(value, Duration):
        return datetime.timedelta(value.days, value.seconds, value.nanoseconds // 1_000)
    value = value.to_native() if hasattr(value, "to_native") else value
    if kind == "OffsetDateTime" and value.tzinfo is None:  # ArcadeDB keeps the instant only
        return value.replace(tzinfo=datetime.UTC)
    if kind == "Uuid":
        return uuid.UUID(value)
    if kind == "Range":
        return tuple(value)
    if kind == "Str" or not isinstance(value, str):
        return value
    return natural_json(type_, json.loads(value))
