"""Flows: the builder API, and the immutable graph that it makes.

Names are imported when first used, so importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "builder": ("FlowBuilder",),
    "collectors": ("DataCollector", "GeneratedField"),
    "flow": ("Flow",),
    "live": ("FlowLiveUpdater", "update_all_flows", "update_all_flows_async"),
    "options": ("EvaluateAndDumpOptions", "FlowLiveUpdaterOptions", "FlowUpdaterStatusUpdates"),
    "registry": (
        "add_flow_def",
        "drop_all_flows",
        "drop_all_flows_async",
        "ensure_all_flows_built",
        "ensure_all_flows_built_async",
        "flow_by_name",
        "flow_def",
        "flow_names",
        "flows",
        "get_flow_full_name",
        "make_drop_bundle",
        "make_drop_bundle_async",
        "make_setup_bundle",
        "make_setup_bundle_async",
        "open_flow",
        "remove_flow",
        "setup_all_flows",
        "setup_all_flows_async",
    ),
    "scopes": ("DataScope",),
    "slices": ("DataSlice",),
    "inline": ("TransformFlow", "transform_flow"),
}

_ABOVE = {"flow": "flow", "live": "live", "registry": "registry", "inline": "transform_flow"}
_MODULES = {
    name: f"coco.api.{_ABOVE[module]}" if module in _ABOVE else f"coco.flow.{module}"
    for module, names in _HOMES.items()
    for name in names
}
# These lie above this layer, hence by name.
_MODULES["IndexUpdateInfo"] = _MODULES["RowError"] = "coco.engine.stats"
_MODULES["UpdatePlan"] = "coco.operations.plan"
_MODULES["VerifyReport"] = "coco.operations.verify_report"

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.api.live import FlowLiveUpdater, update_all_flows, update_all_flows_async
    from coco.api.registry import (
        add_flow_def,
        drop_all_flows,
        drop_all_flows_async,
        ensure_all_flows_built,
        ensure_all_flows_built_async,
        flow_by_name,
        flow_def,
        flow_names,
        flows,
        get_flow_full_name,
        make_drop_bundle,
        make_drop_bundle_async,
        make_setup_bundle,
        make_setup_bundle_async,
        open_flow,
        remove_flow,
        setup_all_flows,
        setup_all_flows_async,
    )
    from coco.api.transform_flow import TransformFlow, transform_flow
    from coco.engine.stats import IndexUpdateInfo, RowError
    from coco.flow.builder import FlowBuilder
    from coco.flow.collectors import DataCollector, GeneratedField
    from coco.flow.options import EvaluateAndDumpOptions, FlowLiveUpdaterOptions, FlowUpdaterStatusUpdates
    from coco.flow.scopes import DataScope
    from coco.flow.slices import DataSlice
    from coco.operations.plan import UpdatePlan
    from coco.operations.verify_report import VerifyReport

__all__ = [
    "DataCollector",
    "DataScope",
    "DataSlice",
    "EvaluateAndDumpOptions",
    "Flow",
    "FlowBuilder",
    "FlowLiveUpdater",
    "FlowLiveUpdaterOptions",
    "FlowUpdaterStatusUpdates",
    "GeneratedField",
    "IndexUpdateInfo",
    "RowError",
    "TransformFlow",
    "UpdatePlan",
    "VerifyReport",
    "add_flow_def",
    "drop_all_flows",
    "drop_all_flows_async",
    "ensure_all_flows_built",
    "ensure_all_flows_built_async",
    "flow_by_name",
    "flow_def",
    "flow_names",
    "flows",
    "get_flow_full_name",
    "make_drop_bundle",
    "make_drop_bundle_async",
    "make_setup_bundle",
    "make_setup_bundle_async",
    "open_flow",
    "remove_flow",
    "setup_all_flows",
    "setup_all_flows_async",
    "transform_flow",
    "update_all_flows",
    "update_all_flows_async",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
