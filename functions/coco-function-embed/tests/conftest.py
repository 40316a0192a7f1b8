"""Hands out a small model."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    from embed_test_support import write_model

    return write_model(tmp_path / "model")
