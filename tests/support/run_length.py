"""Whether a test run is the long one, for tests that `make test` shortens."""

from __future__ import annotations

import pytest


def is_long(config: pytest.Config) -> bool:
    """Whether pytest runs under a profile of ``make test-long``; without hypothesis it has no such option."""
    return config.getoption("--hypothesis-profile", None) in ("long", "hunt")
