"""LlamaIndex: IngestionPipeline with cache and document store persisted, upserts and deletes, PGVectorStore."""

from typing import Any
from urllib.parse import urlsplit

from llama_index.core import SimpleDirectoryReader  # type: ignore[import-not-found]
from llama_index.core.embeddings import BaseEmbedding  # type: ignore[import-not-found]
from llama_index.core.ingestion import (  # type: ignore[import-not-found]
    DocstoreStrategy,
    IngestionPipeline,
)
from llama_index.core.node_parser import SentenceSplitter  # type: ignore[import-not-found]
from llama_index.core.storage.docstore import SimpleDocumentStore  # type: ignore[import-not-found]
from llama_index.vector_stores.postgres import PGVectorStore  # type: ignore[import-not-found]

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import CHUNK_SIZE, Command, read_command


class HashEmbedding(BaseEmbedding):  # type: ignore[misc]
    """The common embedding as LlamaIndex wants it."""

    salt: int = 0

    def _get_text_embedding(self, text: str) -> list[float]:
        return embed(text, self.salt)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed(query, self.salt)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed(query, self.salt)


def store(dsn: str) -> Any:
    parts = urlsplit(dsn)
    return PGVectorStore.from_params(
        host=parts.hostname,
        port=str(parts.port),
        database=parts.path.lstrip("/"),
        user=parts.username,
        password=parts.password or "none",
        table_name="chunks",
        embed_dim=DIMENSION,
    )


def main(command: Command) -> None:
    root = str(command.corpus.absolute()) + "/"
    pipeline = IngestionPipeline(
        transformations=[
            # Sizes are in tokens of the given tokenizer: here, characters.
            SentenceSplitter(chunk_size=CHUNK_SIZE, chunk_overlap=0, tokenizer=list),
            HashEmbedding(salt=SALTS[command.variant], embed_batch_size=1000),
        ],
        vector_store=store(command.dsn),
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    with command.engine():
        if (command.state / "docstore.json").exists():
            pipeline.load(str(command.state))
        documents = SimpleDirectoryReader(
            root,
            recursive=True,
            exclude_hidden=False,
            required_exts=[".md"],
            filename_as_id=True,
            file_metadata=lambda path: {"file": path.removeprefix(root)},
        ).load_data()
        for document in documents:  # only to name the file: no part of the text
            document.excluded_embed_metadata_keys.append("file")
            document.excluded_llm_metadata_keys.append("file")
        pipeline.run(documents=documents)
        command.state.mkdir(parents=True, exist_ok=True)
        pipeline.persist(str(command.state))
    command.report()


if __name__ == "__main__":
    main(read_command())
