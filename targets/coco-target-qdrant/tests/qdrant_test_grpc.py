"""The test engine behind Qdrant's gRPC services, whose definitions the official client brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qdrant_test_engine import Engine, Refusal, plain_id


def grpc_services(engine: Engine) -> list[Callable[[Any], None]]:
    """What adds each service to a gRPC server."""
    import grpc  # type: ignore[import-untyped, unused-ignore]
    from qdrant_client import grpc as messages

    pb: Any = messages

    def answering(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
        def answer(self: Any, request: Any, context: Any) -> Any:
            given = dict(context.invocation_metadata()).get("api-key")
            try:
                engine.asked(method.__name__, given)
                found = method(self, request)
                engine.answered()
                return found
            except Refusal as error:
                context.abort(getattr(grpc.StatusCode, error.code), str(error))

        return answer

    def id_of(item: Any) -> Any:
        return item.num if item.HasField("num") else item.uuid

    def id_message(value: Any) -> Any:
        return pb.PointId(num=value) if isinstance(value, int) else pb.PointId(uuid=value)

    def data_of(value: Any) -> Any:
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            return {name: data_of(item) for name, item in value.struct_value.fields.items()}
        if kind == "list_value":
            return [data_of(item) for item in value.list_value.values]
        return None if kind == "null_value" else getattr(value, kind)

    def value_of(data: Any) -> Any:
        if isinstance(data, dict):
            fields = {name: value_of(item) for name, item in data.items()}
            return pb.Value(struct_value=pb.Struct(fields=fields))
        if isinstance(data, list):
            return pb.Value(list_value=pb.ListValue(values=[value_of(item) for item in data]))
        if data is None:
            return pb.Value(null_value=0)
        names = {bool: "bool_value", int: "integer_value", float: "double_value", str: "string_value"}
        return pb.Value(**{names[type(data)]: data})

    def payload_of(payload: Any) -> dict[str, Any]:
        return {name: data_of(item) for name, item in payload.items()}

    def vectors_of(vectors: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in vectors.vectors.vectors.items():
            if item.HasField("multi_dense"):
                found[name] = [list(row.data) for row in item.multi_dense.vectors]
            elif item.HasField("dense"):
                found[name] = list(item.dense.data)
            else:  # what the official client of this version sends
                numbers = list(item.data)
                count = item.vectors_count if item.HasField("vectors_count") else 0
                step = len(numbers) // count if count else 0
                found[name] = (
                    [numbers[start : start + step] for start in range(0, len(numbers), step)]
                    if count
                    else numbers
                )
        return found

    def vector_message(data: Any) -> Any:
        if data and isinstance(data[0], list):
            rows = [pb.DenseVector(data=row) for row in data]
            return pb.VectorOutput(multi_dense=pb.MultiDenseVector(vectors=rows))
        return pb.VectorOutput(dense=pb.DenseVector(data=data))

    def record(item: Any) -> Any:
        key, payload, vectors = item
        named = {name: vector_message(data) for name, data in vectors.items()}
        return pb.RetrievedPoint(
            id=id_message(key),
            payload={name: value_of(data) for name, data in payload.items()},
            vectors=pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=named)),
        )

    def hnsw_of(message: Any) -> dict[str, Any]:
        return {name: getattr(message, name) for name in ("m", "ef_construct") if message.HasField(name)}

    class Collections(pb.CollectionsServicer):  # type: ignore[misc]
        @answering
        def Get(self, request: Any) -> Any:
            shard = engine.shard(request.collection_name)
            named = {
                name: pb.VectorParams(
                    size=item["size"],
                    distance=pb.Distance.Value(item["distance"]),
                    hnsw_config=pb.HnswConfigDiff(**item["hnsw"]) if item.get("hnsw") else None,
                    multivector_config=pb.MultiVectorConfig(comparator=0) if item.get("multi") else None,
                )
                for name, item in shard.vectors.items()
            }
            params = pb.CollectionParams(
                shard_number=1,
                vectors_config=pb.VectorsConfig(params_map=pb.VectorParamsMap(map=named)),
            )
            schema = {
                name: pb.PayloadSchemaInfo(data_type=pb.PayloadSchemaType.Value(kind.capitalize()))
                for name, kind in shard.indexes.items()
            }
            info = pb.CollectionInfo(
                status=pb.CollectionStatus.Green,
                config=pb.CollectionConfig(
                    params=params,
                    hnsw_config=pb.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
                    optimizer_config=pb.OptimizersConfigDiff(),
                    wal_config=pb.WalConfigDiff(),
                ),
                payload_schema=schema,
                points_count=engine.count(request.collection_name),
            )
            return pb.GetCollectionInfoResponse(result=info)

        @answering
        def CollectionExists(self, request: Any) -> Any:
            there = engine.has(request.collection_name)
            return pb.CollectionExistsResponse(result=pb.CollectionExists(exists=there))

        @answering
        def Create(self, request: Any) -> Any:
            vectors = {
                name: {
                    "size": item.size,
                    "distance": pb.Distance.Name(item.distance),
                    "multi": item.HasField("multivector_config"),
                    "hnsw": hnsw_of(item.hnsw_config),
                }
                for name, item in request.vectors_config.params_map.map.items()
            }
            engine.create(request.collection_name, vectors)
            return pb.CollectionOperationResponse(result=True)

        @answering
        def Update(self, request: Any) -> Any:
            changes = request.vectors_config.params_map.map
            engine.tune(
                request.collection_name, {name: hnsw_of(item.hnsw_config) for name, item in changes.items()}
            )
            return pb.CollectionOperationResponse(result=True)

        @answering
        def ListCollectionAliases(self, request: Any) -> Any:
            name = request.collection_name
            found = [
                pb.AliasDescription(alias_name=item, collection_name=name)
                for item in engine.shard(name).aliases
            ]
            return pb.ListAliasesResponse(aliases=found)

        @answering
        def UpdateAliases(self, request: Any) -> Any:
            old = [item.delete_alias.alias_name for item in request.actions if item.HasField("delete_alias")]
            made = [item.create_alias for item in request.actions if item.HasField("create_alias")]
            engine.exchange_aliases(old, [(item.collection_name, item.alias_name) for item in made])
            return pb.CollectionOperationResponse(result=True)

        @answering
        def Delete(self, request: Any) -> Any:
            return pb.CollectionOperationResponse(result=engine.drop(request.collection_name))

    done = pb.UpdateResult(status=pb.UpdateStatus.Completed)

    class Points(pb.PointsServicer):  # type: ignore[misc]
        @answering
        def Upsert(self, request: Any) -> Any:
            assert request.wait
            points = [(id_of(i.id), payload_of(i.payload), vectors_of(i.vectors)) for i in request.points]
            engine.upsert(request.collection_name, points)
            return pb.PointsOperationResponse(result=done)

        @answering
        def UpdateVectors(self, request: Any) -> Any:
            assert request.wait
            points = [(id_of(item.id), vectors_of(item.vectors)) for item in request.points]
            engine.set_vectors(request.collection_name, points)
            return pb.PointsOperationResponse(result=done)

        @answering
        def UpdateBatch(self, request: Any) -> Any:
            assert request.wait
            for operation in request.operations:
                item = operation.overwrite_payload
                ids = [id_of(key) for key in item.points_selector.points.ids]
                engine.overwrite(request.collection_name, ids, payload_of(item.payload))
            return pb.UpdateBatchResponse(result=[done] * len(request.operations))

        @answering
        def Delete(self, request: Any) -> Any:
            assert request.wait
            engine.delete(request.collection_name, [id_of(key) for key in request.points.points.ids])
            return pb.PointsOperationResponse(result=done)

        @answering
        def CreateFieldIndex(self, request: Any) -> Any:
            kind = pb.FieldType.Name(request.field_type).removeprefix("FieldType").lower()
            engine.index(request.collection_name, request.field_name, kind)
            return pb.PointsOperationResponse(result=done)

        @answering
        def DeleteFieldIndex(self, request: Any) -> Any:
            engine.index(request.collection_name, request.field_name, None)
            return pb.PointsOperationResponse(result=done)

        @answering
        def Count(self, request: Any) -> Any:
            return pb.CountResponse(result=pb.CountResult(count=engine.count(request.collection_name)))

        @answering
        def Scroll(self, request: Any) -> Any:
            offset = id_of(request.offset) if request.HasField("offset") else None
            vectors = request.with_vectors.enable
            fields = list(request.with_payload.include.fields) or request.with_payload.enable
            records, following = engine.scroll(
                request.collection_name, request.limit, offset, fields, vectors
            )
            return pb.ScrollResponse(
                result=[record(item) for item in records],
                next_page_offset=None if following is None else id_message(plain_id(following)),
            )

        @answering
        def Get(self, request: Any) -> Any:
            ids = [id_of(key) for key in request.ids]
            return pb.GetResponse(result=[record(item) for item in engine.read(request.collection_name, ids)])

        @answering
        def Query(self, request: Any) -> Any:
            nearest = request.query.nearest
            vector: Any = list(nearest.dense.data)
            if nearest.HasField("multi_dense"):
                vector = [list(row.data) for row in nearest.multi_dense.vectors]
            found = engine.nearest(request.collection_name, vector, request.using, request.limit)
            return pb.QueryResponse(
                result=[
                    pb.ScoredPoint(
                        id=id_message(key),
                        score=score,
                        payload={name: value_of(data) for name, data in payload.items()},
                    )
                    for key, score, payload in found
                ]
            )

    return [
        lambda server: pb.add_CollectionsServicer_to_server(Collections(), server),
        lambda server: pb.add_PointsServicer_to_server(Points(), server),
    ]
