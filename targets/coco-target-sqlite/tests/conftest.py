"""Every test has its own state and its own file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import coco
    from coco_target_sqlite import connection

    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.delenv("COCO_APP_NAMESPACE", raising=False)
    monkeypatch.setattr(connection, "SYNCHRONOUS", "OFF")  # no test cuts the power
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
