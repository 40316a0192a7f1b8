from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coco.state.memory import MemoryStore
from coco.state.protocol import StateStore
from coco.state.sqlite import SqliteStore


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    """Every store that core has, opened; tests use nothing but the protocol."""
    made: StateStore = SqliteStore(str(tmp_path / "state.db")) if request.param == "file" else MemoryStore()
    made.open()
    yield made
    made.close()
