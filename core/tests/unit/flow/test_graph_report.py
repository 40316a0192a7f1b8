"""The definition of a flow for programs (``coco show --json``)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from coco.flow.collectors import GeneratedField
from coco.flow.graph import Graph
from coco.index import FtsIndexDef, HnswVectorIndexMethod, VectorIndexDef, VectorSimilarityMetric
from coco.operations.graph_report import graph_report

Build = Callable[..., Graph]


def example(ops: Any, *, size: int = 500, table: str = "t", every: int = 30) -> Callable[[Any, Any], None]:
    def flow(builder: Any, root: Any) -> None:
        root["documents"] = builder.add_source(
            ops.Files(path="here"), refresh_interval=datetime.timedelta(seconds=every), max_inflight_rows=7
        )
        entries = root.add_collector("entries")
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split, size=size)
            with doc["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(ops.embed)
                entries.collect(
                    id=GeneratedField.UUID,
                    filename=doc["filename"],
                    who=doc["author"]["name"],
                    v=chunk["embedding"],
                )
            doc["copy"] = doc["chunks"]
            doc["n"] = doc["chunks"].transform(ops.count)
        entries.collect(filename="none", extra="x")
        entries.export(
            "rows",
            ops.Rows(table=table),
            primary_key_fields=["filename"],
            vector_indexes=[
                VectorIndexDef("v", VectorSimilarityMetric.COSINE_SIMILARITY, HnswVectorIndexMethod(m=4))
            ],
            fts_indexes=[FtsIndexDef("extra")],
            attachments=[ops.RowsTrigger(name="a")],
        )
        builder.declare(ops.Label(name="x"))

    return flow


def report(ops: Any, build: Build, **options: Any) -> dict[str, Any]:
    found = graph_report(build(example(ops, **options)))
    assert json.loads(json.dumps(found)) == found, "plain data, and nothing that JSON alters"
    return found


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [item for item in items if item["name"] == name]
    return found


def test_sources(ops: Any, build: Build) -> None:
    (source,) = report(ops, build)["sources"]
    assert source["op"] == {"kind": "Files", "spec": {"path": "here"}}
    assert source["refresh_interval_seconds"] == 30.0
    assert (source["max_inflight_rows"], source["max_inflight_bytes"]) == (7, None)
    assert [item["name"] for item in source["key_fields"]] == ["filename"]
    assert source["value_fields"][0] == {"name": "content", "type": {"kind": "Str"}}
    assert source["location"]["file"].endswith("test_graph_report.py") and source["location"]["line"] > 0


def test_transforms_and_values(ops: Any, build: Build) -> None:
    found = report(ops, build)
    split = named(found["transforms"], "documents.chunks")
    assert split["scope"] == "documents"
    assert [(item["name"], item["value"]) for item in split["args"]] == [
        ("text", {"field": "documents.content"}),
        ("size", {"constant": 500}),
    ]
    assert split["result"]["type"]["kind"] == "LTable"
    assert (split["cache"], split["behavior_version"]) == (False, None)
    assert len(bytes.fromhex(split["identity"])) >= 16
    counted = named(found["transforms"], "documents.n")["args"][0]["value"]
    assert counted == {"field": "documents.chunks", "with": [{"field": "documents.chunks.embedding"}]}
    assert found["aliases"] == [{"name": "documents.copy", "value": {"field": "documents.chunks"}}]
    field = named(found["fields"], "documents.chunks.embedding")
    assert field["scope"] == "documents.chunks"
    assert field["type"] == {"kind": "Vector", "element_type": {"kind": "Float32"}, "dimension": 4}


def test_collectors_and_targets(ops: Any, build: Build) -> None:
    found = report(ops, build)
    (collector,) = found["collectors"]
    first, second = collector["collects"]
    assert first["scope"] == "documents.chunks" and second["scope"] == ""
    assert first["values"]["id"] == {"generated": "uuid"}
    assert first["values"]["who"] == {"field": "documents.author.name"}
    assert second["values"] == {"filename": {"constant": "none"}, "extra": {"constant": "x"}}
    (target,) = found["targets"]
    assert (target["name"], target["collector"], target["setup_by_user"]) == ("rows", "entries", False)
    assert target["op"]["spec"]["table"] == "t"
    assert [item["name"] for item in target["key_fields"]] == ["filename"]
    assert target["vector_indexes"] == [
        {"field_name": "v", "metric": "CosineSimilarity", "method": {"m": 4, "kind": "Hnsw"}}
    ]
    assert target["fts_indexes"] == [{"field_name": "extra"}]
    assert target["attachments"][0]["name"] == "a" and target["attachments"][0]["kind"] == "RowsTrigger"
    assert "documents" in target["logic"] and len(target["logic"]) == 2, (
        "the source, and what is collected once"
    )
    (label,) = found["declarations"]
    assert label["op"] == {"kind": "Label", "spec": {"name": "x", "note": ""}}


def test_identities_move_with_what_counts(ops: Any, build: Build) -> None:
    """The logic of a target's rows follows arguments; it does not follow pace and place."""

    def logic(**options: Any) -> str:
        found: str = report(ops, build, **options)["targets"][0]["logic"]["documents"]
        return found

    assert logic() == logic(every=60) == logic(table="other")
    assert logic() != logic(size=501)


def test_secrets_are_masked(ops: Any, build: Build) -> None:
    from coco import op
    from coco.auth_registry import ref_auth_entry

    class Login(op.FunctionSpec):
        api_key: str
        other_api_key: Any
        nested: dict[str, str]

    @op.executor_class()
    class LoginExecutor:
        spec: Login

        def __call__(self, text: str) -> str:
            return text

    def flow(builder: Any, root: Any) -> None:
        root["files"] = builder.add_source(ops.Files())
        rows = root.add_collector()
        with root["files"].row() as row:
            spec = Login(
                api_key="hunter2", other_api_key=ref_auth_entry("mine"), nested={"password": "hunter2"}
            )
            rows.collect(filename=row["filename"], text=row["content"].transform(spec))
        rows.export("rows", ops.Rows(table="t"), primary_key_fields=["filename"])

    found = graph_report(build(flow))
    assert "hunter2" not in json.dumps(found)
    assert found["transforms"][0]["op"]["spec"] == {
        "api_key": "***",
        "other_api_key": "mine",
        "nested": {"password": "***"},
    }
