"""Makes suites over targets that are wrong in one way each."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from memory_hooks import SECRET, MemoryHooks

from coco import op
from coco.auth_registry import add_auth_entry
from coco_testing.abilities import Support, claim
from coco_testing.reference.target import (
    Login,
    MemoryTable,
    MemoryTableConnector,
    Table,
    TableState,
)
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

_numbers = itertools.count()
C = MemoryTableConnector


class MutantSuite(MemoryHooks):
    """What the mutants' suites share. ``expects``: other outcomes than a failure."""

    abilities: ClassVar[Mapping[str, Support]] = claim(ALL_TARGET_ABILITIES)
    spec_cls: ClassVar[Any] = MemoryTable
    expects: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    def spec(self) -> Any:
        login = add_auth_entry("memory-login", Login(SECRET), replace=True)
        return self.spec_cls(name=f"mutant{next(_numbers)}", login=login)


def mutant(
    name: str, *kills: str, abilities: dict[str, Support] | None = None, suite: Any = None, **methods: Any
) -> Any:
    """A suite over a connector with some methods replaced; ``suite``: names of the suite itself."""
    where = sys._getframe(1).f_globals["__name__"]  # whose lines a death may come at
    spec_cls = types.new_class(f"{name}Table", (MemoryTable,))
    connector = type(f"{name}Connector", (MemoryTableConnector,), {"__module__": where, **methods})
    op.target_connector(spec_cls=spec_cls, persistent_key_type=str, setup_state_cls=TableState)(connector)
    body = {
        "spec_cls": spec_cls,
        "kills": kills,
        "abilities": claim(ALL_TARGET_ABILITIES, abilities),
        **(suite or {}),
    }
    return type(f"Test{name}", (MutantSuite, TargetSuite), body)


def setup(change: Any) -> Any:
    """A replacement of ``apply_setup_change``."""
    return staticmethod(change)


def putting(change: Any) -> Any:
    def put(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
        change(table, key, row, changed)

    return staticmethod(put)


def converting(function: Any) -> Any:
    def change(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
        C.put(table, key, {name: function(item) for name, item in row.items()}, changed)

    return putting(change)
