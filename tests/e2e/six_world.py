"""Files, the rows they yield, six places to read these from without coco, and processes that are killed."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT = 120
ENGINE = os.environ.get("COCO_TEST_KUZU_ENGINE", "ladybug")
"""Kuzu 0.11.3 itself mixes up the lists of rows that are inserted and updated between two of its checkpoints."""

FILES = 10

Rows = tuple[dict[str, tuple[Any, ...]], dict[tuple[str, str], int]]
"""Documents by file: text, size, vector. Mentions by file and word: number."""


@dataclass(frozen=True)
class Places:
    """Servers: a Postgres database, and how to reach Neo4j's protocol and Qdrant."""

    postgres: str
    neo4j: dict[str, Any]
    qdrant: dict[str, Any]


class World:
    """One life of the flow in a folder of its own. Everything that happens follows from the seed."""

    def __init__(self, folder: Path, places: Places, seed: str) -> None:
        self.folder, self.places = folder, places
        self.tag = "".join(filter(str.isalnum, seed))
        self.kills = 0
        self.steps: list[str] = []
        self._chance = random.Random(seed)
        self._fresh = 0
        self.docs: dict[str, str] = {}
        (folder / "docs").mkdir(parents=True)
        for _ in range(FILES):
            self.write(self._name(), self._text())

    # -- the source -------------------------------------------------------------------------------
    def _text(self) -> str:
        self._fresh += 1
        words = [f"w{self._chance.randrange(12)}" for _ in range(self._chance.randrange(5))]
        return " ".join([*words, f"x{self._fresh}"] if self._chance.random() < 0.8 else words)

    def _name(self) -> str:
        self._fresh += 1
        return f"{self._chance.choice(['a', 'b/c', 'd'])}{self._fresh}.txt"

    def write(self, name: str, text: str) -> None:
        """A file, new or altered."""
        path = self.folder / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.docs[name] = text

    def _remove(self, name: str) -> str:
        (self.folder / "docs" / name).unlink()
        return self.docs.pop(name)

    def edit(self) -> None:
        """Some files are new, altered, gone, renamed or touched."""
        self.steps.append("edit")
        for _ in range(self._chance.randint(1, 6)):
            name = self._chance.choice(sorted(self.docs)) if self.docs else self._name()
            what = self._chance.choice(["new", "new", "alter", "alter", "remove", "rename", "touch"])
            if what == "new" or not self.docs:
                self.write(self._name(), self._text())
            elif what == "alter":
                self.write(name, self._text())
            elif what == "remove":
                self._remove(name)
            elif what == "rename":
                self.write(self._name(), self._remove(name))
            else:
                os.utime(self.folder / "docs" / name)

    def expected(self) -> Rows:
        """A from-scratch evaluation."""
        docs = {
            name: (text, len(text), (float(len(text)), float(text.count("w")), 0.5))
            for name, text in self.docs.items()
        }
        mentions = {
            (name, word): text.split().count(word)
            for name, text in self.docs.items()
            for word in text.split()
        }
        return docs, mentions

    # -- the process ------------------------------------------------------------------------------
    def run(self, fault: str = "", *, after: float | None = None, end: str = "") -> Any:
        """A process, killed at a point, or so many seconds after its start; what it printed, None if it died."""
        self.steps.append(f"run {fault or after or end}")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("COCO", "SIX"))},
            "COCO_STATE_URL": f"sqlite:///{self.folder / 'state.db'}",
            "COCO_DATABASE_URL": self.places.postgres,
            "COCO_FAULT": fault,
            "SIX_TAG": self.tag,
            "SIX_ENGINE": ENGINE,
            "SIX_NEO4J": json.dumps(self.places.neo4j),
            "SIX_QDRANT": json.dumps(self.places.qdrant),
            "SIX_END": end,
            "PYTHONPATH": str(HERE.parent / "crash"),
        }
        process = subprocess.Popen(
            [sys.executable, str(HERE / "six_app.py")],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if after is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
            process.kill()
        out, err = process.communicate(timeout=LIMIT)
        if process.returncode == -signal.SIGKILL:
            self.kills += 1
            return None
        assert process.returncode == 0, f"{err}\n{self.steps}"
        return json.loads(out.splitlines()[-1])

    def check(self) -> None:
        """Let it finish: all six hold what a from-scratch evaluation gives, and there is nothing more to do."""
        first, second, difference = self.run(end="check")
        assert (first["errors"], first["drifted"]) == (0, []), self.steps
        assert second == {"errors": 0, "drifted": [], "calls": 0, "writes": 0}, self.steps
        assert difference == "", f"{difference}\n{self.steps}"
        expected = self.expected()
        for name, read in READERS.items():
            assert read(self) == expected, f"{name} after {self.steps}"

    def check_dropped(self) -> None:
        """Nothing is left anywhere."""
        self.run(end="drop")
        for name, read in READERS.items():
            assert read(self) is None, name


# -- reading -----------------------------------------------------------------------------------------


def read_sqlite(world: World) -> Rows | None:
    with contextlib.closing(sqlite3.connect(world.folder / "out.db")) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"docs", "mentions"} & tables:
            return None
        docs = db.execute("SELECT file, text, size, vector FROM docs").fetchall()
        mentions = db.execute("SELECT file, word, number FROM mentions").fetchall()
    return (
        {file: (text, size, struct.unpack("<3f", vector)) for file, text, size, vector in docs},
        {(file, word): number for file, word, number in mentions},
    )


