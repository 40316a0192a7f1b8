"""The rules that every state store must keep (``coco.state.protocol``).

Subclass ``StoreSuite`` as ``TestSomething``, with a fixture ``store``. Each check's docstring says what it tests.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.store.keeping import KeepingChecks
from coco_testing.store.life import LifeChecks
from coco_testing.store.sharing import MORE_SHARING_ABILITIES, SharingChecks
from coco_testing.store.tracking import TrackingChecks

STORE_ABILITIES: tuple[str, ...] = ("durable",)
MORE_STORE_ABILITIES: tuple[str, ...] = MORE_SHARING_ABILITIES
"""New in this minor version of the kit. Stores must declare these from the next minor version."""

ALL_STORE_ABILITIES = STORE_ABILITIES + MORE_STORE_ABILITIES


class StoreSuite(SharingChecks, LifeChecks, KeepingChecks, TrackingChecks, kit=True):
    """Subclass it. Must give: the fixture ``store``. May give: ``reopened``, ``opener``, ``met``."""

    all_abilities: ClassVar[tuple[str, ...]] = STORE_ABILITIES
    newer_abilities: ClassVar[tuple[str, ...]] = MORE_STORE_ABILITIES


__all__ = ["ALL_STORE_ABILITIES", "MORE_STORE_ABILITIES", "STORE_ABILITIES", "StoreSuite"]
