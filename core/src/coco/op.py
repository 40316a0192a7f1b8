"""Everything for authors of operations: specs, decorators, what connectors receive and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coco.engine_object import NotIdentity
from coco.ops.decorators import (
    attachment_connector,
    declaration_connector,
    executor_class,
    fn,
    function,
    source_connector,
    target_connector,
)
from coco.ops.op_args import ArgRelationship, OpArgs
from coco.ops.runner_names import runner
from coco.ops.sources import (
    NO_ORDINAL,
    NON_EXISTENCE,
    PartialSourceRow,
    PartialSourceRowData,
    SourceConnector,
    SourceReadOptions,
)
from coco.ops.targets import (
    Adoption,
    ExportView,
    FencingToken,
    FlowView,
    MutationColumns,
    TargetConnector,
    TargetStateCompatibility,
)
from coco.spec import (
    DeclarationSpec,
    EmptyFunctionSpec,
    FunctionSpec,
    OpCategory,
    SourceSpec,
    SpecMeta,
    TargetAttachmentSpec,
    TargetSpec,
)

if TYPE_CHECKING:
    from coco.ops.identity import describe_identity
    from coco.ops.remote import Worker, answer_call, open_answer
    from coco.ops.row_target import row_target
    from coco.ops.runners import Answer, RemoteFunction, Runner, RunnerExecutor
    from coco.ops.worker_pool import WorkerLink, WorkerPool

_LAZY = {
    "describe_identity": "identity",
    "row_target": "row_target",
    "Worker": "remote",
    "answer_call": "remote",
    "open_answer": "remote",
    "Answer": "runners",
    "RemoteFunction": "runners",
    "Runner": "runners",
    "RunnerExecutor": "runners",
    "WorkerLink": "worker_pool",
    "WorkerPool": "worker_pool",
}
"""What a definition does not need: imported at first use."""


if not TYPE_CHECKING:  # so that checkers still know what is not there

    def __getattr__(name: str) -> Any:
        module = _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"coco.ops.{module}"), name)


__all__ = [
    "NON_EXISTENCE",
    "NO_ORDINAL",
    "Adoption",
    "Answer",
    "ArgRelationship",
    "DeclarationSpec",
    "EmptyFunctionSpec",
    "ExportView",
    "FencingToken",
    "FlowView",
    "FunctionSpec",
    "MutationColumns",
    "NotIdentity",
    "OpArgs",
    "OpCategory",
    "PartialSourceRow",
    "PartialSourceRowData",
    "RemoteFunction",
    "Runner",
    "RunnerExecutor",
    "SourceConnector",
    "SourceReadOptions",
    "SourceSpec",
    "SpecMeta",
    "TargetAttachmentSpec",
    "TargetConnector",
    "TargetSpec",
    "TargetStateCompatibility",
    "Worker",
    "WorkerLink",
    "WorkerPool",
    "answer_call",
    "attachment_connector",
    "declaration_connector",
    "describe_identity",
    "executor_class",
    "fn",
    "function",
    "open_answer",
    "row_target",
    "runner",
    "source_connector",
    "target_connector",
]
