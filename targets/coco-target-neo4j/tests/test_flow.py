"""Flows from definition to graph: what is refused, what an edit changes, what is verified and dropped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pytest
from neo4j_test_support import PREFIX, Graph, clean, rows_of

import coco
from coco import op
from coco.environment.runtime import RUNTIME
from coco.errors import DefinitionError
from coco_target_neo4j.settings import Neo4jConnection

SHELF: dict[str, str] = {}


class NeoShelf(op.SourceSpec):
    """Pages of ``SHELF``."""


class PageKey(NamedTuple):
    title: str


@dataclasses.dataclass
class Page:
    text: str


@op.source_connector(spec_cls=NeoShelf, key_type=PageKey, value_type=Page)
class NeoShelfConnector:
    @staticmethod
    def create(spec: NeoShelf) -> NeoShelfConnector:
        return NeoShelfConnector()

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


PAGE, ENTITY = f"{PREFIX}Page", f"{PREFIX}Entity"
RELATES, MENTIONS, SOLD = f"{PREFIX}_RELATES", f"{PREFIX}_MENTIONS", f"{PREFIX}_SOLD"


def knowledge(graph: Graph, name: str = "Knowledge", *, label: str = ENTITY) -> coco.Flow:
    """Pages, what they say about entities, and which entities they mention."""
    entity = {"label": label}

    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.declare(
            coco.targets.Neo4jDeclaration(connection=graph, nodes_label=label, primary_key_fields=["name"])
        )
        scope["pages"] = builder.add_source(NeoShelf())
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
            targets.Neo4j(connection=graph, mapping=targets.Nodes(label=PAGE)),
            primary_key_fields=["title"],
        )
        relations.export(
            "relations",
            targets.Neo4j(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type=RELATES,
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
            targets.Neo4j(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type=MENTIONS,
                    source=targets.NodeFromFields(label=PAGE, fields=[targets.TargetFieldMapping("title")]),
                    target=targets.NodeFromFields(
                        **entity, fields=[targets.TargetFieldMapping(source="entity", target="name")]
                    ),
                ),
            ),
            primary_key_fields=["title", "entity"],
        )

    return flow


def entities(place: Neo4jConnection) -> set[str]:
    return {row[0] for row in rows_of(place, f"MATCH (n:{ENTITY}) RETURN n.name")}


def relations(place: Neo4jConnection) -> set[tuple[str, ...]]:
    query = f"MATCH (a:{ENTITY})-[r:{RELATES}]->(b:{ENTITY}) RETURN a.name, r.verb, b.name"
    return {tuple(row) for row in rows_of(place, query)}


def mentions(place: Neo4jConnection) -> set[tuple[str, ...]]:
    query = f"MATCH (a:{PAGE})-[:{MENTIONS}]->(b:{ENTITY}) RETURN a.title, b.name"
    return {tuple(row) for row in rows_of(place, query)}


def traces(place: Neo4jConnection) -> list[Any]:
    """All that is left of tests."""
    found = rows_of(place, "MATCH (n) UNWIND labels(n) AS label RETURN DISTINCT label")
    found += rows_of(place, "SHOW INDEXES YIELD labelsOrTypes RETURN labelsOrTypes[0]")
    return [name for (name,) in found if name and (name.startswith(PREFIX) or name == "CocoElements")]


def test_shared_nodes_follow_the_pages(graph: Graph, place: Neo4jConnection) -> None:
    SHELF.update(one="cat eats mouse\ndog chases cat", two="cat drinks milk")
    flow = knowledge(graph)
    flow.setup()
    flow.update()
    assert entities(place) == {"cat", "mouse", "dog", "milk"}
    assert relations(place) == {("cat", "eats", "mouse"), ("dog", "chases", "cat"), ("cat", "drinks", "milk")}
    SHELF["one"] = "cat eats fish"
    flow.update()
    assert entities(place) == {"cat", "fish", "milk"}
    assert mentions(place) == {("one", "cat"), ("one", "fish"), ("two", "cat"), ("two", "milk")}
    del SHELF["two"]
    flow.update()
    assert entities(place) == {"cat", "fish"}
    assert rows_of(place, f"MATCH (n:{PAGE}) RETURN n.title, n.text") == [["one", "cat eats fish"]]
    assert not flow.update().total.has_any_change
    flow.drop()
    assert traces(place) == []


def test_edits_by_hand_are_found_and_undone(graph: Graph, place: Neo4jConnection) -> None:
    SHELF.update(one="cat eats fish", two="cat drinks milk")
    flow = knowledge(graph)
    flow.setup()
    flow.update()
    report = RUNTIME.verify(flow)
    assert report.ok, report.render()
    rows_of(place, f"MATCH (:{PAGE})-[r:{MENTIONS}]->(:{ENTITY} {{name: 'cat'}}) DELETE r")
    rows_of(place, f"MATCH (n:{PAGE}) SET n.text = 'by hand'")
    assert not RUNTIME.verify(flow).ok
    RUNTIME.verify(flow, repair=True)
    report = RUNTIME.verify(flow)
    assert report.ok, report.render()
    assert mentions(place) == {("one", "cat"), ("one", "fish"), ("two", "cat"), ("two", "milk")}
    assert dict(map(tuple, rows_of(place, f"MATCH (n:{PAGE}) RETURN n.title, n.text"))) == SHELF


def test_what_was_dropped_by_hand_is_made_again(graph: Graph, place: Neo4jConnection) -> None:
    SHELF.update(one="cat eats fish")
    flow = knowledge(graph)
    flow.setup()
    flow.update()
    before = relations(place), mentions(place)
    clean(place)
    assert not RUNTIME.verify(flow).ok
    RUNTIME.verify(flow, repair=True)
    assert RUNTIME.verify(flow).ok
    assert (relations(place), mentions(place)) == before
    flow.drop()
    assert traces(place) == []


def test_two_flows_share_entities(graph: Graph, place: Neo4jConnection) -> None:
    SHELF["one"] = "cat eats mouse"
    first = knowledge(graph)
    first.setup()
    first.update()

    @coco.flow_def(name="Prices")
    def second(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        builder.declare(
            targets.Neo4jDeclaration(connection=graph, nodes_label=ENTITY, primary_key_fields=["name"])
        )
        scope["pages"] = builder.add_source(NeoShelf())
        sold = scope.add_collector()
        with scope["pages"].row() as page:
            page["facts"] = page["text"].transform(facts)
            with page["facts"].row() as fact:
                sold.collect(entity=fact["object"], place=fact["verb"])
        sold.export(
            "sold",
            targets.Neo4j(
                connection=graph,
                mapping=targets.Relationships(
                    rel_type=SOLD,
                    source=targets.NodeFromFields(
                        label=ENTITY, fields=[targets.TargetFieldMapping("entity", "name")]
                    ),
                    target=targets.NodeFromFields(
                        label=ENTITY, fields=[targets.TargetFieldMapping("place", "name")]
                    ),
                ),
            ),
            primary_key_fields=["entity"],
        )

    second.setup()
    second.update()
    assert entities(place) == {"cat", "mouse", "eats"}
    first.drop()
    assert entities(place) == {"mouse", "eats"}
    second.drop()
    assert traces(place) == []


def test_two_exports_of_one_label_are_refused(graph: Graph) -> None:
    with pytest.raises(DefinitionError, match="exported as 'pages' and declared too"):
        _ = knowledge(graph, label=PAGE).graph


def test_a_flow_that_maps_no_key_is_refused(graph: Graph) -> None:
    @coco.flow_def(name="Wrong")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        scope["pages"] = builder.add_source(NeoShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            rows.collect(title=page["title"], text=page["text"])
        end = targets.NodeFromFields(label="Nobody", fields=[targets.TargetFieldMapping("title")])
        rows.export(
            "rows",
            targets.Neo4j(connection=graph, mapping=targets.Relationships("R", source=end, target=end)),
            primary_key_fields=["title"],
        )

    with pytest.raises(DefinitionError, match="nothing says what the key of nodes 'Nobody' is"):
        _ = flow.graph


@pytest.mark.parametrize(
    ("metric", "method", "words"),
    [
        (coco.VectorSimilarityMetric.INNER_PRODUCT, None, "not by INNER_PRODUCT"),
        (coco.VectorSimilarityMetric.L2_DISTANCE, coco.IvfFlatVectorIndexMethod(lists=4), "no IvfFlat"),
    ],
)
def test_vector_indexes_that_neo4j_lacks_are_refused(
    graph: Graph, metric: coco.VectorSimilarityMetric, method: Any, words: str
) -> None:
    @coco.flow_def(name="Vectors")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        targets: Any = coco.targets
        scope["pages"] = builder.add_source(NeoShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            page["vector"] = page["text"].transform(embedded)
            rows.collect(title=page["title"], vector=page["vector"])
        rows.export(
            "rows",
            targets.Neo4j(connection=graph, mapping=targets.Nodes(PAGE)),
            primary_key_fields=["title"],
            vector_indexes=[coco.VectorIndexDef("vector", metric, method)],
        )

    with pytest.raises(DefinitionError, match=words):
        _ = flow.graph


@op.function()
def embedded(text: str) -> coco.Vector[coco.Float32, Literal[3]]:
    """Never called."""
    raise AssertionError
