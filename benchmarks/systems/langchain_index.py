"""LangChain: the indexing API with a record manager in Postgres, full clean-up, vectors in Postgres.

``PGVector`` writes a batch with one statement, its successor ``PGVectorStore`` sends one per row. They took about
the same CPU per row here, the former a little less, so it stands for LangChain.
"""

import logging
from collections.abc import Iterator

from langchain_classic.indexes import SQLRecordManager  # type: ignore[import-not-found]
from langchain_core.documents import Document  # type: ignore[import-not-found]
from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]
from langchain_core.indexing import index  # type: ignore[import-not-found]
from langchain_postgres import PGVector  # type: ignore[import-not-found]
from langchain_text_splitters import RecursiveCharacterTextSplitter  # type: ignore[import-not-found]

from benchmarks.embedding import DIMENSION, SALTS, embed
from benchmarks.systems.command import CHUNK_SIZE, Command, read_command
from benchmarks.systems.floor_text import walk


class HashEmbeddings(Embeddings):  # type: ignore[misc]
    """The common embedding as LangChain wants it."""

    def __init__(self, salt: int) -> None:
        self.salt = salt

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [embed(text, self.salt) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return embed(text, self.salt)


def documents(command: Command) -> Iterator[Document]:
    splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_SIZE, chunk_overlap=0)
    for path, name in walk(str(command.corpus)):
        with open(path, encoding="utf-8") as file:
            document = Document(page_content=file.read(), metadata={"source": name})
        yield from splitter.split_documents([document])


def main(command: Command) -> None:
    logging.disable(logging.WARNING)
    url = command.dsn.replace("postgresql://", "postgresql+psycopg://")
    records = SQLRecordManager("bench/chunks", db_url=url)
    records.create_schema()
    store = PGVector(
        HashEmbeddings(SALTS[command.variant]),
        connection=url,
        collection_name="chunks",
        embedding_length=DIMENSION,
        use_jsonb=True,
    )
    with command.engine():
        index(
            documents(command),
            records,
            store,
            batch_size=1000,
            cleanup="full",
            cleanup_batch_size=10_000,
            source_id_key="source",
            key_encoder="blake2b",
            # Changed code is not noticed: the documented way is to say so.
            force_update=command.variant == 2,
        )
    command.report()


if __name__ == "__main__":
    main(read_command())
