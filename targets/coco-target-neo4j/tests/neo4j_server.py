"""A server for tests: the user's own, or ArcadeDB from a wheel, which speaks Neo4j's protocol and Cypher.

``COCO_TEST_NEO4J_URI``, ``COCO_TEST_NEO4J_USER`` (neo4j), ``COCO_TEST_NEO4J_PASSWORD`` and ``COCO_TEST_NEO4J_DB`` name
another server, for instance a real Neo4j; its data stays, but for labels that start with ``CocoTest`` and the catalog.
Without one tests are skipped, saying why; with ``CI`` set they fail.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import neo4j
import pytest
from neo4j import exceptions

from coco_target_neo4j.settings import Neo4jConnection

START_SECONDS = 90.0
STOP_SECONDS = 30.0
PASSWORD = "play-with-data"

# Stops the server when standard input ends: also when the test process was killed.
_SUPERVISE = """
trap "" INT; exec 3<&0; "$0" "$@" <&- & server=$!
cat <&3 >/dev/null; kill -KILL $server; wait $server
"""


class ServerUnavailableError(Exception):
    """Why there is no server."""


def give_up(error: ServerUnavailableError) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"a server is needed: {error}")
    pytest.skip(f"no server for Neo4j's protocol: {error}")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Neo4jConnection]:
    """A connection to a server, which is stopped afterwards unless it is the user's."""
    uri = os.environ.get("COCO_TEST_NEO4J_URI")
    if uri:
        given = os.environ.get
        place = Neo4jConnection(
            uri,
            given("COCO_TEST_NEO4J_USER", "neo4j"),
            given("COCO_TEST_NEO4J_PASSWORD", ""),
            given("COCO_TEST_NEO4J_DB"),
        )
        _wait_until_ready(place, 10.0, None)
        yield place
        return
    found = importlib.util.find_spec("arcadedb_embedded")
    if found is None or not found.submodule_search_locations:
        raise ServerUnavailableError(
            "set COCO_TEST_NEO4J_URI, or pip install arcadedb-embedded for a server of the tests' own"
        )
    package = Path(found.submodule_search_locations[0])
    java = package / "jre" / "bin" / "java"
    with contextlib.suppress(OSError):
        java.chmod(0o755)
    bolt, http = _free_port(), _free_port()
    place = Neo4jConnection(f"bolt://127.0.0.1:{bolt}", "root", PASSWORD, "neo4j")
    options = {
        "server.rootPassword": PASSWORD,
        "server.rootPath": str(folder),
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": http,
        "bolt.host": "127.0.0.1",
        "bolt.port": bolt,
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "server.defaultDatabases": "neo4j[root]",
    }
    opened = ("java.util.concurrent.atomic", "java.nio.channels.spi", "java.lang")
    command = [
        str(java),
        "-Xmx512m",
        "--add-modules",
        "jdk.incubator.vector",
        "--add-exports",
        "java.management/sun.management=ALL-UNNAMED",
        *(part for name in opened for part in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")),
        "-cp",
        str(package / "jars" / "*"),
        *(f"-Darcadedb.{name}={value}" for name, value in options.items()),
        "com.arcadedb.server.ArcadeDBServer",
    ]
    with (folder / "output.txt").open("wb") as output:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _SUPERVISE, *command],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        except OSError as error:
            raise ServerUnavailableError(f"{java} does not start: {error}") from error
        assert process.stdin is not None
        try:
            _wait_until_ready(place, START_SECONDS, process)
            yield place
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(
    place: Neo4jConnection, seconds: float, process: subprocess.Popen[bytes] | None
) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    with neo4j.GraphDatabase.driver(place.uri, auth=(place.user, place.password)) as driver:
        while True:
            try:
                with driver.session(database=place.db) as session:
                    session.run("RETURN 1").consume()
                return
            except (exceptions.DriverError, exceptions.Neo4jError, OSError) as error:
                if process is not None and process.poll() is not None:
                    raise ServerUnavailableError(f"the server ended with {process.returncode}") from error
                if time.monotonic() > deadline:
                    raise ServerUnavailableError(
                        f"no answer within {seconds:g} s ({type(error).__name__})"
                    ) from error
            pause.wait(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
