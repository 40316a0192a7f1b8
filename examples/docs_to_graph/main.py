"""The flow of the example: Markdown pages as a graph of documents and the entities that they name.

``COCO_EXAMPLE_DOCS`` is the folder of the pages, by default coco's own ``docs``. See ``graphs.chosen`` for where the
graph is.
"""

import os
from pathlib import Path
from typing import Any

from extract import read_page
from graphs import Graph, chosen

import coco

DOCS = Path(__file__).resolve().parents[2] / "docs"


def end(label: str, **properties: str) -> Any:
    """An end of a relationship: properties of the node by the collected fields that hold them."""
    fields = [
        coco.targets.TargetFieldMapping(source=field, target=name) for name, field in properties.items()
    ]
    return coco.targets.NodeFromFields(label=label, fields=fields)


def docs_to_graph(name: str, root: str, graph: Graph) -> coco.Flow:
    """A flow that keeps ``graph`` equal to what the pages below ``root`` say."""

    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        builder.declare(graph.declaration("Entity", ["name"]))
        scope["files"] = builder.add_source(
            coco.sources.LocalFile(path=root, included_patterns=["**/*.md", "**/*.mdx"])
        )
        documents, links, mentions, relations = (scope.add_collector() for _ in range(4))
        with scope["files"].row() as file:
            file["page"] = file["content"].transform(read_page, filename=file["filename"])
            documents.collect(
                filename=file["filename"], title=file["page"]["title"], summary=file["page"]["summary"]
            )
            with file["page"]["links"].row() as link:
                links.collect(filename=file["filename"], linked=link["linked"])
            with file["page"]["mentions"].row() as mention:
                mentions.collect(filename=file["filename"], entity=mention["entity"], times=mention["times"])
            with file["page"]["relations"].row() as relation:
                relations.collect(
                    filename=file["filename"],
                    subject=relation["subject"],
                    predicate=relation["predicate"],
                    object=relation["object"],
                )

        documents.export(
            "documents", graph.target(coco.targets.Nodes(label="Document")), primary_key_fields=["filename"]
        )
        links.export(
            "links",
            graph.target(
                coco.targets.Relationships(
                    rel_type="LINKS_TO",
                    source=end("Document", filename="filename"),
                    target=end("Document", filename="linked"),
                )
            ),
            primary_key_fields=["filename", "linked"],
        )
        mentions.export(
            "mentions",
            graph.target(
                coco.targets.Relationships(
                    rel_type="MENTIONS",
                    source=end("Document", filename="filename"),
                    target=end("Entity", name="entity"),
                )
            ),
            primary_key_fields=["filename", "entity"],
        )
        relations.export(
            "relations",
            graph.target(
                coco.targets.Relationships(
                    rel_type="RELATES_TO",
                    source=end("Entity", name="subject"),
                    target=end("Entity", name="object"),
                )
            ),
            primary_key_fields=["filename", "subject", "predicate", "object"],
        )

    return flow


docs_graph = docs_to_graph("DocsToGraph", os.environ.get("COCO_EXAMPLE_DOCS", str(DOCS)), chosen())
