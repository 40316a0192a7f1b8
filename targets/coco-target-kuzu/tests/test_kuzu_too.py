"""What matters most, on Kuzu too: it crashes beside Ladybug, so in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_length import is_long

TESTS = ("test_checkpoints.py",)
"""What differs between the engines."""
LONG_TESTS = (*TESTS, "test_writing.py", "test_flow.py", "test_setup.py")
"""The others, for ``make test-long``."""


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("COCO_TEST_KUZU_ENGINE") == "kuzu", reason="this is that process")
def test_on_kuzu(request: pytest.FixtureRequest) -> None:
    if importlib.util.find_spec("kuzu") is None:
        assert "CI" not in os.environ, "the extra kuzu is not installed"
        pytest.skip("the extra kuzu is not installed")
    files = [str(Path(__file__).parent / name) for name in (LONG_TESTS if is_long(request.config) else TESTS)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        env={**os.environ, "COCO_TEST_KUZU_ENGINE": "kuzu"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
