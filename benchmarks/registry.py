"""The systems that are measured: how each is installed, run and read."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    OURS = "ours"
    FLOOR = "floor"
    PEER = "peer"


class Store(StrEnum):
    POSTGRES = "postgres"
    SQLITE = "sqlite"
    NONE = "none"


COLUMNS = "SELECT filename, text, embedding::text FROM chunks"


@dataclass(frozen=True)
class System:
    """One system. ``rows`` is the query for (file, text, embedding), ``setup`` what a user does to the database first.

    ``requirements``: what pip installs into the system's own environment; none for ours and the floors, which run
    in ours. ``only``: the workloads it can do, None for all. ``live``: whether it can follow its source.
    """

    name: str
    kind: Kind
    store: Store
    module: str
    rows: str = COLUMNS
    requirements: tuple[str, ...] = ()
    setup: str = ""
    only: frozenset[str] | None = None
    live: bool = False


FIRST_ONLY = frozenset({"first"})

SYSTEMS = {
    system.name: system
    for system in (
        System("coco_postgres", Kind.OURS, Store.POSTGRES, "coco_postgres", live=True),
        System(
            "coco_sqlite",
            Kind.OURS,
            Store.SQLITE,
            "coco_sqlite",
            rows="SELECT filename, text, embedding FROM chunks",
            live=True,
        ),
        System("floor_copy", Kind.FLOOR, Store.POSTGRES, "floor_copy", only=FIRST_ONLY),
        System("floor_state", Kind.FLOOR, Store.POSTGRES, "floor_state", only=FIRST_ONLY),
        System(
            "floor_sqlite",
            Kind.FLOOR,
            Store.SQLITE,
            "floor_sqlite",
            rows="SELECT filename, text, embedding FROM chunks",
            only=FIRST_ONLY,
        ),
        System("floor_walk", Kind.FLOOR, Store.NONE, "floor_walk", rows="", only=frozenset({"unchanged"})),
        System(
            "cocoindex_v0",
            Kind.PEER,
            Store.POSTGRES,
            "cocoindex_v0",
            requirements=("cocoindex==0.3.39",),
            live=True,
        ),
        System(
            "cocoindex_v1",
            Kind.PEER,
            Store.POSTGRES,
            "cocoindex_v1",
            requirements=("cocoindex[postgres]==1.0.26",),
            live=True,
        ),
        System(
            "pathway",
            Kind.PEER,
            Store.POSTGRES,
            "pathway_fs",
            requirements=("pathway==0.33.0",),
            setup=(
                "CREATE TABLE chunks (filename text, start bigint, text text, embedding vector(64), "
                "PRIMARY KEY (filename, start))"
            ),
        ),
        System(
            "langchain",
            Kind.PEER,
            Store.POSTGRES,
            "langchain_index",
            rows="SELECT cmetadata->>'source', document, embedding::text FROM langchain_pg_embedding",
            requirements=(
                "langchain-classic==1.0.8",
                "langchain-core==1.7.2",
                "langchain-postgres==0.0.19",
                "langchain-text-splitters==1.1.3",
                "psycopg[binary]==3.3.9",
            ),
        ),
        System(
            "llamaindex",
            Kind.PEER,
            Store.POSTGRES,
            "llamaindex_pipeline",
            rows="SELECT metadata_->>'file', text, embedding::text FROM data_chunks",
            requirements=("llama-index-core==0.14.25", "llama-index-vector-stores-postgres==0.9.0"),
        ),
        System(
            "dlt",
            Kind.PEER,
            Store.POSTGRES,
            "dlt_merge",
            rows="SELECT filename, text, embedding::text FROM bench.chunks",
            requirements=("dlt[filesystem,postgres]==1.31.0",),
        ),
    )
}
