"""Instants that Python's calendar lacks end the process when the client reads them: none is written, none is read so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kuzu_test_support import Export, Graph, field, graph_at, rows_of, write

from coco.errors import MutationError
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_target_kuzu.connection import open_database
from coco_target_kuzu.spec import KuzuConnector

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
EAST, WEST = 3600, -3600
FAR = {"before": (FIRST - 1, EAST), "after": (LAST + 1, WEST)}
NEAR = {"first": (FIRST, 0), "last": (LAST, 0), "first, east": (FIRST + 5, EAST), "fraction": (500_000, 0)}


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return graph_at(tmp_path / "graph")


def write_some(export: Export, rows: dict[Any, Any]) -> dict[Any, str]:
    """Keys that were refused, with the reason."""
    try:
        write([(export, rows, [])])
    except MutationError as error:
        return dict(error.failed_keys)
    return {}


def read(export: Export, keys: list[Any]) -> dict[Any, Any]:
    with export.opened() as place:
        return dict(KuzuConnector.read_rows(place, keys))


@pytest.mark.parametrize("place", ["value", "key"])
def test_far_instants_are_refused_row_by_row(graph: Graph, place: str) -> None:
    name, at = field("name", "Str"), field("at", "OffsetDateTime")
    keys, values = ([name], [at]) if place == "value" else ([name, at], [])
    export = Export(graph, Nodes(label="Event"), keys, values)
    Export.set_up_all([export])
    rows = {
        (what,) if place == "value" else (what, value): (value,) if place == "value" else ()
        for what, value in {**NEAR, **FAR}.items()
    }
    refused = write_some(export, rows)
    assert {key[0]: reason[:46] for key, reason in refused.items()} == {
        "before": "property at: the time lies before the year 1 i",
        "after": "property at: the time lies after the year 9999",
    }
    parts = read(export, list(rows))
    assert {(key[0], (*key, *row)[1]) for key, row in parts.items()} == {
        (what, (value[0], 0) if place == "value" else value) for what, value in NEAR.items()
    }


def test_far_instants_of_relationships_and_of_nodes_that_they_lead_to(graph: Graph) -> None:
    def end(part: str) -> NodeFromFields:
        return NodeFromFields(
            label="Person",
            fields=[TargetFieldMapping(part, "name"), TargetFieldMapping(f"{part}_born", "born")],
        )

    people = Export(
        graph, Nodes(label="Person"), [field("name", "Str")], [field("born", "OffsetDateTime", nullable=True)]
    )
    links = Export(
        graph,
        Relationships(rel_type="KNOWS", source=end("a"), target=end("b")),
        [field("id", "Str")],
        [
            field("a", "Str"),
            field("b", "Str"),
            field("a_born", "OffsetDateTime"),
            field("b_born", "OffsetDateTime"),
            field("since", "OffsetDateTime"),
        ],
    )
    Export.set_up_all([people, links])
    fine = NEAR["first"]
    rows: dict[Any, Any] = {("fine",): ("x", "y", fine, fine, fine)}
    for number, far in enumerate(FAR.values()):
        rows[(f"since {number}",)] = ("x", "y", fine, fine, far)
        rows[(f"born {number}",)] = ("x", "z", fine, far, fine)
    refused = write_some(links, rows)
    assert set(refused) == set(rows) - {("fine",)}
    assert set(read(links, list(rows))) == {("fine",)}


def test_what_others_wrote_is_read_safely(graph: Graph) -> None:
    kinds = {
        "day": ("Date", "DATE"),
        "local": ("LocalDateTime", "TIMESTAMP"),
        "at": ("OffsetDateTime", "TIMESTAMP_TZ"),
    }
    values = [field(name, kind) for name, (kind, _) in kinds.items()]
    export = Export(graph, Nodes(label="Event"), [field("name", "Str")], values)
    Export.set_up_all([export])
    mine: dict[Any, Any] = {
        ("a",): (1, FIRST, NEAR["first"]),
        ("b",): (3_652_059, LAST, NEAR["last"]),
        ("c",): (738_945, 1, (10, 0)),
    }
    write([(export, mine, [])])
    assert read(export, list(mine)) == mine
    with open_database(graph) as connection:
        for name, (_, type_) in kinds.items():
            connection.execute(f"MATCH (e:Event {{name: 'a'}}) SET e.{name} = CAST('12000-01-01', '{type_}')")
    odd = read(export, list(mine))
    assert all(value != own for value, own in zip(odd[("a",)], mine[("a",)], strict=True))
    assert {key: odd[key] for key in (("b",), ("c",))} == {key: mine[key] for key in (("b",), ("c",))}
    assert rows_of(graph, "MATCH (e:Event) RETURN count(*)") == [[3]]
