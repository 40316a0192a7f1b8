from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco.events import FlowEvent


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
