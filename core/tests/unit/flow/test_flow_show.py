"""The text form of graphs."""

import datetime

from coco.flow.collectors import GeneratedField
from coco.flow.show import render
from coco.index import FtsIndexDef, HnswVectorIndexMethod, VectorIndexDef, VectorSimilarityMetric


def example(ops):
    def flow(builder, root):
        root["documents"] = builder.add_source(
            ops.Files(path="here"), refresh_interval=datetime.timedelta(seconds=30), max_inflight_rows=7
        )
        root["prefix"] = builder.transform(ops.shout, "a" * 60)
        entries = root.add_collector("entries")
        with root["documents"].row(max_inflight_bytes=9) as doc:
            doc["chunks"] = doc["content"].transform(ops.split, size=500)
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
            ops.Rows(table="t"),
            primary_key_fields=["filename"],
            vector_indexes=[
                VectorIndexDef("v", VectorSimilarityMetric.COSINE_SIMILARITY, HnswVectorIndexMethod())
            ],
            fts_indexes=[FtsIndexDef("extra")],
            attachments=[ops.RowsTrigger(name="a")],
            setup_by_user=True,
        )
        builder.declare(ops.Label(name="x"))

    return flow


EXPECTED = """\
Flow Demo
├── documents: source Files(path='here'), every 0:00:30
│   ├── chunks = Split(content, size=500)
│   ├── n = Count(chunks with embedding)
│   ├── copy = chunks
│   └── each row of chunks
│       └── embedding = Embed(text)
├── prefix = Shout('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...)
├── collector entries
│   ├── each row of documents.chunks: id=generated id, filename=documents.filename, who=documents.author.name, v=embedding
│   ├── once: filename='none', extra='x'
│   └── target rows: Rows(table='t'), key filename, set up by the user
│       ├── vector index on v, COSINE_SIMILARITY, Hnsw
│       ├── full-text index on extra
│       └── attachment a: RowsTrigger
└── declare Label(name='x', note='')
"""


def test_the_tree(ops, build):
    text = render(build(example(ops)))
    assert text.startswith(EXPECTED)
    assert "\x1b" not in text


def test_what_was_added_inside_values(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["report"] = doc["content"].transform(ops.report)
            with doc["report"]["chunks"].row() as chunk:
                chunk["loud"] = chunk["text"].transform(ops.shout)
            doc["n"] = doc["report"].transform(ops.count)
            doc["m"] = doc["report"]["chunks"].transform(ops.count)

    text = render(build(flow))
    assert "n = Count(report with chunks.loud)" in text
    assert "m = Count(report.chunks with loud)" in text


def test_the_table(ops, build):
    lines = render(build(example(ops))).removeprefix(EXPECTED).strip().splitlines()
    rows = [line.split() for line in lines]
    assert rows[0] == ["Field", "Type", "Attributes"]
    assert ["documents", "KTable"] in rows
    assert ["documents.filename", "Str", "key"] in rows
    assert ["documents.chunks.embedding", "Vector[Float32,", "4]"] in rows
    assert ["entries:", "v", "Vector[Float32,", "4]?"] in rows
    column = lines[0].index("Type")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)


def test_lineage_in_the_table(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.chunk_text)

    key = ops.op.ArgRelationship.CHUNKS_BASE_TEXT.value
    assert f"{key}=documents.content" in render(build(flow))


def test_verbose_and_colour(ops, build):
    graph = build(example(ops))
    text = render(graph, verbose=True)
    assert "every 0:00:30, at most 7 rows and 9 bytes at once" in text
    assert "each row" in text and "test_flow_show.py:" in text
    code = graph.transforms[0].function.identity.code.hex()[:8]
    assert f", code {code}" in text
    coloured = render(graph, color=True)
    assert "\x1b[36mSplit\x1b[0m" in coloured
    for mark in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m"):
        coloured = coloured.replace(mark, "")
    assert coloured == render(graph)


def test_the_full_name_is_shown_if_it_differs(build, recording):
    recording.own_namespace = "Staging"
    assert render(build(lambda builder, root: None)).startswith("Flow Demo (Staging.Demo)\n")
