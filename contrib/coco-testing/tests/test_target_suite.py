"""The target suite on a target that keeps every rule."""

from __future__ import annotations

import itertools

import pytest
from memory_hooks import ABILITIES, SECRET, MemoryHooks

from coco.auth_registry import add_auth_entry
from coco_testing.reference.target import Login, MemoryTable
from coco_testing.target_suite import TargetSuite

_numbers = itertools.count()


class TestMemoryTable(MemoryHooks, TargetSuite):
    abilities = ABILITIES

    @pytest.fixture
    def spec(self) -> MemoryTable:
        login = add_auth_entry("memory-login", Login(SECRET), replace=True)
        return MemoryTable(name=f"table{next(_numbers)}", login=login)
