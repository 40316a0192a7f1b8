"""Where there is no server, tests are skipped with the reason; in CI they fail."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from neo4j_server import ServerUnavailableError, give_up, server


def test_without_wheel_and_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COCO_TEST_NEO4J_URI", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerUnavailableError, match="pip install arcadedb-embedded"), server(tmp_path):
        pass


def test_skipped_or_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ServerUnavailableError("no wheel")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no wheel"):
        give_up(error)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no wheel"):
        give_up(error)
