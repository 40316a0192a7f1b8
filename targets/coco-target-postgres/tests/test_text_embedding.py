"""The text embedding flow that users bring along, with nothing but the import's name changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from postgres_test_support import column_types, index_definitions, query

import coco as cocoindex

numpy = pytest.importorskip("numpy")
pytest.importorskip("pgvector", reason="needs the package pgvector")
pytest.importorskip("psycopg_pool", reason="needs the package psycopg-pool")
from pgvector.psycopg import register_vector  # noqa: E402
from psycopg_pool import ConnectionPool  # noqa: E402

pytest.importorskip("coco_source_localfs", reason="needs the package coco-source-localfs")
pytest.importorskip("coco_function_text", reason="needs the package coco-function-text")
model_files = pytest.importorskip(
    "coco_function_embed.model_files", reason="needs the package coco-function-embed"
)

TEXTS = {
    "bread.md": "# Bread\n\nKnead the dough, let it rise overnight, and bake it in a hot oven.\n",
    "stars.md": "# Stars\n\nA telescope gathers the light of distant galaxies.\n",
    "tax.md": "# Taxes\n\n" + "Receipts are kept for ten years and handed in with the declaration. " * 60,
}
TABLE = "textembedding__doc_embeddings"


def embedding() -> Any:
    """The model of the example, or a stand-in of the same size where its weights are not installed."""
    if model_files.has_minilm():
        return cocoindex.functions.SentenceTransformerEmbed(model="sentence-transformers/all-MiniLM-L6-v2")
    return cocoindex.functions.HashEmbed(dimension=384)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = tmp_path / "markdown_files"
    files.mkdir()
    for name, text in TEXTS.items():
        (files / name).write_text(text)
        os.utime(files / name, (1_600_000_000, 1_600_000_000))
    return files


def define() -> cocoindex.Flow:
    @cocoindex.flow_def(name="TextEmbedding")
    def notes(builder: cocoindex.FlowBuilder, scope: cocoindex.DataScope) -> None:
        scope["documents"] = builder.add_source(cocoindex.sources.LocalFile(path="markdown_files"))
        rows = scope.add_collector()
        with scope["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(
                cocoindex.functions.SplitRecursively(),
                language="markdown",
                chunk_size=2000,
                chunk_overlap=500,
            )
            with doc["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(embedding())
                rows.collect(
                    filename=doc["filename"],
                    location=chunk["location"],
                    text=chunk["text"],
                    embedding=chunk["embedding"],
                )
        rows.export(
            "doc_embeddings",
            cocoindex.targets.Postgres(),
            primary_key_fields=["filename", "location"],
            vector_indexes=[
                cocoindex.VectorIndexDef(
                    field_name="embedding", metric=cocoindex.VectorSimilarityMetric.COSINE_SIMILARITY
                )
            ],
        )

    return notes


@cocoindex.transform_flow()
def text_to_embedding(text: cocoindex.DataSlice[str]) -> cocoindex.DataSlice[Any]:
    return text.transform(embedding())


def search_with(pool: ConnectionPool, flow: cocoindex.Flow, query: str, top_k: int) -> list[dict[str, Any]]:
    """The query of the example: the name goes into SQL as it is, the vector as NumPy has it."""
    table_name = cocoindex.utils.get_target_default_name(flow, "doc_embeddings")
    query_vector = text_to_embedding.eval(query)
    with pool.connection() as conn:
        register_vector(conn)
        with conn.cursor() as cur:
            cur.execute(
                f"""
                SELECT filename, text, embedding <=> %s::vector AS distance
                FROM {table_name} ORDER BY distance LIMIT %s
            """.encode(),
                (numpy.asarray(query_vector), top_k),
            )
            return [{"filename": row[0], "text": row[1], "score": 1.0 - row[2]} for row in cur.fetchall()]


def test_the_example_runs_as_written(database: str, folder: Path) -> None:
    flow = define()
    flow.setup()
    assert column_types(database, TABLE) == {
        "filename": "text",
        "location": "int8range",
        "text": "text",
        "embedding": "vector(384)",
    }
    (index,) = index_definitions(database, TABLE).values()
    assert "USING hnsw (embedding vector_cosine_ops)" in index
    info = flow.update()
    assert info["documents"].num_insertions == 3
    assert not info.has_errors
    chunks = dict(query(database, f'SELECT filename, count(*) FROM "{TABLE}" GROUP BY 1'))
    assert chunks["bread.md"] == chunks["stars.md"] == 1
    assert chunks["tax.md"] > 1
    spans = query(database, f'SELECT filename, lower(location), upper(location), text FROM "{TABLE}"')
    for name, start, end, text in spans:
        assert TEXTS[name][start:end] == text

    for wanted, text in {
        "bread.md": "Knead the dough and bake it in the oven",
        "stars.md": "light of distant galaxies in a telescope",
    }.items():
        with ConnectionPool(database, min_size=1, max_size=1) as pool:
            found = search_with(pool, flow, text, 3)
        assert found[0]["filename"] == wanted
        assert 0 < found[0]["score"] <= 1

    (folder / "stars.md").unlink()
    (folder / "bread.md").write_text(TEXTS["bread.md"] + "\nEat it warm.\n")
    info = flow.update()
    assert (info["documents"].num_updates, info["documents"].num_deletions) == (1, 1)
    assert {name for name, *_ in query(database, f'SELECT filename FROM "{TABLE}"')} == {"bread.md", "tax.md"}
    flow.drop()
    assert column_types(database, TABLE) == {}