def read_postgres(world: World) -> Rows | None:
    import psycopg

    with psycopg.connect(world.places.postgres) as connection:
        tables = "SELECT table_name FROM information_schema.tables WHERE table_name IN ('docs', 'mentions')"
        if not connection.execute(tables).fetchall():
            return None
        docs = connection.execute("SELECT file, text, size, vector::text FROM docs").fetchall()
        mentions = connection.execute("SELECT file, word, number FROM mentions").fetchall()
    return (
        {file: (text, size, tuple(json.loads(vector))) for file, text, size, vector in docs},
        {(file, word): number for file, word, number in mentions},
    )


def read_files(world: World) -> Rows | None:
    folder = world.folder / "files"
    if not folder.exists() or not any(path.is_file() for path in folder.rglob("*")):
        return None

    def rows(what: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (folder / what).rglob("*.json")]

    return (
        {row["file"]: (row["text"], row["size"], tuple(row["vector"])) for row in rows("docs")},
        {(row["file"], row["word"]): row["number"] for row in rows("mentions")},
    )


def read_qdrant(world: World) -> Rows | None:
    from qdrant_client import QdrantClient

    place = world.places.qdrant
    with contextlib.closing(
        QdrantClient(url=place["url"], api_key=place["api_key"], check_compatibility=False)
    ) as client:
        if not any(client.collection_exists(f"six_{world.tag}_{what}") for what in ("docs", "mentions")):
            return None

        def points(what: str) -> list[Any]:
            found, _ = client.scroll(f"six_{world.tag}_{what}", limit=10_000, with_vectors=True)
            return found

        docs: dict[str, tuple[Any, ...]] = {}
        for point in points("docs"):
            row = point.payload
            docs[row["file"]] = (row["text"], row["size"], tuple(point.vector["vector"]))
        mentions = {
            (point.payload["file"], point.payload["word"]): point.payload["number"]
            for point in points("mentions")
        }
    return docs, mentions


def _read_graph(world: World, query: Callable[[str], list[list[Any]]]) -> Rows:
    tag = world.tag
    docs = query(f"MATCH (n:CocoTestDoc{tag}) RETURN n.file, n.text, n.size, n.vector")
    mentions = query(
        f"MATCH (a:CocoTestDoc{tag})-[r:CocoTestMentions{tag}]->(b:CocoTestWord{tag}) "
        "RETURN a.file, b.word, r.number"
    )
    words = query(f"MATCH (n:CocoTestWord{tag}) RETURN n.word")
    assert sorted(word for (word,) in words) == sorted({word for _, word, _ in mentions})
    return (
        {file: (text, size, tuple(vector)) for file, text, size, vector in docs},
        {(file, word): number for file, word, number in mentions},
    )


def read_kuzu(world: World) -> Rows | None:
    assert importlib.util  # which the client uses without importing it
    engine: Any = importlib.import_module(ENGINE)
    database = engine.Database(str(world.folder / "graph.kuzu"))
    connection = engine.Connection(database)
    try:

        def query(text: str) -> list[list[Any]]:
            result: Any = connection.execute(text)
            return list(result.get_all())

        tables = {row[0] for row in query("CALL show_tables() RETURN name")}
        if not tables - {"CocoElements"}:
            return None
        return _read_graph(world, query)
    finally:
        connection.close()
        database.close()


def read_neo4j(world: World) -> Rows | None:
    import neo4j

    place = world.places.neo4j
    with (
        neo4j.GraphDatabase.driver(place["uri"], auth=(place["user"], place["password"])) as driver,
        driver.session(database=place["db"]) as session,
    ):

        def query(text: str) -> list[list[Any]]:
            return [list(record.values()) for record in session.run(text)]

        if not query(f"MATCH (n:CocoElements) WHERE n._coco_name ENDS WITH '{world.tag}' RETURN 1"):
            return None
        return _read_graph(world, query)


READERS: dict[str, Callable[[World], Rows | None]] = {
    "Sqlite": read_sqlite,
    "Postgres": read_postgres,
    "Files": read_files,
    "Qdrant": read_qdrant,
    "Kuzu": read_kuzu,
    "Neo4j": read_neo4j,
}


@contextlib.contextmanager
def servers(folder: Path, give_up: Callable[[str], Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """How to reach Neo4j's protocol and Qdrant, from wheels or of the user's own. give_up: told what is missing."""
    bolt: Any = importlib.import_module("neo4j_server")  # helpers of the targets' own tests
    qdrant: Any = importlib.import_module("qdrant_test_server")
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(bolt.server(folder))
            server = stack.enter_context(qdrant.running())
        except (bolt.ServerUnavailableError, ImportError) as error:
            give_up(str(error))
            raise
        yield (
            {"uri": place.uri, "user": place.user, "password": place.password, "db": place.db},
            {"grpc_url": server.grpc_url, "url": server.url, "api_key": server.api_key},
        )
