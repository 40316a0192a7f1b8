"""After any history of edits and flow changes, each target equals the flow of what the sources hold now.

``--hypothesis-profile=long`` looks for longer, ``hunt`` does so without making what it finds smaller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuse import burning
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from hypothesis_profiles import examples
from law_machine import LawMachine
from law_targets import Backend, FileBackend, PostgresBackend, SqliteBackend

import coco


@contextlib.contextmanager
def backend_of(
    name: str, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backend]:
    with contextlib.ExitStack() as stack:
        backend: Backend
        if name == "postgres":
            pytest.importorskip("coco_target_postgres")
            url = request.getfixturevalue("postgres_database")
            monkeypatch.setenv("COCO_DATABASE_URL", url)
            backend = PostgresBackend(url)
        elif name == "sqlite":
            pytest.importorskip("coco_target_sqlite")
            backend = SqliteBackend(folder)
        else:
            backend = FileBackend(folder)
        stack.callback(coco.stop)
        stack.callback(backend.close)
        yield backend


@pytest.mark.slow
@pytest.mark.parametrize("name", ["file", "sqlite", "postgres"])
def test_any_history_ends_in_the_same_targets(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend_of(name, tmp_path, request, monkeypatch) as backend, burning(backend.connector):

        class Machine(LawMachine):
            pass

        Machine.backend = backend
        Machine.folder = tmp_path
        run_state_machine_as_test(Machine, settings=settings(max_examples=examples(60, long=1_500)))
