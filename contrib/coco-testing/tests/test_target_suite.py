"""The target suite on a target that keeps every rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from coco.auth_registry import add_auth_entry
from coco_testing.abilities import claim
from coco_testing.reference.target import Login, MemoryTable, rows_of
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import TARGET_ABILITIES, TargetSuite

_numbers = itertools.count()
SECRET = "correct horse battery"


class TestMemoryTable(TargetSuite):
    abilities = claim(TARGET_ABILITIES)

    @pytest.fixture
    def spec(self) -> MemoryTable:
        login = add_auth_entry("memory-login", Login(SECRET), replace=True)
        return MemoryTable(name=f"table{next(_numbers)}", login=login)

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        return rows_of(spec.name, shape)

    def secrets(self, spec: Any) -> Iterable[str]:
        return [SECRET]
