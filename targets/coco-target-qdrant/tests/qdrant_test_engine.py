"""Qdrant's own engine, from the wheel ``qdrant-edge-py``: its shards, one for each collection, in plain data."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Refusal(Exception):
    """``code`` is gRPC's word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Shard:
    """A collection. ``vectors``: parameters as REST has them."""

    edge: Any
    folder: Path
    vectors: dict[str, dict[str, Any]]
    indexes: dict[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)


class Engine:
    """Collections and points, in plain data.

    calls: what was asked for. fail_next, fail_after: faults to come, before or after the work. forbidden: a text.
    """

    def __init__(self, folder: Path, api_key: str | None = None) -> None:
        import qdrant_edge

        self._edge: Any = qdrant_edge
        self._folder = folder
        self._lock = threading.RLock()
        self._shards: dict[str, Shard] = {}
        self._number = 0
        self.api_key = api_key
        self.calls: list[str] = []
        self.fail_next: list[str] = []
        self.fail_after: list[str] = []
        self.forbidden = "a text that the server does not take"

    def asked(self, call: str, api_key: str | None) -> None:
        if self.api_key is not None and api_key != self.api_key:
            raise Refusal("UNAUTHENTICATED", "Must provide an API key or an Authorization bearer token")
        with self._lock:
            self.calls.append(call)
            if self.fail_next:
                raise Refusal(self.fail_next.pop(0), "a fault on demand")

    def answered(self) -> None:
        """After the work: the answer may get lost."""
        with self._lock:
            if self.fail_after:
                raise Refusal(self.fail_after.pop(0), "the answer got lost on demand")

    def has(self, name: str) -> bool:
        with self._lock:
            return name in self._shards

    def shard(self, name: str) -> Shard:
        with self._lock:
            found = self._shards.get(name)
        if found is None:
            raise Refusal("NOT_FOUND", f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name: str, vectors: dict[str, dict[str, Any]]) -> None:
        edge = self._edge
        with self._lock:
            if name in self._shards:
                raise Refusal("ALREADY_EXISTS", f"Wrong input: Collection `{name}` already exists!")
            self._number += 1
            folder = self._folder / str(self._number)
            folder.mkdir()
            multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
            config = edge.EdgeConfig(
                vectors={
                    key: edge.EdgeVectorParams(
                        size=item["size"],
                        distance=getattr(edge.Distance, item["distance"]),
                        multivector_config=multi if item.get("multi") else None,
                    )
                    for key, item in vectors.items()
                },
                # Collections without vectors are fine for a server; the library wants one.
                sparse_vectors=None if vectors else {"-": edge.EdgeSparseVectorParams()},
            )
            shard = Shard(edge.EdgeShard.create(str(folder), config), folder, vectors)
            self._shards[name] = shard

    def tune(self, name: str, changes: dict[str, dict[str, Any]]) -> None:
        shard = self.shard(name)
        for key, hnsw in changes.items():
            if key not in shard.vectors:
                raise Refusal("INVALID_ARGUMENT", f"Wrong input: Not existing vector name error: {key}")
            shard.vectors[key].setdefault("hnsw", {}).update(hnsw)

    def exchange_aliases(self, old: list[str], new: list[tuple[str, str]]) -> None:
        with self._lock:
            for shard in self._shards.values():
                shard.aliases = [item for item in shard.aliases if item not in old]
            for collection, alias in new:
                self.shard(collection).aliases.append(alias)

    def drop(self, name: str) -> bool:
        with self._lock:
            shard = self._shards.pop(name, None)
            if shard is not None:
                shard.edge.close()
                shutil.rmtree(shard.folder)
            return shard is not None

    def close(self) -> None:
        for name in list(self._shards):
            self.drop(name)

    def index(self, name: str, path: str, kind: str | None) -> None:
        shard = self.shard(name)
        operation = self._edge.UpdateOperation
        plain = path.strip('"')
        if kind is None:
            shard.indexes.pop(plain, None)
            self._update(shard, operation.delete_field_index(path))
        else:
            type_ = getattr(self._edge.PayloadSchemaType, kind.capitalize())
            self._update(shard, operation.create_field_index(path, type_))
            shard.indexes[plain] = kind

    # -- points: (id, payload, vectors) -----------------------------------------------------------
    def _update(self, shard: Shard, operation: Any) -> None:
        with self._lock:
            try:
                shard.edge.update(operation)
            except Exception as error:
                missing = "No point with id" in str(error)
                raise Refusal("NOT_FOUND" if missing else "INVALID_ARGUMENT", str(error)) from error

    def upsert(self, name: str, points: list[tuple[Any, dict[str, Any], dict[str, Any]]]) -> None:
        if any(self.forbidden in payload.values() for _, payload, _ in points):
            raise Refusal("INVALID_ARGUMENT", "a text against the rules of the server")
        made = [self._edge.Point(id=key, vector=vectors, payload=payload) for key, payload, vectors in points]
        self._update(self.shard(name), self._edge.UpdateOperation.upsert_points(made))

    def overwrite(self, name: str, ids: list[Any], payload: dict[str, Any]) -> None:
        shard = self.shard(name)
        self._check_there(shard, ids)
        self._update(shard, self._edge.UpdateOperation.overwrite_payload(ids, payload))

    def set_vectors(self, name: str, points: list[tuple[Any, dict[str, Any]]]) -> None:
        shard = self.shard(name)
        self._check_there(shard, [key for key, _ in points])
        changed = [self._edge.PointVectors(id=key, vector=vectors) for key, vectors in points]
        self._update(shard, self._edge.UpdateOperation.update_vectors(changed))

    def _check_there(self, shard: Shard, ids: list[Any]) -> None:
        found = {str(item.id) for item in shard.edge.retrieve(ids, False, False)}
        for key in ids:
            if str(key) not in found:
                raise Refusal("NOT_FOUND", f"Not found: No point with id {key} found")

    def delete(self, name: str, ids: list[Any]) -> None:
        self._update(self.shard(name), self._edge.UpdateOperation.delete_points(ids))

    def count(self, name: str) -> int:
        return int(self.shard(name).edge.count(self._edge.CountRequest(exact=True)))

    def scroll(
        self, name: str, limit: int, offset: Any, fields: list[str] | bool, with_vectors: bool
    ) -> tuple[list[Any], Any]:
        request = self._edge.ScrollRequest(
            offset=offset, limit=limit, with_payload=fields, with_vector=with_vectors
        )
        records, following = self.shard(name).edge.scroll(request)
        return [_plain(item) for item in records], following

    def read(self, name: str, ids: list[Any]) -> list[Any]:
        return [_plain(item) for item in self.shard(name).edge.retrieve(ids, True, True)]

    def nearest(
        self, name: str, vector: Any, using: str, limit: int
    ) -> list[tuple[Any, float, dict[str, Any]]]:
        query = self._edge.QueryRequest(
            query=self._edge.Query.Nearest(vector, using=using), limit=limit, with_payload=True
        )
        return [
            (plain_id(item.id), item.score, item.payload or {}) for item in self.shard(name).edge.query(query)
        ]


def plain_id(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def _plain(record: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    vectors = record.vector
    return plain_id(record.id), record.payload or {}, dict(vectors) if isinstance(vectors, dict) else {}
