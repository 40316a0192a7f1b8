"""Every test has its own state and its own graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kuzu_test_support import Graph, access_to, graph_at

from coco_kit_graph.testing.exports import GraphAccess
from coco_kit_graph.testing.flows import SHELF

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


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """The auth entry of a graph that is made when it is first used."""
    return graph_at(tmp_path / "graph")


@pytest.fixture
def access(graph: Graph) -> GraphAccess:
    """The same for the checks that all graph targets share."""
    return access_to(graph)
