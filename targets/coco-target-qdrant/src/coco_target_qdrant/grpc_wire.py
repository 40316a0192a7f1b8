"""Qdrant over gRPC: messages are made from engine values directly, which costs a fraction of the client's models."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc as _grpc  # type: ignore[import-untyped, unused-ignore]
from qdrant_client import grpc as _messages

from coco.errors import ApiError, TargetError
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

grpc: Any = _grpc
pb: Any = _messages  # generated code without types
IN_FLIGHT = 2
"""Requests under way at a time: one is worked on by the server while the next is made."""

MAX_LEVELS = 30
"""Of lists and objects in a payload's field: an object takes 3 of the 100 levels that messages may have."""

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_PASSES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED"})
_REFUSED = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "ALREADY_EXISTS", "FAILED_PRECONDITION"})
_DENIED = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}


class GrpcWire:
    """See ``Wire``. Calls may come from any thread."""

    keeps_units = True

    def __init__(self, address: Address) -> None:
        self._address = address
        if address.secure:
            self._channel = grpc.secure_channel(address.place, grpc.ssl_channel_credentials(), _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.place, _OPTIONS)
        self._metadata = [("api-key", address.api_key)] if address.api_key is not None else []
        self._collections = pb.CollectionsStub(self._channel)
        self._points = pb.PointsStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Any, request: Any) -> Any:
        return self._address.retrying(lambda: self._once(method, request))

    def _once(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._address.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._explained(error) from None

    def _explained(self, error: Any) -> Exception:
        """Not chained: what the library shows of a call may hold the API key."""
        code = error.code().name
        text = self._address.scrubbed(f"{self._address.shown}: {code}: {error.details()}")
        if code in _PASSES:
            after = dict(error.trailing_metadata() or ()).get("retry-after", "")
            return TransientError(text, float(after) if after.isdigit() else None)
        if code == "NOT_FOUND":
            return MissingError(text)
        if code in _REFUSED:
            return RefusedRequestError(text)
        if code in _DENIED:
            return ApiError(f"{text}; check the API key", _DENIED[code])
        return TargetError(text)

    # -- collections ------------------------------------------------------------------------------
    def facts(self, collection: str) -> CollectionFacts | None:
        try:
            answer = self._call(
                self._collections.Get, pb.GetCollectionInfoRequest(collection_name=collection)
            )
        except MissingError:
            return None
        config = answer.result.config.params.vectors_config
        vectors = {name: _vector_state(item) for name, item in config.params_map.map.items()}
        if config.HasField("params"):
            vectors[""] = _vector_state(config.params)
        indexes = {
            name: pb.PayloadSchemaType.Name(item.data_type).lower()
            for name, item in answer.result.payload_schema.items()
        }
        return CollectionFacts(vectors, indexes)

    def create(self, collection: str, vectors: Mapping[str, VectorState]) -> None:
        named = {
            name: pb.VectorParams(
                size=item.size,
                distance=pb.Distance.Value(item.distance),
                hnsw_config=_hnsw(item),
                multivector_config=pb.MultiVectorConfig(comparator=pb.MultiVectorComparator.MaxSim)
                if item.multi
                else None,
            )
            for name, item in vectors.items()
        }
        config = pb.VectorsConfig(params_map=pb.VectorParamsMap(map=named))
        self._call(
            self._collections.Create, pb.CreateCollection(collection_name=collection, vectors_config=config)
        )

    def tune(self, collection: str, vectors: Mapping[str, VectorState]) -> None:
        named = {name: pb.VectorParamsDiff(hnsw_config=_hnsw(item)) for name, item in vectors.items()}
        config = pb.VectorsConfigDiff(params_map=pb.VectorParamsDiffMap(map=named))
        self._call(
            self._collections.Update, pb.UpdateCollection(collection_name=collection, vectors_config=config)
        )

    def drop(self, collection: str) -> None:
        try:
            self._call(self._collections.Delete, pb.DeleteCollection(collection_name=collection))
        except MissingError:
            pass

    def aliases(self, collection: str) -> list[str]:
        request = pb.ListCollectionAliasesRequest(collection_name=collection)
        answer = self._call(self._collections.ListCollectionAliases, request)
        return [item.alias_name for item in answer.aliases]

    def exchange_aliases(self, collection: str, old: Sequence[str], new: str) -> None:
        made = pb.CreateAlias(collection_name=collection, alias_name=new)
        actions = [pb.AliasOperations(delete_alias=pb.DeleteAlias(alias_name=name)) for name in old]
        actions.append(pb.AliasOperations(create_alias=made))
        self._call(self._collections.UpdateAliases, pb.ChangeAliases(actions=actions))

    def create_index(self, collection: str, name: str, kind: str) -> None:
        type_ = pb.FieldType.Value(f"FieldType{kind.capitalize()}")
        request = pb.CreateFieldIndexCollection(
            collection_name=collection, wait=True, field_name=path_of(name), field_type=type_
        )
        self._call(self._points.CreateFieldIndex, request)

    def drop_index(self, collection: str, name: str) -> None:
        request = pb.DeleteFieldIndexCollection(
            collection_name=collection, wait=True, field_name=path_of(name)
        )
        self._call(self._points.DeleteFieldIndex, request)

    # -- points -----------------------------------------------------------------------------------
    def upsert(self, collection: str, batches: Iterable[Sequence[Point]]) -> None:
        waiting: collections.deque[tuple[Any, Any]] = collections.deque()
        try:
            for batch in batches:
                if len(waiting) == IN_FLIGHT:
                    self._finish(*waiting.popleft())
                points = [
                    pb.PointStruct(
                        id=_id(item.id), payload=_payload(item.payload), vectors=_vectors(item.vectors)
                    )
                    for item in batch
                ]
                request = pb.UpsertPoints(collection_name=collection, wait=True, points=points)
                waiting.append((request, self._begin(request)))
            while waiting:
                self._finish(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()

    def _begin(self, request: Any) -> Any:
        return self._points.Upsert.future(request, timeout=self._address.timeout, metadata=self._metadata)

    def _finish(self, request: Any, future: Any) -> None:
        first: Callable[[], Any] | None = future.result

        def attempt() -> None:
            nonlocal first
            begun, first = first, None
            try:
                begun() if begun is not None else self._begin(request).result()
            except grpc.RpcError as error:
                raise self._explained(error) from None

        self._address.retrying(attempt)

    def set_payloads(self, collection: str, points: Sequence[Point]) -> None:
        operations = [
            pb.PointsUpdateOperation(
                overwrite_payload=pb.PointsUpdateOperation.OverwritePayload(
                    payload=_payload(item.payload), points_selector=_selector([item.id])
                )
            )
            for item in points
        ]
        request = pb.UpdateBatchPoints(collection_name=collection, wait=True, operations=operations)
        self._call(self._points.UpdateBatch, request)

    def set_vectors(self, collection: str, points: Sequence[Point]) -> None:
        changed = [pb.PointVectors(id=_id(item.id), vectors=_vectors(item.vectors)) for item in points]
        request = pb.UpdatePointVectors(collection_name=collection, wait=True, points=changed)
        self._call(self._points.UpdateVectors, request)

    def delete(self, collection: str, ids: Sequence[PointId]) -> None:
        request = pb.DeletePoints(collection_name=collection, wait=True, points=_selector(ids))
        self._call(self._points.Delete, request)

    def count(self, collection: str) -> int:
        request = pb.CountPoints(collection_name=collection, exact=True)
        return int(self._call(self._points.Count, request).result.count)

    def first(self, collection: str, limit: int) -> list[Point]:
        request = pb.ScrollPoints(
            collection_name=collection, limit=limit, with_payload=pb.WithPayloadSelector(enable=True)
        )
        answer = self._call(self._points.Scroll, request)
        return [Point(_id_of(item.id), _data_of(item.payload)) for item in answer.result]

    def payloads(self, collection: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        paths = [path_of(name) for name in fields]
        if None in paths:
            chosen = pb.WithPayloadSelector(enable=True)
        else:
            chosen = pb.WithPayloadSelector(include=pb.PayloadIncludeSelector(fields=paths))
        offset = None
        while True:
            request = pb.ScrollPoints(
                collection_name=collection, limit=SCROLL_POINTS, offset=offset, with_payload=chosen
            )
            answer = self._call(self._points.Scroll, request)
            yield [_data_of(item.payload) for item in answer.result]
            if not answer.HasField("next_page_offset"):
                return
            offset = answer.next_page_offset

    def read(self, collection: str, ids: Sequence[PointId]) -> list[Point]:
        request = pb.GetPoints(
            collection_name=collection,
            ids=[_id(item) for item in ids],
            with_payload=pb.WithPayloadSelector(enable=True),
            with_vectors=pb.WithVectorsSelector(enable=True),
        )
        answer = self._call(self._points.Get, request)
        return [
            Point(
                _id_of(item.id),
                _data_of(item.payload),
                {name: _floats(vector) for name, vector in item.vectors.vectors.vectors.items()},
            )
            for item in answer.result
        ]


def _hnsw(item: VectorState) -> Any:
    if item.m is None and item.ef_construct is None:
        return None
    return pb.HnswConfigDiff(m=item.m, ef_construct=item.ef_construct)


def _vector_state(item: Any) -> VectorState:
    hnsw = item.hnsw_config
    return VectorState(
        int(item.size),
        pb.Distance.Name(item.distance),
        item.HasField("multivector_config"),
        int(hnsw.m) if hnsw.HasField("m") else None,
        int(hnsw.ef_construct) if hnsw.HasField("ef_construct") else None,
    )


def _id(value: PointId) -> Any:
    return pb.PointId(num=value) if isinstance(value, int) else pb.PointId(uuid=value)


def _id_of(message: Any) -> PointId:
    found: PointId = message.num if message.HasField("num") else message.uuid
    return found


def _selector(ids: Sequence[PointId]) -> Any:
    return pb.PointsSelector(points=pb.PointsIdsList(ids=[_id(item) for item in ids]))


def _payload(data: Mapping[str, Any], level: int = 0) -> dict[str, Any]:
    return {name: _value(item, level) for name, item in data.items()}


def _value(data: Any, level: int) -> Any:
    if isinstance(data, str):
        return pb.Value(string_value=data)
    if data is None:
        return pb.Value(null_value=0)
    if isinstance(data, bool):
        return pb.Value(bool_value=data)
    if isinstance(data, int):
        return pb.Value(integer_value=data)
    if isinstance(data, float):
        return pb.Value(double_value=data)
    if level == MAX_LEVELS:
        raise RefusedRequestError(
            f"a value has more than {MAX_LEVELS} levels, which gRPC messages cannot have"
        )
    if isinstance(data, dict):
        return pb.Value(struct_value=pb.Struct(fields=_payload(data, level + 1)))
    return pb.Value(list_value=pb.ListValue(values=[_value(item, level + 1) for item in data]))


def _data_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _data(item) for name, item in payload.items()}


def _data(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _data_of(value.struct_value.fields)
    if kind == "list_value":
        return [_data(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _vectors(vectors: Mapping[str, VectorData]) -> Any:
    named = {}
    for name, data in vectors.items():
        if isinstance(data, bytes):
            named[name] = pb.Vector(dense=_dense(data))
        else:
            named[name] = pb.Vector(multi_dense=pb.MultiDenseVector(vectors=[_dense(item) for item in data]))
    return pb.Vectors(vectors=pb.NamedVectors(vectors=named))


def _dense(data: bytes) -> Any:
    """The message is the packed floats behind a tag and their length."""
    head, size = bytearray(b"\x0a"), len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return pb.DenseVector.FromString(bytes(head) + data)


def _packed(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    start = 1
    while data[start : start + 1] > b"\x7f":
        start += 1
    return data[start + 1 :]


def _floats(vector: Any) -> VectorData:
    if vector.HasField("multi_dense"):
        return [_packed(item) for item in vector.multi_dense.vectors]
    if vector.HasField("dense"):
        return _packed(vector.dense)
    # Servers before 1.13: all numbers in one list.
    whole = _packed(pb.DenseVector(data=vector.data))
    if not vector.HasField("vectors_count"):
        return whole
    step = len(whole) // max(1, vector.vectors_count)
    return [whole[start : start + step] for start in range(0, len(whole), step)]
