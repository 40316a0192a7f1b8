"""A source with pages that a test controls, and flows that make a graph of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import coco
from coco import op
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.testing.exports import GraphAccess

SHELF: dict[str, str] = {}
"""Title to text of each page."""

PREFIX = "CocoTest"
"""Labels and types of tests start with this, so that they can be told from those of a user."""

PAGE, ENTITY = f"{PREFIX}Page", f"{PREFIX}Entity"
RELATES, MENTIONS, SOLD = f"{PREFIX}_RELATES", f"{PREFIX}_MENTIONS", f"{PREFIX}_SOLD"


class GraphTestShelf(op.SourceSpec):
    """Pages of ``SHELF``."""


class PageKey(NamedTuple):
    """Of a page."""

    title: str


@dataclasses.dataclass
class Page:
    """What a page holds."""

    text: str


@op.source_connector(spec_cls=GraphTestShelf, key_type=PageKey, value_type=Page)
class GraphTestShelfConnector:
    """Reads ``SHELF``."""

    @staticmethod
    def create(spec: GraphTestShelf) -> GraphTestShelfConnector:
        return GraphTestShelfConnector()

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
    """One line of a page."""

    subject: str
    verb: str
    object: str


@op.function()
def facts(text: str) -> list[Fact]:
    """Each line has three words."""
    return [Fact(*line.split()) for line in text.split("\n") if line]


@op.function()
def embedded(text: str) -> coco.Vector[coco.Float32, Literal[3]]:
    """Never called."""
    raise AssertionError


def _end(label: str, field: str, name: str) -> NodeFromFields:
    return NodeFromFields(label=label, fields=[TargetFieldMapping(source=field, target=name)])


def knowledge(access: GraphAccess, name: str = "Knowledge", *, label: str = ENTITY) -> coco.Flow:
    """Pages, what they say about entities, and which entities they mention. label: of the entities."""
    product, graph = access.product, access.entry

    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.declare(product.declaration(connection=graph, nodes_label=label, primary_key_fields=["name"]))
        scope["pages"] = builder.add_source(GraphTestShelf())
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

        def export(collector: Any, name: str, mapping: Any, keys: list[str]) -> None:
            collector.export(name, product.target(connection=graph, mapping=mapping), primary_key_fields=keys)

        export(pages, "pages", Nodes(label=PAGE), ["title"])
        ends = _end(label, "subject", "name"), _end(label, "object", "name")
        export(relations, "relations", Relationships(RELATES, *ends), ["id"])
        ends = _end(PAGE, "title", "title"), _end(label, "entity", "name")
        export(mentions, "mentions", Relationships(MENTIONS, *ends), ["title", "entity"])

    return flow


def prices(access: GraphAccess) -> coco.Flow:
    """Another flow over the same pages that makes relationships between the same entities."""
    product, graph = access.product, access.entry

    @coco.flow_def(name="Prices")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.declare(
            product.declaration(connection=graph, nodes_label=ENTITY, primary_key_fields=["name"])
        )
        scope["pages"] = builder.add_source(GraphTestShelf())
        sold = scope.add_collector()
        with scope["pages"].row() as page:
            page["facts"] = page["text"].transform(facts)
            with page["facts"].row() as fact:
                sold.collect(entity=fact["object"], place=fact["verb"])
        mapping = Relationships(SOLD, _end(ENTITY, "entity", "name"), _end(ENTITY, "place", "name"))
        sold.export("sold", product.target(connection=graph, mapping=mapping), primary_key_fields=["entity"])

    return flow


def without_keys(access: GraphAccess) -> coco.Flow:
    """Relationships between nodes of a label without a declared key."""

    @coco.flow_def(name="Wrong")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["pages"] = builder.add_source(GraphTestShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            rows.collect(title=page["title"], text=page["text"])
        end = _end("Nobody", "title", "title")
        spec = access.product.target(connection=access.entry, mapping=Relationships("R", end, end))
        rows.export("rows", spec, primary_key_fields=["title"])

    return flow


def vectors(access: GraphAccess, index: coco.VectorIndexDef) -> coco.Flow:
    """Pages with an index on a vector, ``vector``, of three numbers."""

    @coco.flow_def(name="Vectors")
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["pages"] = builder.add_source(GraphTestShelf())
        rows = scope.add_collector()
        with scope["pages"].row() as page:
            page["vector"] = page["text"].transform(embedded)
            rows.collect(title=page["title"], vector=page["vector"])
        spec = access.product.target(connection=access.entry, mapping=Nodes(PAGE))
        rows.export("rows", spec, primary_key_fields=["title"], vector_indexes=[index])

    return flow
