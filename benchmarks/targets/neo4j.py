"""Neo4j's protocol: the target against ``UNWIND $rows ... MERGE`` with the official driver.

The server is ArcadeDB from the wheel ``arcadedb-embedded``, as in the target's tests, or the one that
``COCO_TEST_NEO4J_URI`` names. Names are unique by a constraint in both cases.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import coco
from benchmarks.targets.contest import (
    Contest,
    Load,
    NotAvailableError,
    Watch,
    by_connector,
    fresh_name,
)
from benchmarks.targets.processes import test_module
from benchmarks.targets.sample import Sample
from coco_kit_graph.mapping import Nodes
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4j, Neo4jConnector


@contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    """Raises ``NotAvailableError``."""
    tests = test_module("coco-target-neo4j", "neo4j_server")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        manager = tests.server(folder)
        place: Neo4jConnection = manager.__enter__()
    except tests.ServerUnavailableError as error:
        raise NotAvailableError(str(error)) from error
    try:
        entry = coco.add_auth_entry("bench neo4j", place, replace=True)

        def spec(name: str) -> Neo4j:
            return Neo4j(connection=entry, mapping=Nodes(label=f"CocoTest{name}"))

        yield Contest(by_connector(Neo4jConnector, spec), {"UNWIND MERGE": _script(place)})
    finally:
        manager.__exit__(None, None, None)


def _script(place: Neo4jConnection) -> Load:
    import neo4j

    def load(sample: Sample, watch: Watch) -> int:
        label = f"CocoTest{fresh_name()}"
        query = (
            f"UNWIND $rows AS row MERGE (n:{label} {{name: row.name}}) "
            "SET n.text = row.text, n.number = row.number, n.vector = row.vector"
        )
        with (
            neo4j.GraphDatabase.driver(place.uri, auth=(place.user, place.password)) as driver,
            driver.session(database=place.db) as session,
        ):

            def write(tx: Any, rows: list[dict[str, Any]]) -> None:
                tx.run(query, rows=rows).consume()

            session.run(f"CREATE CONSTRAINT {label}_key FOR (n:{label}) REQUIRE n.name IS UNIQUE").consume()
            with watch.running():
                for batch in sample.natural:
                    session.execute_write(write, [row._asdict() for row in batch])
            (found,) = session.run(f"MATCH (n:{label}) RETURN count(*)").single(strict=True)
            session.run(f"MATCH (n:{label}) DETACH DELETE n").consume()
            session.run(f"DROP CONSTRAINT {label}_key").consume()
            return int(found)

    return load
