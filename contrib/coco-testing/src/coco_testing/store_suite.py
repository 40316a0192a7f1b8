"""The laws of state stores (``coco.state.protocol``; DESIGN section 5).

Subclass ``StoreSuite`` as ``TestSomething``, with a fixture ``store``. Each check's docstring says what it catches.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.store.keeping import KeepingChecks
from coco_testing.store.life import LifeChecks
from coco_testing.store.tracking import TrackingChecks

STORE_ABILITIES: tuple[str, ...] = ("durable",)


class StoreSuite(LifeChecks, KeepingChecks, TrackingChecks, kit=True):
    """Subclass it. Must give: the fixture ``store``. May give: ``reopened``, ``met``."""

    all_abilities: ClassVar[tuple[str, ...]] = STORE_ABILITIES


__all__ = ["STORE_ABILITIES", "StoreSuite"]
