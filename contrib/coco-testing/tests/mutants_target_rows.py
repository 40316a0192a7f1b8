"""Targets of one function that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from row_drawer import DRAWERS
from test_row_target_suite import TestRowDrawer as Right

from coco import op

_numbers = itertools.count()


@op.row_target()
def forgetful_drawer(upserts: dict[Any, dict[str, Any]], deletes: list[Any], name: str) -> None:
    """Deletes only where it writes, too: a drop leaves the rows."""
    drawer = DRAWERS.setdefault(name, {})
    drawer.update(upserts)
    for key in deletes if upserts else ():
        drawer.pop(key, None)


class MadeDrawer(op.TargetSpec):
    """A drawer that has to be made, although its connector says that there is no setup."""

    name: str


@op.target_connector(spec_cls=MadeDrawer, persistent_key_type=str)
class MadeDrawerConnector:
    without_setup = True

    @staticmethod
    def get_persistent_key(spec: MadeDrawer, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            DRAWERS.pop(key, None)
        else:
            DRAWERS.setdefault(key, {})

    @staticmethod
    def mutate(*batches: tuple[MadeDrawer, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            for key, row in changes.items():
                if row is None:
                    DRAWERS[spec.name].pop(key, None)
                else:
                    DRAWERS[spec.name][key] = row


class Drawers:
    """Hooks as those of the drawer that is right."""

    made: Any

    @pytest.fixture
    def spec(self) -> Any:
        return self.made(name=f"mutant{next(_numbers)}")


Base: Any = Right.__mro__[1]


def suite(name: str, made: Any, *kills: str) -> Any:
    """A suite over a spec."""
    body = {
        "abilities": Right.abilities,
        "read_back": Right.read_back,
        "made": staticmethod(made),
        "kills": kills,
    }
    return type(f"Test{name}", (Drawers, Base), body)


TestForgetful = suite("Forgetful", forgetful_drawer, "test_drop", "test_other_key")
TestNeedsSetup = suite("NeedsSetup", MadeDrawer, "test_resource_of_the_user")
