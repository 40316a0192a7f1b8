"""Setup and drop: what should exist against what state says exists, as a plan that can be read, confirmed and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco.setup.bundle import SetupChangeBundle

__all__ = ["SetupChangeBundle"]


def __getattr__(name: str) -> Any:
    if name == "SetupChangeBundle":
        from coco.setup.bundle import SetupChangeBundle

        return SetupChangeBundle
    raise AttributeError(name)
