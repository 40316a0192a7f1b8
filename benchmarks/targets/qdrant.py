"""Qdrant over gRPC: the target against the official client's ``upsert`` of ``PointStruct``, acknowledged.

``BENCH_QDRANT_URL`` (and ``BENCH_QDRANT_API_KEY``) names a server; without it Qdrant's engine, from the wheel
``qdrant-edge-py``, stands behind a server written in Python.
"""

import contextlib
import importlib.util
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import coco
from benchmarks.targets.contest import (
    Contest,
    Load,
    NotAvailableError,
    Watch,
    by_connector,
    fresh_name,
)
from benchmarks.targets.processes import TARGETS, served
from benchmarks.targets.sample import Sample
from coco_target_qdrant.spec import Qdrant, QdrantConnection, QdrantConnector

POINTS = 1_000
"""In a request."""

ENGINE = """
import sys
sys.path.insert(0, sys.argv[1])
from qdrant_test_server import running
with running() as server:
    print(server.grpc_url, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    """Raises ``NotAvailableError``."""
    with _server() as url:
        api_key = os.environ.get("BENCH_QDRANT_API_KEY")
        entry = coco.add_auth_entry(
            "bench qdrant", QdrantConnection(grpc_url=url, api_key=api_key), replace=True
        )

        def spec(name: str) -> Qdrant:
            return Qdrant(collection_name=name, connection=entry)

        yield Contest(
            by_connector(QdrantConnector, spec), {"upsert of PointStruct, gRPC": _upsert(url, api_key)}
        )


@contextlib.contextmanager
def _server() -> Iterator[str]:
    url = os.environ.get("BENCH_QDRANT_URL")
    if url:
        yield url
        return
    if importlib.util.find_spec("qdrant_edge") is None:
        raise NotAvailableError("install qdrant-edge-py, or name a server with BENCH_QDRANT_URL")
    with served(ENGINE, str(TARGETS / "coco-target-qdrant" / "tests")) as url:
        yield url


def _upsert(url: str, api_key: str | None) -> Load:
    from qdrant_client import QdrantClient, models

    place = urlsplit(url)

    def load(sample: Sample, watch: Watch) -> int:
        name = fresh_name()
        params = models.VectorParams(size=sample.dimension, distance=models.Distance.COSINE)
        client = QdrantClient(
            host=place.hostname,
            grpc_port=place.port or 6334,
            https=place.scheme == "https",
            prefer_grpc=True,
            api_key=api_key,
            check_compatibility=False,
        )
        with contextlib.closing(client):
            client.create_collection(name, vectors_config={"vector": params})
            with watch.running():
                for batch in sample.natural:
                    for start in range(0, len(batch), POINTS):
                        points = [
                            models.PointStruct(
                                id=str(uuid.uuid5(uuid.NAMESPACE_URL, row.name)),
                                payload={"name": row.name, "text": row.text, "number": row.number},
                                vector={"vector": row.vector},
                            )
                            for row in batch[start : start + POINTS]
                        ]
                        client.upsert(name, points, wait=True)
            found = client.count(name, exact=True).count
            client.delete_collection(name)
            return found

    return load
