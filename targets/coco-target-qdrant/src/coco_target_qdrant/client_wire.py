"""Qdrant through its official client: REST, and the client's local mode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from coco.errors import RETRIABLE_STATUS, ApiError, TargetError
from coco_target_qdrant.address import Address
from coco_target_qdrant.ids import PointId
from coco_target_qdrant.state import VectorState
from coco_target_qdrant.wire import (
    SCROLL_POINTS,
    CollectionFacts,
    MissingError,
    Point,
    RefusedRequestError,
    TransientError,
    VectorData,
    path_of,
)

T = TypeVar("T")


class _Local:
    """Local stores of this process: a folder can be open once, and memory must outlive a connection."""

    lock = threading.RLock()
    clients: dict[str, tuple[Any, int]] = {}  # noqa: RUF012  (shared on purpose)

    @classmethod
    def lease(cls, place: str) -> Any:
        with cls.lock:
            client, leases = cls.clients.get(place) or (
                QdrantClient(":memory:") if place == ":memory:" else QdrantClient(path=place),
                0,
            )
            cls.clients[place] = (client, leases + 1)
            return client

    @classmethod
    def give_back(cls, place: str) -> None:
        with cls.lock:
            client, leases = cls.clients[place]
            cls.clients[place] = (client, leases - 1)
            if leases == 1 and place != ":memory:":
                del cls.clients[place]
                client.close()


class ClientWire:
    """See ``Wire``. Calls may come from any thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._is_local = address.way == "local"
        self.keeps_units = not self._is_local  # it divides by the length even if that is 1, about
        if self._is_local:
            try:
                self._client = _Local.lease(address.place)
            except RuntimeError as error:
                raise TargetError(f"{address.shown} cannot be opened: {error}") from error
        else:
            headers = {"api-key": address.api_key} if address.api_key is not None else None
            self._client = QdrantClient(
                url=address.url, headers=headers, check_compatibility=False, timeout=int(address.timeout)
            )

    def close(self) -> None:
        if self._is_local:
            _Local.give_back(self._address.place)
        else:
            self._client.close()

    def _call(self, call: Callable[[], T]) -> T:
        return self._address.retrying(lambda: self._once(call))

    def _once(self, call: Callable[[], T]) -> T:
        if self._is_local:
            with _Local.lock:
                return self._local(call)
        try:
            return call()
        except UnexpectedResponse as error:
            raise self._explained(error) from None
        except ResponseHandlingException as error:
            raise TransientError(self._text(type(error.source).__name__)) from None
        except ApiException as error:
            seconds = getattr(error, "retry_after_s", None)
            raise TransientError(self._text(type(error).__name__), seconds) from None

    def _local(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ValueError as error:
            if "not found" in str(error).lower():
                raise MissingError(self._text(str(error))) from error
            raise RefusedRequestError(self._text(str(error))) from error
        except KeyError as error:
            raise MissingError(self._text(f"no point {error}")) from error

    def _text(self, text: str) -> str:
        return self._address.scrubbed(f"{self._address.shown}: {text}")

    def _explained(self, error: UnexpectedResponse) -> Exception:
        content = error.content.decode(errors="replace")[:500]
        text = self._text(f"HTTP {error.status_code}: {content}")
        if error.status_code == 404:
            return MissingError(text)
        if error.status_code in (401, 403):
            return ApiError(f"{text}; check the API key", error.status_code)
        if error.status_code in RETRIABLE_STATUS:
            return TransientError(text)
        return RefusedRequestError(text) if error.status_code in (400, 409, 413, 422) else TargetError(text)

    # -- collections ------------------------------------------------------------------------------
    def facts(self, collection: str) -> CollectionFacts | None:
        try:
            found = self._call(lambda: self._client.get_collection(collection))
        except MissingError:
            return None
        config = found.config.params.vectors
        vectors = config if isinstance(config, dict) else {} if config is None else {"": config}
        return CollectionFacts(
            {name: _vector_state(item) for name, item in vectors.items()},
            {name: item.data_type.value for name, item in (found.payload_schema or {}).items()},
        )

    def create(self, collection: str, vectors: Mapping[str, VectorState]) -> None:
        config = {
            name: models.VectorParams(
                size=item.size,
                distance=models.Distance(item.distance),
                hnsw_config=_hnsw(item),
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
                if item.multi
                else None,
            )
            for name, item in vectors.items()
        }
        self._call(lambda: self._client.create_collection(collection, vectors_config=config))

    def tune(self, collection: str, vectors: Mapping[str, VectorState]) -> None:
        if self._is_local:
            return  # it compares all points and has no HNSW
        config = {name: models.VectorParamsDiff(hnsw_config=_hnsw(item)) for name, item in vectors.items()}
        self._call(lambda: self._client.update_collection(collection, vectors_config=config))

    def drop(self, collection: str) -> None:
        try:
            self._call(lambda: self._client.delete_collection(collection))
        except MissingError:
            pass

    def aliases(self, collection: str) -> list[str]:
        answer = self._call(lambda: self._client.get_collection_aliases(collection))
        return [item.alias_name for item in answer.aliases]

    def exchange_aliases(self, collection: str, old: Sequence[str], new: str) -> None:
        made = models.CreateAlias(collection_name=collection, alias_name=new)
        operations: list[Any] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)) for name in old
        ]
        operations.append(models.CreateAliasOperation(create_alias=made))
        self._call(lambda: self._client.update_collection_aliases(operations))

    def create_index(self, collection: str, name: str, kind: str) -> None:
        if self._is_local:
            return  # it filters without indexes
        schema, path = models.PayloadSchemaType(kind), path_of(name) or name
        self._call(lambda: self._client.create_payload_index(collection, path, schema, wait=True))

    def drop_index(self, collection: str, name: str) -> None:
        if not self._is_local:
            self._call(
                lambda: self._client.delete_payload_index(collection, path_of(name) or name, wait=True)
            )

    # -- points -----------------------------------------------------------------------------------
    def upsert(self, collection: str, batches: Iterable[Sequence[Point]]) -> None:
        for batch in batches:
            points = [
                models.PointStruct(id=item.id, payload=item.payload, vector=_numbers(item.vectors))
                for item in batch
            ]
            self._call(lambda points=points: self._client.upsert(collection, points, wait=True))  # type: ignore[misc]

    def set_payloads(self, collection: str, points: Sequence[Point]) -> None:
        self._check_there(collection, points)
        operations = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(payload=item.payload, points=[item.id])
            )
            for item in points
        ]
        self._call(lambda: self._client.batch_update_points(collection, operations, wait=True))

    def set_vectors(self, collection: str, points: Sequence[Point]) -> None:
        self._check_there(collection, points)
        changed = [models.PointVectors(id=item.id, vector=_numbers(item.vectors)) for item in points]
        self._call(lambda: self._client.update_vectors(collection, changed, wait=True))

    def _check_there(self, collection: str, points: Sequence[Point]) -> None:
        """The local mode overlooks missing points where a server would complain."""
        if self._is_local:
            wanted = [item.id for item in points]
            found = self._call(lambda: self._client.retrieve(collection, wanted, with_payload=False))
            if len(found) != len(wanted):
                raise MissingError(self._text(f"{len(wanted) - len(found)} points are missing"))

    def delete(self, collection: str, ids: Sequence[PointId]) -> None:
        selector = models.PointIdsList(points=list(ids))
        self._call(lambda: self._client.delete(collection, selector, wait=True))

    def count(self, collection: str) -> int:
        return int(self._call(lambda: self._client.count(collection, exact=True)).count)

    def first(self, collection: str, limit: int) -> list[Point]:
        records, _ = self._call(lambda: self._client.scroll(collection, limit=limit, with_payload=True))
        return [Point(item.id, item.payload or {}) for item in records]

    def payloads(self, collection: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        offset = None
        while True:
            records, offset = self._call(
                lambda offset=offset: self._client.scroll(  # type: ignore[misc]
                    collection, limit=SCROLL_POINTS, offset=offset, with_payload=True
                )
            )
            yield [{name: item.payload[name] for name in fields if name in item.payload} for item in records]
            if offset is None:
                return

    def read(self, collection: str, ids: Sequence[PointId]) -> list[Point]:
        records = self._call(
            lambda: self._client.retrieve(collection, list(ids), with_payload=True, with_vectors=True)
        )
        return [Point(item.id, item.payload or {}, _floats(item.vector)) for item in records]


def _hnsw(item: VectorState) -> models.HnswConfigDiff | None:
    if item.m is None and item.ef_construct is None:
        return None
    return models.HnswConfigDiff(m=item.m, ef_construct=item.ef_construct)


def _vector_state(item: models.VectorParams) -> VectorState:
    hnsw = item.hnsw_config
    return VectorState(
        item.size,
        item.distance.value,
        item.multivector_config is not None,
        hnsw.m if hnsw is not None else None,
        hnsw.ef_construct if hnsw is not None else None,
    )


def _numbers(vectors: Mapping[str, VectorData]) -> Any:
    import numpy as np

    def one(data: bytes) -> list[float]:
        found: list[float] = np.frombuffer(data, "<f4").tolist()
        return found

    return {
        name: one(data) if isinstance(data, bytes) else [one(item) for item in data]
        for name, data in vectors.items()
    }


def _floats(vectors: Any) -> dict[str, VectorData]:
    import numpy as np

    def one(numbers: Any) -> bytes:
        return np.asarray(numbers, "<f4").tobytes()

    found: dict[str, VectorData] = {}
    for name, data in (vectors if isinstance(vectors, dict) else {}).items():
        multi = bool(data) and isinstance(data[0], list)
        found[name] = [one(item) for item in data] if multi else one(data)
    return found
