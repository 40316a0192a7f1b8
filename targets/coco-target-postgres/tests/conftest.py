"""A server, a database for each test, and an environment of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco.events import FlowEvent
from coco_testing.postgres import postgres_database as postgres_database
from coco_testing.postgres import postgres_server as postgres_server


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from coco_target_postgres.connections import open_pools

    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.delenv("COCO_DATABASE_URL", raising=False)
    monkeypatch.delenv("COCOINDEX_DATABASE_URL", raising=False)
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
    assert open_pools() == []


@pytest.fixture
def database(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty database, which is also that of the settings."""
    monkeypatch.setenv("COCO_DATABASE_URL", postgres_database)
    return postgres_database


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()
