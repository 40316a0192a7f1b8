"""coco keeps derived data fresh: a flow leads from sources through typed functions to targets, and an update processes what
has changed.

``_NAMES`` lists the public names. Each is imported from its module at first use, so ``import coco`` costs almost nothing. A
flow that was written for CocoIndex v0 runs with ``import coco as cocoindex``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coco import ports

if TYPE_CHECKING:
    from coco.api.flow import Flow as Flow
    from coco.api.live import FlowLiveUpdater as FlowLiveUpdater
    from coco.api.live import update_all_flows_async as update_all_flows_async
    from coco.api.registry import add_flow_def as add_flow_def
    from coco.api.registry import drop_all_flows as drop_all_flows
    from coco.api.registry import drop_all_flows_async as drop_all_flows_async
    from coco.api.registry import flow_by_name as flow_by_name
    from coco.api.registry import flow_def as flow_def
    from coco.api.registry import flow_names as flow_names
    from coco.api.registry import flows as flows
    from coco.api.registry import open_flow as open_flow
    from coco.api.registry import remove_flow as remove_flow
    from coco.api.registry import setup_all_flows as setup_all_flows
    from coco.api.registry import setup_all_flows_async as setup_all_flows_async
    from coco.api.transform_flow import TransformFlow as TransformFlow
    from coco.api.transform_flow import transform_flow as transform_flow
    from coco.auth_registry import AuthEntryReference as AuthEntryReference
    from coco.auth_registry import TransientAuthEntryReference as TransientAuthEntryReference
    from coco.auth_registry import add_auth_entry as add_auth_entry
    from coco.auth_registry import add_transient_auth_entry as add_transient_auth_entry
    from coco.auth_registry import ref_auth_entry as ref_auth_entry
    from coco.engine.stats import IndexUpdateInfo as IndexUpdateInfo
    from coco.engine.stats import RowError as RowError
    from coco.engine.stats import RowErrors as RowErrors
    from coco.engine.stats import SourceUpdateInfo as SourceUpdateInfo
    from coco.engine.stats import UpdateStats as UpdateStats
    from coco.flow import DataCollector as DataCollector
    from coco.flow import DataScope as DataScope
    from coco.flow import DataSlice as DataSlice
    from coco.flow import EvaluateAndDumpOptions as EvaluateAndDumpOptions
    from coco.flow import FlowBuilder as FlowBuilder
    from coco.flow import FlowLiveUpdaterOptions as FlowLiveUpdaterOptions
    from coco.flow import FlowUpdaterStatusUpdates as FlowUpdaterStatusUpdates
    from coco.flow import GeneratedField as GeneratedField
    from coco.index import FtsIndexDef as FtsIndexDef
    from coco.index import HnswVectorIndexMethod as HnswVectorIndexMethod
    from coco.index import IndexOptions as IndexOptions
    from coco.index import IvfFlatVectorIndexMethod as IvfFlatVectorIndexMethod
    from coco.index import VectorIndexDef as VectorIndexDef
    from coco.index import VectorIndexMethod as VectorIndexMethod
    from coco.index import VectorSimilarityMetric as VectorSimilarityMetric
    from coco.lib import SecretRef as SecretRef
    from coco.lib import add_event_listener as add_event_listener
    from coco.lib import cache_stats as cache_stats
    from coco.lib import cache_stats_async as cache_stats_async
    from coco.lib import current_settings as current_settings
    from coco.lib import get_app_namespace as get_app_namespace
    from coco.lib import init as init
    from coco.lib import is_persistent as is_persistent
    from coco.lib import prune_cache as prune_cache
    from coco.lib import prune_cache_async as prune_cache_async
    from coco.lib import secret as secret
    from coco.lib import settings as settings
    from coco.lib import stop as stop
    from coco.op import fn as fn
    from coco.operations.evaluate import EvaluateReport as EvaluateReport
    from coco.operations.known_results import CallCount as CallCount
    from coco.operations.plan import PlannedSource as PlannedSource
    from coco.operations.plan import PlannedTarget as PlannedTarget
    from coco.operations.plan import SetupPlan as SetupPlan
    from coco.operations.plan import UpdatePlan as UpdatePlan
    from coco.operations.status import FlowStatus as FlowStatus
    from coco.operations.status import LeaseStatus as LeaseStatus
    from coco.operations.status import SourceStatus as SourceStatus
    from coco.operations.status import TargetStatus as TargetStatus
    from coco.operations.verify_report import SourceCheck as SourceCheck
    from coco.operations.verify_report import TargetCheck as TargetCheck
    from coco.operations.verify_report import VerifyReport as VerifyReport
    from coco.query_handler import QueryHandlerResultFields as QueryHandlerResultFields
    from coco.query_handler import QueryInfo as QueryInfo
    from coco.query_handler import QueryOutput as QueryOutput
    from coco.setting import DatabaseConnectionSpec as DatabaseConnectionSpec
    from coco.setting import GlobalExecutionOptions as GlobalExecutionOptions
    from coco.setting import ServerSettings as ServerSettings
    from coco.setting import Settings as Settings
    from coco.setting import split_app_namespace as split_app_namespace
    from coco.typing import Float32 as Float32
    from coco.typing import Float64 as Float64
    from coco.typing import Int64 as Int64
    from coco.typing import Json as Json
    from coco.typing import LocalDateTime as LocalDateTime
    from coco.typing import OffsetDateTime as OffsetDateTime
    from coco.typing import Range as Range
    from coco.typing import TypeAttr as TypeAttr
    from coco.typing import TypeKind as TypeKind
    from coco.typing import Vector as Vector
    from coco.utils import get_target_default_name as get_target_default_name

_NAMES: dict[str, tuple[str, ...]] = {
    "auth_registry": (
        "AuthEntryReference",
        "TransientAuthEntryReference",
        "add_auth_entry",
        "add_transient_auth_entry",
        "ref_auth_entry",
    ),
    "api.flow": ("Flow",),
    "api.live": (
        "FlowLiveUpdater",
        "update_all_flows_async",
    ),
    "api.registry": (
        "add_flow_def",
        "drop_all_flows",
        "drop_all_flows_async",
        "flow_by_name",
        "flow_def",
        "flow_names",
        "flows",
        "open_flow",
        "remove_flow",
        "setup_all_flows",
        "setup_all_flows_async",
    ),
    "api.transform_flow": (
        "TransformFlow",
        "transform_flow",
    ),
    "engine.stats": ("IndexUpdateInfo", "RowError", "RowErrors", "SourceUpdateInfo", "UpdateStats"),
    "operations.evaluate": ("EvaluateReport",),
    "operations.known_results": ("CallCount",),
    "operations.plan": ("PlannedSource", "PlannedTarget", "SetupPlan", "UpdatePlan"),
    "operations.status": ("FlowStatus", "LeaseStatus", "SourceStatus", "TargetStatus"),
    "operations.verify_report": ("SourceCheck", "TargetCheck", "VerifyReport"),
    "flow": (
        "DataCollector",
        "DataScope",
        "DataSlice",
        "EvaluateAndDumpOptions",
        "FlowBuilder",
        "FlowLiveUpdaterOptions",
        "FlowUpdaterStatusUpdates",
        "GeneratedField",
    ),
    "index": (
        "FtsIndexDef",
        "HnswVectorIndexMethod",
        "IndexOptions",
        "IvfFlatVectorIndexMethod",
        "VectorIndexDef",
        "VectorIndexMethod",
        "VectorSimilarityMetric",
    ),
    "lib": (
        "SecretRef",
        "add_event_listener",
        "cache_stats",
        "cache_stats_async",
        "current_settings",
        "get_app_namespace",
        "init",
        "is_persistent",
        "prune_cache",
        "prune_cache_async",
        "secret",
        "settings",
        "stop",
    ),
    "op": ("fn",),
    "query_handler": ("QueryHandlerResultFields", "QueryInfo", "QueryOutput"),
    "setting": (
        "DatabaseConnectionSpec",
        "GlobalExecutionOptions",
        "ServerSettings",
        "Settings",
        "split_app_namespace",
    ),
    "typing": (
        "Float32",
        "Float64",
        "Int64",
        "Json",
        "LocalDateTime",
        "OffsetDateTime",
        "Range",
        "TypeAttr",
        "TypeKind",
        "Vector",
    ),
    "utils": ("get_target_default_name",),
}
BUILT_IN_PLUGIN = "coco._builtin"
"""The module of coco-core's own plugin, as an entry point would name it. The loader of plugins starts it first."""

