"""Setup and drop: compares what a flow needs with what is on record, and makes a plan to show, confirm and apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco.setup.bundle import SetupChangeBundle

__all__ = ["SetupChangeBundle", "flow_names_with_setup", "flow_names_with_setup_async"]


def flow_names_with_setup() -> list[str]:
    """Return the short names of the flows of this app namespace that are set up, even if code no longer defines them."""
    from coco.flow.runtime import runtime

    return runtime().flow_names_with_setup()


async def flow_names_with_setup_async() -> list[str]:
    """Async twin of ``flow_names_with_setup``."""
    from coco.flow.runtime import runtime

    return await runtime().flow_names_with_setup_async()


def __getattr__(name: str) -> Any:
    if name == "SetupChangeBundle":
        from coco.setup.bundle import SetupChangeBundle

        return SetupChangeBundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
