"""The flow of the demo: Python's own standard library, in chunks, with embeddings, in an SQLite file.

``COCO_DEMO_DATABASE`` names the file; it defaults to ``demo.db`` in the working directory.
"""

import os
import sysconfig
from typing import Any

import coco

DIMENSION = 256


@coco.transform_flow()
def embed(text: coco.DataSlice[str]) -> coco.DataSlice[Any]:
    """The embedding that indexing and searching share."""
    return text.transform(coco.functions.HashEmbed(dimension=DIMENSION))


def code_index(name: str, root: str, database: str) -> coco.Flow:
    """A flow that keeps a table of ``database`` equal to the chunks of the text files below ``root``."""

    @coco.flow_def(name=name)
    def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["files"] = builder.add_source(
            coco.sources.LocalFile(
                path=root,
                included_patterns=["*.py", "*.txt", "*.rst", "*.md"],
                excluded_patterns=["**/site-packages", "**/dist-packages", "**/__pycache__"],
                max_file_size=200_000,
            )
        )
        chunks = scope.add_collector()
        with scope["files"].row() as file:
            file["language"] = file["filename"].transform(coco.functions.DetectProgrammingLanguage())
            file["chunks"] = file["content"].transform(
                coco.functions.SplitRecursively(),
                language=file["language"],
                chunk_size=1500,
                chunk_overlap=0,
            )
            with file["chunks"].row() as chunk:
                chunk["embedding"] = embed(chunk["text"])
                chunks.collect(
                    filename=file["filename"],
                    location=chunk["location"],
                    text=chunk["text"],
                    embedding=chunk["embedding"],
                )
        chunks.export(
            "chunks",
            coco.targets.Sqlite(path=database, table_name="chunks"),
            primary_key_fields=["filename", "location"],
            vector_indexes=[
                coco.VectorIndexDef("embedding", coco.VectorSimilarityMetric.COSINE_SIMILARITY),
            ],
            fts_indexes=[coco.FtsIndexDef("text")],
        )

    return flow


library = code_index(
    "StandardLibrary", sysconfig.get_path("stdlib"), os.environ.get("COCO_DEMO_DATABASE", "demo.db")
)