_OLDER: dict[str, dict[str, str]] = {
    "flow": {
        **{
            name: module
            for module, names in _NAMES.items()
            if module.startswith(("api.", "engine.", "operations."))
            for name in names
        },
        "ensure_all_flows_built": "api.registry",
        "ensure_all_flows_built_async": "api.registry",
        "get_flow_full_name": "api.registry",
        "make_drop_bundle": "api.registry",
        "make_drop_bundle_async": "api.registry",
        "make_setup_bundle": "api.registry",
        "make_setup_bundle_async": "api.registry",
        "update_all_flows": "api.live",
    },
    "setup": {
        "SetupChangeBundle": "operations.setup_bundle",
        "flow_names_with_setup": "api.registry",
        "flow_names_with_setup_async": "api.registry",
    },
}
"""By module: names that CocoIndex v0 has there, and the module that has them here."""
_WHERE = {name: module for module, names in _NAMES.items() for name in names}
_MODULES = frozenset(
    {
        *(module for module in _NAMES if "." not in module),
        "cli",
        "engine_object",
        "engine_value",
        "errors",
        "events",
        "flow",
        "functions",
        "kit",
        "op",
        "plugins",
        "setup",
        "sources",
        "targets",
        "utils",
        "validation",
    }
)

__all__ = sorted({*_WHERE, "functions", "op", "sources", "targets"})


