"""Flows from definition to graph: what is refused, what an edit changes, what is verified and dropped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from kuzu_test_support import Graph, graph_at, rows_of

import coco
from coco import op
from coco.environment.runtime import RUNTIME
from coco.errors import DefinitionError

SHELF: dict[str, str] = {}


class KuzuShelf(op.SourceSpec):
    """Pages of ``SHELF``."""


class PageKey(NamedTuple):
    title: str


@dataclasses.dataclass
class Page:
    text: str


@op.source_connector(spec_cls=KuzuShelf, key_type=PageKey, value_type=Page)
class KuzuShelfConnector:
    @staticmethod
    def create(spec: KuzuShelf) -> KuzuShelfConnector:
        return KuzuShelfConnector()

    @staticmethod
    def provides_ordinal() -> bool:
        return False

    def list(self, options: op.SourceReadOptions) -> Iterator[op.PartialSourceRow[PageKey, Page]]:
        for title in list(SHELF):
            yield op.PartialSourceRow(PageKey(title), op.PartialSourceRowData(ordinal=op.NO_ORDINAL))

    def get_value(self, key: PageKey, options: op.SourceReadOptions) -> op.PartialSourceRowData[Page]:
        text = SHELF.get(key.title)
        if text is None:
            return op.PartialSourceRowData(op.NON_EXISTENCE)
        return op.PartialSourceRowData(Page(text), op.NO_ORDINAL)


@dataclasses.dataclass
class Fact:
    subject: str
    verb: str
    object: str


@op.function()
def facts(text: str) -> list[Fact]:
    """Each line has three words."""
    return [Fact(*line.split()) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def shelf() -> Iterator[dict[str, str]]:
    SHELF.clear()
    yield SHELF
    SHELF.clear()


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return graph_at(tmp_path / "graph")


def knowledge(graph: Graph, name: str = "Knowledge", *, label: str = "Entity") -> coco.Flow:
    """Pages, what they say about entities, and which entities they mention."""
    entity = {"label": label}

    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.declare(
            coco.targets.KuzuDeclaration(connection=graph, nodes_label=label, primary_key_fields=["name"])
        )
        scope["pages"] = builder.add_source(KuzuShelf())
        pages, relations, mentions = (scope.add_collector() for _ in range(3))
        with scope["pages"].row() as page:
            pages.collect(title=page["title"], text=page["text"])
            page["facts"] = page["text"].transform(facts)
            with page["facts"].row() as fact:
                relations.collect(
                    id=coco.GeneratedField.UUID,
                    subject=fact["subject"],
                    verb=fact["verb"],
                    object=fact["object"],
                )
                for end in ("subject", "object"):
                    mentions.collect(title=page["title"], entity=fact[end])
        targets: Any = coco.targets
        pages.export(
            "pages",
            targets.Kuzu(connection=graph, mapping=targets.Nodes(label="Page")),
            primary_key_fields=["title"],
        )
        relations.export(
            "relations",
            targets.Kuzu(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type="RELATES",
                    source=targets.NodeFromFields(
                        **entity, fields=[targets.TargetFieldMapping(source="subject", target="name")]
                    ),
                    target=targets.NodeFromFields(
                        **entity, fields=[targets.TargetFieldMapping(source="object", target="name")]
                    ),
                ),
            ),
            primary_key_fields=["id"],
        )
        mentions.export(
            "mentions",
            targets.Kuzu(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type="MENTIONS",
                    source=targets.NodeFromFields(label="Page", fields=[targets.TargetFieldMapping("title")]),
                    target=targets.NodeFromFields(
                        **entity, fields=[targets.TargetFieldMapping(source="entity", target="name")]
                    ),
                ),
            ),
            primary_key_fields=["title", "entity"],
        )

    return flow


def entities(graph: Graph) -> set[str]:
    return {row[0] for row in rows_of(graph, "MATCH (n:Entity) RETURN n.name") or []}


def relations(graph: Graph) -> set[tuple[str, ...]]:
    query = "MATCH (a:Entity)-[r:RELATES]->(b:Entity) RETURN a.name, r.verb, b.name"
    return {tuple(row) for row in rows_of(graph, query) or []}


def mentions(graph: Graph) -> set[tuple[str, ...]]:
    query = "MATCH (a:Page)-[:MENTIONS]->(b:Entity) RETURN a.title, b.name"
    return {tuple(row) for row in rows_of(graph, query) or []}


def test_shared_nodes_follow_the_pages(graph: Graph) -> None:
    SHELF.update(one="cat eats mouse\ndog chases cat", two="cat drinks milk")
    flow = knowledge(graph)
    flow.setup()
    flow.update()
    assert entities(graph) == {"cat", "mouse", "dog", "milk"}
    assert relations(graph) == {("cat", "eats", "mouse"), ("dog", "chases", "cat"), ("cat", "drinks", "milk")}
    SHELF["one"] = "cat eats fish"
    flow.update()
    assert entities(graph) == {"cat", "fish", "milk"}
    assert mentions(graph) == {("one", "cat"), ("one", "fish"), ("two", "cat"), ("two", "milk")}
    del SHELF["two"]
    flow.update()
    assert entities(graph) == {"cat", "fish"}
    assert rows_of(graph, "MATCH (n:Page) RETURN n.title, n.text") == [["one", "cat eats fish"]]
    assert not flow.update().total.has_any_change
    report = RUNTIME.verify(flow)
    assert report.ok, report.render()
    rows_of(graph, "MATCH (:Page)-[r:MENTIONS]->(:Entity {name: 'cat'}) DELETE r")
    rows_of(graph, "MATCH (n:Page) SET n.text = 'by hand'")
    assert not RUNTIME.verify(flow).ok
    RUNTIME.verify(flow, repair=True)
    assert RUNTIME.verify(flow).ok
    assert mentions(graph) == {("one", "cat"), ("one", "fish")}
    flow.drop()
    assert {row[0] for row in rows_of(graph, "CALL show_tables() RETURN name") or []} <= {"CocoElements"}


def test_two_flows_share_entities(graph: Graph) -> None:
    SHELF["one"] = "cat eats mouse"
    first = knowledge(graph)
    first.setup()
    first.update()

    @coco.flow_def(name="Prices")
    def second(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        builder.declare(
            targets.KuzuDeclaration(connection=graph, nodes_label="Entity", primary_key_fields=["name"])
        )
        scope["pages"] = builder.add_source(KuzuShelf())
        sold = scope.add_collector()
        with scope["pages"].row() as page:
            page["facts"] = page["text"].transform(facts)
            with page["facts"].row() as fact:
                sold.collect(entity=fact["object"], place=fact["verb"])
        sold.export(
            "sold",
            targets.Kuzu(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type="SOLD",
                    source=targets.NodeFromFields(
                        label="Entity", fields=[targets.TargetFieldMapping("entity", "name")]
                    ),
                    target=targets.NodeFromFields(
                        label="Entity", fields=[targets.TargetFieldMapping("place", "name")]
                    ),
                ),
            ),
            primary_key_fields=["entity"],
        )

    second.setup()
    second.update()
    assert entities(graph) == {"cat", "mouse", "eats"}
    first.drop()
    assert entities(graph) == {"mouse", "eats"}
    second.drop()
    assert {row[0] for row in rows_of(graph, "CALL show_tables() RETURN name") or []} <= {"CocoElements"}


def test_two_exports_of_one_label_are_refused(graph: Graph) -> None:
    with pytest.raises(DefinitionError, match="exported as 'pages' and declared too"):
        _ = knowledge(graph, label="Page").graph


def test_a_flow_that_maps_no_key_is_refused(graph: Graph) -> None:
    @coco.flow_def(name="Wrong")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        scope["pages"] = builder.add_source(KuzuShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            rows.collect(title=page["title"], text=page["text"])
        end = targets.NodeFromFields(label="Nobody", fields=[targets.TargetFieldMapping("title")])
        rows.export(
            "rows",
            targets.Kuzu(connection=graph, mapping=targets.Relationships("R", source=end, target=end)),
            primary_key_fields=["title"],
        )

    with pytest.raises(DefinitionError, match="nothing says what the key of nodes 'Nobody' is"):
        _ = flow.graph


def test_vector_indexes_are_refused(graph: Graph) -> None:
    @coco.flow_def(name="Vectors")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        scope["pages"] = builder.add_source(KuzuShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            page["vector"] = page["text"].transform(embedded)
            rows.collect(title=page["title"], vector=page["vector"])
        rows.export(
            "rows",
            targets.Kuzu(connection=graph, mapping=targets.Nodes("Page")),
            primary_key_fields=["title"],
            vector_indexes=[coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.COSINE_SIMILARITY)],
        )

    with pytest.raises(DefinitionError, match="Kuzu makes no vector indexes"):
        _ = flow.graph


@op.function()
def embedded(text: str) -> coco.Vector[coco.Float32, Literal[3]]:
    """Never called."""
    raise AssertionError
