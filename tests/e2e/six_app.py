"""The process that is killed: one flow that exports the same rows to six targets at once; see ``six_world``.

It dies where ``COCO_FAULT`` says (``crash_faults``). ``SIX_END``: update twice, verify, and print what came of it;
``drop``: drop everything.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Literal

import crash_faults as faults

import coco
from coco import op
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.ops.registry import registry

TAG = os.environ["SIX_TAG"]
ENGINE: Any = os.environ["SIX_ENGINE"]
NEO4J: dict[str, Any] = json.loads(os.environ["SIX_NEO4J"])
QDRANT: dict[str, Any] = json.loads(os.environ["SIX_QDRANT"])
GRAPHS = ("Kuzu", "Neo4j")
TARGETS = ("Sqlite", "Postgres", "Qdrant", "Files", *GRAPHS)


@dataclass
class Mention:
    word: str
    number: int


@op.function(cache=True, behavior_version=1)
def six_vector(text: str) -> coco.Vector[coco.Float32, Literal[3]]:
    return [float(len(text)), float(text.count("w")), 0.5]


@op.function(cache=True, behavior_version=1)
def six_mentions(text: str) -> list[Mention]:
    words = text.split()
    return [Mention(word, words.count(word)) for word in dict.fromkeys(words)]


@op.function(behavior_version=1)
def six_size(text: str) -> int:
    return len(text)


def graph_of(kind: str) -> Any:
    targets: Any = coco.targets
    if kind == "Kuzu":
        return coco.add_auth_entry(
            "six kuzu", targets.KuzuConnection(database_path="graph.kuzu", engine=ENGINE), replace=True
        )
    return coco.add_auth_entry("six neo4j", targets.Neo4jConnection(**NEO4J), replace=True)


def target(kind: str, what: str) -> Any:
    """Where a target puts ``docs`` or ``mentions``."""
    targets: Any = coco.targets
    if kind == "Sqlite":
        return targets.Sqlite(path="out.db", table=what)
    if kind == "Postgres":
        return targets.Postgres(table_name=what)
    if kind == "Files":
        return targets.Files(path=f"files/{what}", format="json")
    if kind == "Qdrant":
        from coco_target_qdrant.spec import QdrantConnection

        place = QdrantConnection(grpc_url=QDRANT["grpc_url"], api_key=QDRANT["api_key"])
        server = coco.add_auth_entry("six qdrant", place, replace=True)
        return targets.Qdrant(collection_name=f"six_{TAG}_{what}", connection=server)
    doc, word = f"CocoTestDoc{TAG}", f"CocoTestWord{TAG}"
    mapping = targets.Nodes(label=doc)
    if what == "mentions":
        mapping = targets.Relationships(
            rel_type=f"CocoTestMentions{TAG}",
            source=targets.NodeFromFields(label=doc, fields=[targets.TargetFieldMapping("file")]),
            target=targets.NodeFromFields(label=word, fields=[targets.TargetFieldMapping("word")]),
        )
    return getattr(targets, kind)(connection=graph_of(kind), mapping=mapping)


@coco.flow_def(name="Six")
def six(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    for kind in GRAPHS:
        declaration = getattr(coco.targets, f"{kind}Declaration")
        builder.declare(
            declaration(
                connection=graph_of(kind), nodes_label=f"CocoTestWord{TAG}", primary_key_fields=["word"]
            )
        )
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"), max_inflight_rows=4)
    docs, mentions = scope.add_collector(), scope.add_collector()
    with scope["docs"].row() as doc:
        text = doc["content"]
        docs.collect(
            file=doc["filename"],
            text=text,
            size=text.transform(six_size),
            vector=text.transform(six_vector),
        )
        doc["mentions"] = text.transform(six_mentions)
        with doc["mentions"].row() as mention:
            mentions.collect(file=doc["filename"], word=mention["word"], number=mention["number"])
    for kind in TARGETS:
        indexes = [coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.L2_DISTANCE)]
        docs.export(
            f"docs_{kind}",
            target(kind, "docs"),
            primary_key_fields=["file"],
            vector_indexes=indexes if kind == "Qdrant" else [],
        )
        mentions.export(f"mentions_{kind}", target(kind, "mentions"), primary_key_fields=["file", "word"])


def watch() -> None:
    """Points of dying around what is asked of all six."""

    def connector(category: Any, spec: Any) -> type:
        found: type = registry.get(category, type(spec).__name__).connector_cls
        return found

    first, *others = (connector(op.OpCategory.TARGET, target(kind, "docs")) for kind in TARGETS)
    faults.prepare(connector(op.OpCategory.SOURCE, coco.sources.LocalFile(path="docs")), first)
    for other in others:
        faults.around(other, "mutate_columns", "mutate")
        many = hasattr(other, "apply_setup_changes")
        faults.around(other, "apply_setup_changes" if many else "apply_setup_change", "setup_change")


def main() -> None:
    watch()
    end = os.environ.get("SIX_END", "")
    events: list[FlowEvent] = []
    coco.add_event_listener(events.append)
    done: list[Any] = []
    if end == "drop":
        six.drop()
    else:
        six.setup(allow_destructive=True)
        for _ in range(2 if end else 1):
            events.clear()
            info = six.update(allow_deletes=True)
            done.append(
                {
                    "errors": info.total.num_errors,
                    "drifted": info.drifted,
                    "calls": sum(event.calls for event in events if isinstance(event, FunctionCalled)),
                    "writes": sum(
                        event.upserts + event.deletes for event in events if isinstance(event, TargetMutated)
                    ),
                }
            )
        if end:
            report = six.verify()
            done.append("" if report.ok else report.render())
    print(json.dumps(done))
    coco.stop()


if __name__ == "__main__":
    main()
