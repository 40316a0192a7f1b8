"""The test engine behind as much of Qdrant's REST interface as the official client needs here."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socket
from typing import Any, ClassVar

from qdrant_test_engine import Engine, Refusal, plain_id

HTTP = {
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "ALREADY_EXISTS": 409,
    "UNAVAILABLE": 503,
}


ROUTE = re.compile(r"/collections/([^/?]+)(/[^?]*)?(?:\?.*)?")


def rest_handler(engine: Engine) -> type[http.server.BaseHTTPRequestHandler]:
    """The few routes that the official client takes here."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        connections: ClassVar[set[socket.socket]] = set()

        def setup(self) -> None:
            super().setup()
            self.connections.add(self.connection)

        def finish(self) -> None:
            self.connections.discard(self.connection)
            with contextlib.suppress(OSError):
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

        def _serve(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            match = ROUTE.fullmatch(self.path)
            assert match is not None, self.path
            name, rest = match.group(1), match.group(2) or ""
            try:
                engine.asked(f"{self.command} {rest}", self.headers.get("api-key"))
                answer = self._answer(f"{self.command} {rest}", name, body)
                engine.answered()
                self._send(200, {"result": answer, "status": "ok", "time": 0.0})
            except Refusal as error:
                self._send(HTTP[error.code], {"status": {"error": str(error)}, "time": 0.0})

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve

        def _send(self, status: int, data: Any) -> None:
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, call: str, name: str, body: Any) -> Any:
            done = {"operation_id": 0, "status": "completed"}
            if call.startswith("DELETE /index/"):
                engine.index(name, call.removeprefix("DELETE /index/"), None)
                return done
            match call:
                case "GET ":
                    return self._info(name)
                case "GET /aliases":
                    names = engine.shard(name).aliases
                    return {"aliases": [{"alias_name": item, "collection_name": name} for item in names]}
                case "POST ":
                    assert name == "aliases"
                    actions = body["actions"]
                    old = [item["delete_alias"]["alias_name"] for item in actions if "delete_alias" in item]
                    made = [item["create_alias"] for item in actions if "create_alias" in item]
                    engine.exchange_aliases(
                        old, [(item["collection_name"], item["alias_name"]) for item in made]
                    )
                    return True
                case "GET /exists":
                    return {"exists": engine.has(name)}
                case "PUT ":
                    vectors = {
                        key: {
                            **item,
                            "multi": bool(item.get("multivector_config")),
                            "hnsw": _given(item.get("hnsw_config")),
                        }
                        for key, item in body["vectors"].items()
                    }
                    engine.create(name, vectors)
                    return True
                case "PATCH ":
                    changes = {key: _given(item["hnsw_config"]) for key, item in body["vectors"].items()}
                    engine.tune(name, changes)
                    return True
                case "DELETE ":
                    return engine.drop(name)
                case "PUT /index":
                    engine.index(name, body["field_name"], body["field_schema"])
                case "PUT /points":
                    points = body["points"]
                    engine.upsert(name, [(i["id"], i["payload"], i["vector"]) for i in points])
                case "PUT /points/vectors":
                    engine.set_vectors(name, [(item["id"], item["vector"]) for item in body["points"]])
                case "POST /points/batch":
                    for operation in body["operations"]:
                        item = operation["overwrite_payload"]
                        engine.overwrite(name, item["points"], item["payload"])
                    return [done] * len(body["operations"])
                case "POST /points/delete":
                    engine.delete(name, body["points"])
                case "POST /points/count":
                    return {"count": engine.count(name)}
                case "POST /points/scroll":
                    records, offset = engine.scroll(
                        name,
                        body["limit"],
                        body.get("offset"),
                        body.get("with_payload", True),
                        bool(body.get("with_vector")),
                    )
                    return {
                        "points": [_record(item) for item in records],
                        "next_page_offset": None if offset is None else plain_id(offset),
                    }
                case "POST /points":
                    return [_record(item) for item in engine.read(name, body["ids"])]
                case _:
                    raise AssertionError(call)
            return done

        def _info(self, name: str) -> Any:
            shard = engine.shard(name)
            vectors = {
                key: {
                    "size": item["size"],
                    "distance": item["distance"],
                    "hnsw_config": item.get("hnsw") or None,
                    "multivector_config": {"comparator": "max_sim"} if item.get("multi") else None,
                }
                for key, item in shard.vectors.items()
            }
            return {
                "status": "green",
                "optimizer_status": "ok",
                "segments_count": 1,
                "points_count": engine.count(name),
                "config": {
                    "params": {"vectors": vectors},
                    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                    "optimizer_config": {
                        "deleted_threshold": 0.2,
                        "vacuum_min_vector_number": 1000,
                        "default_segment_number": 0,
                        "flush_interval_sec": 5,
                    },
                },
                "payload_schema": {
                    key: {"data_type": kind, "points": 0} for key, kind in shard.indexes.items()
                },
            }

    return Handler


def _given(data: Any) -> dict[str, Any]:
    return {name: value for name, value in (data or {}).items() if value is not None}


def _record(item: Any) -> dict[str, Any]:
    key, payload, vectors = item
    return {"id": key, "payload": payload, "vector": vectors}


def disconnect(handler: Any) -> None:
    """Cut all connections; who asks next gets a new one."""
    for connection in list(handler.connections):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