if TYPE_CHECKING:
    from coco import auth_registry as auth_registry
    from coco import engine_object as engine_object
    from coco import engine_value as engine_value
    from coco import errors as errors
    from coco import events as events
    from coco import flow as flow
    from coco import functions as functions
    from coco import index as index
    from coco import kit as kit
    from coco import lib as lib
    from coco import op as op
    from coco import plugins as plugins
    from coco import query_handler as query_handler
    from coco import setting as setting
    from coco import setup as setup
    from coco import sources as sources
    from coco import targets as storages  # noqa: F401
    from coco import targets as targets
    from coco import typing as typing
    from coco import utils as utils
    from coco import validation as validation

    __version__: str
else:  # so that type checkers report what is not there

    def __getattr__(name: str) -> Any:
        if name in _WHERE:
            value = getattr(importlib.import_module(f"coco.{_WHERE[name]}"), name)
        elif name in _MODULES:
            return importlib.import_module(f"coco.{name}")  # this also sets the attribute
        elif name == "storages":
            value = importlib.import_module("coco.targets")  # an old name of it
        elif name == "__version__":
            from importlib.metadata import version

            value = version("coco-core")
        else:
            raise AttributeError(f"module 'coco' has no attribute {name!r}", name=name, obj=None)
        globals()[name] = value
        return value


def _older_name(module: str, name: str) -> Any:
    home = _OLDER[module].get(name)
    if home is None:
        raise AttributeError(f"module 'coco.{module}' has no attribute {name!r}", name=name, obj=None)
    return getattr(importlib.import_module(f"coco.{home}"), name)


def _execute_spec(spec: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return importlib.import_module("coco.api.execute_spec").execute_spec(spec, args, kwargs)


ports.older_name = _older_name
ports.execute_spec = _execute_spec


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_MODULES, "__version__"})
