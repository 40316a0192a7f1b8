"""Makes the support module importable; every test has its own state and its own graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import coco
    from coco.environment.runtime import RUNTIME

    RUNTIME.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.delenv("COCO_APP_NAMESPACE", raising=False)
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    RUNTIME.stop()
