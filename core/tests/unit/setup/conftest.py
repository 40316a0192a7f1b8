"""Each test has its own state and an empty lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from setup_lab import LAB, Lab

import coco


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    LAB.__init__()  # type: ignore[misc]
    yield LAB
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()
