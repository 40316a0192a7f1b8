import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco_testing.postgres import postgres_database as postgres_database
from coco_testing.postgres import postgres_server as postgres_server


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
    os.environ.pop("COCO_STATE_URL", None)
