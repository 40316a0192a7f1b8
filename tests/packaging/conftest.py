"""Wheels and environments, made once for all tests of packaging."""

from __future__ import annotations

from pathlib import Path

import clean_venv
import pytest


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel of each distribution of the workspace, built from its sdist."""
    base = tmp_path_factory.mktemp("build")
    return {clean_venv.name_of(folder): clean_venv.build(folder, base) for folder in clean_venv.folders()}


@pytest.fixture(scope="session")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a clean environment with all wheels and what they declare."""
    return clean_venv.environment(tmp_path_factory.mktemp("clean") / "venv", wheels.values())
