"""The suite that every target passes, here over nodes; read back by a connection of the engine's own client.

``COCO_TEST_KUZU_ENGINE=ladybug`` runs it, and all other tests here, on the fork: a process can use one engine only.
"""

from __future__ import annotations

import datetime
import itertools
import json
from pathlib import Path
from typing import Any, cast

import pytest
from kuzu_test_support import graph_at, rows_of

import coco
from coco.typing import StructType, TableType
from coco_target_kuzu.spec import Kuzu, Nodes
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

_names = itertools.count()
LABEL = "Thing here"
VECTORS = [item for item in ALL_TARGET_ABILITIES if item.startswith("index.vector")]


class TestKuzuNodes(TargetSuite):
    """Every row type, on the real engine."""

    abilities = claim(
        ALL_TARGET_ABILITIES,
        {
            "setup.adopt": UNSUPPORTED(
                "nodes that coco did not make are never deleted, so they cannot be rows of an export"
            ),
            "setup.upgrade": UNSUPPORTED("this is the first release: there are no older spellings"),
            "bad_row": UNSUPPORTED(
                "every text and number fits; test_writing.py has rows of other types that do not"
            ),
            "late_writes": UNSUPPORTED("one process at a time has the database open, and it ends with it"),
            "reconnect": UNSUPPORTED("the database is in the process: there is no connection to lose"),
            "concurrent_processes": UNSUPPORTED("one process at a time can have a database open"),
            **dict.fromkeys(VECTORS, UNSUPPORTED("a column with a vector index cannot be written to")),
            "index.fts": UNSUPPORTED("needs an extension that Ladybug downloads when it is used"),
        },
    )

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Kuzu:
        return Kuzu(connection=graph_at(tmp_path / "graph"), mapping=Nodes(label=LABEL))

    def secrets(self, spec: Kuzu) -> list[str]:
        return ["graph-path-that-is-kept-out-of-plans"]

    def lose_resource(self, spec: Kuzu, shape: Shape) -> None:
        rows_of(spec.connection, f"DROP TABLE `{LABEL}`")

    def read_back(self, spec: Kuzu, shape: Shape) -> NaturalRows | None:
        key_names = [item.name for item in shape.key_fields]
        names = [*key_names, *(item.name for item in shape.value_fields)]
        types = {item.name: item.value_type.type for item in (*shape.key_fields, *shape.value_fields)}
        what = ", ".join(f"n.`{name}`" for name in names)
        found = rows_of(
            spec.connection, f"MATCH (n:`{LABEL}`) WHERE n._coco = 'exported' RETURN {what}", missing=LABEL
        )
        if found is None:
            return None
        rows: dict[Any, dict[str, Any]] = {}
        for answer in found:
            row = {name: _natural(types[name], value) for name, value in zip(names, answer, strict=True)}
            key = tuple(row.pop(name) for name in key_names)
            rows[key if len(key) > 1 else key[0]] = row
        return cast(NaturalRows, rows)


def _natural(type_: Any, value: Any) -> Any:
    """What a reader of the graph makes of an answer, where Kuzu has no such type."""
    kind = str(getattr(type_, "kind", "Struct"))
    if value is None:
        return None
    if kind == "Time":
        return datetime.time.fromisoformat(value)
    if kind == "Date" and isinstance(value, str):  # within JSON
        return datetime.date.fromisoformat(value)
    if kind == "Range":
        return (value["start"], value["stop"])
    if kind == "Json":
        return json.loads(value)
    if getattr(type_, "union", None) is not None:
        return json.loads(value)[1]
    if getattr(type_, "vector", None) is not None and isinstance(value, str):
        return [_natural(type_.vector.element_type, item) for item in json.loads(value)]
    if isinstance(type_, StructType):
        row = json.loads(value) if isinstance(value, str) else value
        return {item.name: _natural(item.value_type.type, row[item.name]) for item in type_.fields}
    if isinstance(type_, TableType):
        rows = json.loads(value) if isinstance(value, str) else value
        rows = [_natural(StructType(type_.row.fields), row) for row in rows]
        return {row.pop(type_.row.fields[0].name): row for row in rows} if kind == "KTable" else rows
    return value


def test_the_auth_entry_shows_nowhere_but_as_its_key(tmp_path: Path) -> None:
    spec = Kuzu(connection=coco.ref_auth_entry("some graph"), mapping=Nodes(label="A"))
    assert "some graph" in repr(spec)
    assert str(tmp_path) not in repr(spec)
