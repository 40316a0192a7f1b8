"""Wheels and environments, made once for all tests of packaging, which therefore run in one process."""

from __future__ import annotations

from pathlib import Path

import clean_venv
import pytest
import workspace

QUICK = f"{workspace.REPRODUCIBLE['CFLAGS']} -O0"
"""Kernels as the compiler makes them without thinking long; all other tests run them as users do."""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel of each distribution of the workspace, as `make wheels` builds them into one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(workspace.REPRODUCIBLE, "CFLAGS", QUICK)
        built = workspace.wheels(tmp_path_factory.mktemp("dist"))
    return dict(zip(workspace.members(), built, strict=True))


@pytest.fixture(scope="session")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a clean environment with all wheels and what they declare."""
    links = wheels["coco-core"].parent
    return clean_venv.environment(tmp_path_factory.mktemp("clean") / "venv", wheels, links)
