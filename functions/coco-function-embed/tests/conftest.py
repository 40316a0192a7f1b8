"""Makes the support module importable and hands out a small model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    from embed_test_support import write_model

    return write_model(tmp_path / "model")
