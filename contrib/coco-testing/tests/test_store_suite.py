"""Core's own stores under the laws of stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coco.state import MemoryStore, SqliteStore, StateStore
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.store_suite import ALL_STORE_ABILITIES, StoreSuite


class TestSqliteStore(StoreSuite):
    abilities = claim(ALL_STORE_ABILITIES)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteStore]:
        self._path = str(tmp_path / "state" / "state.db")
        store = SqliteStore(self._path)
        store.open()
        yield store
        store.close()

    def opener(self, store: Any) -> tuple[type[SqliteStore], tuple[str]]:
        return SqliteStore, (self._path,)

    def reopened(self, store: Any) -> StateStore:
        store.close()
        again = SqliteStore(self._path)
        again.open()
        return again


class TestMemoryStore(StoreSuite):
    abilities = claim(ALL_STORE_ABILITIES, dict.fromkeys(ALL_STORE_ABILITIES, UNSUPPORTED("it is memory")))

    @pytest.fixture
    def store(self) -> Iterator[MemoryStore]:
        store = MemoryStore()
        store.open()
        yield store
        store.close()
