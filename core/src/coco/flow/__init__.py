"""The builder API and the immutable graph that it makes.

Names are imported when first used, so importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_MODULES = {
    "FlowBuilder": "builder",
    "DataCollector": "collectors",
    "GeneratedField": "collectors",
    "EvaluateAndDumpOptions": "options",
    "FlowLiveUpdaterOptions": "options",
    "FlowUpdaterStatusUpdates": "options",
    "DataScope": "scopes",
    "DataSlice": "slices",
}

if TYPE_CHECKING:
    from coco.flow.builder import FlowBuilder
    from coco.flow.collectors import DataCollector, GeneratedField
    from coco.flow.options import EvaluateAndDumpOptions, FlowLiveUpdaterOptions, FlowUpdaterStatusUpdates
    from coco.flow.scopes import DataScope
    from coco.flow.slices import DataSlice

__all__ = [
    "DataCollector",
    "DataScope",
    "DataSlice",
    "EvaluateAndDumpOptions",
    "FlowBuilder",
    "FlowLiveUpdaterOptions",
    "FlowUpdaterStatusUpdates",
    "GeneratedField",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        from coco import ports

        return ports.older_name("flow", name)
    value = getattr(importlib.import_module(f"coco.flow.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
