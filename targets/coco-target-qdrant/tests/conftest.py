"""A server, and an environment of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

import coco
from coco.events import FlowEvent

if TYPE_CHECKING:
    from qdrant_test_server import Server

URL_VARIABLE = "COCO_TEST_QDRANT_URL"
KEY_VARIABLE = "COCO_TEST_QDRANT_API_KEY"
API_KEY = "open sesame, said the test"


def give_up(reason: str) -> NoReturn:
    """Skip the test, saying why; in CI, where the engine belongs to what is tested, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"Qdrant is needed: {reason}")
    pytest.skip(f"no Qdrant: {reason}")


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """Qdrant's engine on loopback: it can also be told to fail, and counts its calls."""
    from qdrant_test_server import running

    try:
        import qdrant_edge  # noqa: F401
    except ImportError as error:
        give_up(f"the wheel qdrant-edge-py cannot be imported ({error})")
    with running(API_KEY) as server:
        yield server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """The user's own server, if there is one: gRPC, by COCO_TEST_QDRANT_URL and COCO_TEST_QDRANT_API_KEY."""
    from qdrant_test_server import Server

    given = os.environ.get(URL_VARIABLE)
    if given:
        return Server(given, None, os.environ.get(KEY_VARIABLE))
    found: Server = request.getfixturevalue("own_server")
    return found


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    for name in ("COCO_APP_NAMESPACE", "QDRANT_URL", "QDRANT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()


@pytest.fixture
def collection() -> str:
    """A name that nobody has used; what tests leave under it, the server's own clean-up removes."""
    return f"coco_test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()
