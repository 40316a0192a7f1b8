"""Makes the support module importable; each test has its own state and an empty lab."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco.environment.runtime import RUNTIME

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not

from setup_lab import LAB, Lab


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    RUNTIME.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    LAB.__init__()  # type: ignore[misc]
    yield LAB
    for flow in list(coco.flows().values()):
        flow.close()
    RUNTIME.stop()
