"""One server for the run; every test has its own state and an empty graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from neo4j_server import ServerUnavailableError, give_up, server
from neo4j_test_support import Graph, access_to, clean, refer

from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flows import SHELF
from coco_target_neo4j.settings import Neo4jConnection

pytest.register_assert_rewrite(
    *(f"coco_kit_graph.testing.{name}" for name in ("flow_checks", "laws", "setup_checks"))
)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import coco

    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.delenv("COCO_APP_NAMESPACE", raising=False)
    SHELF.clear()
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jConnection]:
    """Where the server is."""
    try:
        with server(tmp_path_factory.mktemp("server")) as found:
            yield found
    except ServerUnavailableError as error:
        give_up(error)


@pytest.fixture
def graph(place: Neo4jConnection) -> Iterator[Graph]:
    """The auth entry of an empty graph."""
    clean(place)
    yield refer(place)
    clean(place)


@pytest.fixture
def access(place: Neo4jConnection, graph: Graph) -> GraphAccess:
    """The same for the checks that all graph targets share."""
    return access_to(place)
